//! Languages as HLS and DASH name them, from the three letters that containers use.

/// ISO 639-2 codes (terminological and bibliographic) with an ISO 639-1 code, which BCP 47 §2.2.1
/// prefers; sorted by the first.
const SHORT: [(&str, &str); 78] = [
    ("afr", "af"),
    ("alb", "sq"),
    ("amh", "am"),
    ("ara", "ar"),
    ("arm", "hy"),
    ("aze", "az"),
    ("baq", "eu"),
    ("bel", "be"),
    ("ben", "bn"),
    ("bos", "bs"),
    ("bul", "bg"),
    ("bur", "my"),
    ("cat", "ca"),
    ("ces", "cs"),
    ("chi", "zh"),
    ("cym", "cy"),
    ("cze", "cs"),
    ("dan", "da"),
    ("deu", "de"),
    ("dut", "nl"),
    ("ell", "el"),
    ("eng", "en"),
    ("epo", "eo"),
    ("est", "et"),
    ("eus", "eu"),
    ("fas", "fa"),
    ("fin", "fi"),
    ("fra", "fr"),
    ("fre", "fr"),
    ("geo", "ka"),
    ("ger", "de"),
    ("gle", "ga"),
    ("glg", "gl"),
    ("gre", "el"),
    ("guj", "gu"),
    ("heb", "he"),
    ("hin", "hi"),
    ("hrv", "hr"),
    ("hun", "hu"),
    ("hye", "hy"),
    ("ice", "is"),
    ("ind", "id"),
    ("isl", "is"),
    ("ita", "it"),
    ("jpn", "ja"),
    ("kan", "kn"),
    ("kat", "ka"),
    ("kaz", "kk"),
    ("khm", "km"),
    ("kor", "ko"),
    ("lat", "la"),
    ("lav", "lv"),
    ("lit", "lt"),
    ("mac", "mk"),
    ("mal", "ml"),
    ("may", "ms"),
    ("mkd", "mk"),
    ("msa", "ms"),
    ("nld", "nl"),
    ("nor", "no"),
    ("per", "fa"),
    ("pol", "pl"),
    ("por", "pt"),
    ("ron", "ro"),
    ("rum", "ro"),
    ("rus", "ru"),
    ("slk", "sk"),
    ("slo", "sk"),
    ("slv", "sl"),
    ("spa", "es"),
    ("srp", "sr"),
    ("swe", "sv"),
    ("tam", "ta"),
    ("tha", "th"),
    ("tur", "tr"),
    ("ukr", "uk"),
    ("vie", "vi"),
    ("zho", "zh"),
];

/// The BCP 47 tag of what a container says; `und` for anything that is not a language.
pub fn bcp47(code: Option<&str>) -> String {
    let Some(code) = code else { return "und".to_owned() };
    let plain = (2..=3).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_lowercase());
    if !plain {
        return "und".to_owned();
    }
    let place = SHORT.binary_search_by_key(&code, |(long, _)| *long).ok();
    place.and_then(|at| SHORT.get(at)).map_or(code, |(_, short)| *short).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_letters_become_two_where_there_are_two() {
        assert!(SHORT.is_sorted_by_key(|(long, _)| *long));
        for (code, tag) in
            [("fra", "fr"), ("ger", "de"), ("zho", "zh"), ("en", "en"), ("nds", "nds"), ("\"x", "und"), ("", "und")]
        {
            assert_eq!(bcp47(Some(code)), tag);
        }
        assert_eq!(bcp47(None), "und");
    }
}
