//! Language tags (BCP 47) as the three letters that `mdhd` holds (ISO/IEC 14496-12 §8.4.2, ISO 639-2/T).

/// The code for an unknown language.
pub(super) const UNDETERMINED: &str = "und";

/// ISO 639-1 codes, each followed by its ISO 639-2/T code.
const TWO_AND_THREE: &str = "\
    aaaar ababk aeave afafr akaka amamh anarg arara asasm avava ayaym azaze babak bebel bgbul bibis bmbam bnben \
    bobod brbre bsbos cacat ceche chcha cocos crcre csces cuchu cvchv cycym dadan dedeu dvdiv dzdzo eeewe elell \
    eneng eoepo esspa etest eueus fafas ffful fifin fjfij fofao frfra fyfry gagle gdgla glglg gngrn guguj gvglv \
    hahau heheb hihin hohmo hrhrv hthat huhun hyhye hzher iaina idind ieile igibo iiiii ikipk ioido isisl itita \
    iuiku jajpn jvjav kakat kgkon kikik kjkua kkkaz klkal kmkhm knkan kokor krkau kskas kukur kvkom kwcor kykir \
    lalat lbltz lglug lilim lnlin lolao ltlit lulub lvlav mgmlg mhmah mimri mkmkd mlmal mnmon mrmar msmsa mtmlt \
    mymya nanau nbnob ndnde nenep ngndo nlnld nnnno nonor nrnbl nvnav nynya ococi ojoji omorm orori ososs papan \
    pipli plpol pspus ptpor quque rmroh rnrun roron rurus rwkin sasan scsrd sdsnd sesme sgsag sisin skslk slslv \
    smsmo snsna sosom sqsqi srsrp ssssw stsot susun svswe swswa tatam tetel tgtgk ththa titir tktuk tltgl tntsn \
    toton trtur tstso tttat twtwi tytah uguig ukukr ururd uzuzb veven vivie vovol wawln wowol xhxho yiyid yoyor \
    zazha zhzho zuzul";

/// The ISO 639-2/T code of a tag's language; `und` if it has none.
pub(super) fn iso_639_2(tag: &str) -> &str {
    let primary = tag.split(['-', '_']).next().unwrap_or_default();
    let lower = primary.bytes().all(|byte| byte.is_ascii_lowercase());
    match primary.len() {
        3 if lower => primary,
        2 => TWO_AND_THREE
            .split(' ')
            .find_map(|pair| pair.split_at_checked(2).filter(|(two, _)| two.eq_ignore_ascii_case(primary)))
            .map_or(UNDETERMINED, |(_, three)| three),
        _ => UNDETERMINED,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_become_three_letters() {
        for (tag, code) in
            [("en", "eng"), ("pt-BR", "por"), ("deu", "deu"), ("DE", "deu"), ("und", "und"), ("", "und"), ("xx", "und")]
        {
            assert_eq!(iso_639_2(tag), code, "{tag}");
        }
        assert_eq!(iso_639_2("\u{e9}\u{e9}"), "und");
        assert_eq!(iso_639_2("\u{e9}x"), "und");
    }

    #[test]
    fn the_table_is_regular() {
        for pair in TWO_AND_THREE.split(' ') {
            assert_eq!(pair.len(), 5, "{pair}");
            assert!(pair.bytes().all(|byte| byte.is_ascii_lowercase()), "{pair}");
        }
    }
}
