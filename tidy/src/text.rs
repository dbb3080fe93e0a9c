//! Words that no committed file may contain: what is left for later, tests that do not run, sleeps, a machine's paths.

use crate::{files::File, finding::Finding};

/// A forbidden word and the sentence that says so. Written in two parts, so that this file passes its own check.
struct Word {
    letters: String,
    whole: bool,
    scope: Scope,
    reason: &'static str,
}

/// Which files a word is forbidden in.
#[derive(Clone, Copy, PartialEq)]
enum Scope {
    Everywhere,
    Code,
    Tests,
}

fn words() -> Vec<Word> {
    let word = |parts: [&str; 2], whole, scope, reason| Word { letters: parts.concat(), whole, scope, reason };
    let later = "is left for later: do it or write down why not";
    let asleep = "a test that does not run is no test";
    let sleep = "a test waits for an event, not for time";
    let machine = "a path of one machine";
    vec![
        word(["TO", "DO"], true, Scope::Code, later),
        word(["FIX", "ME"], true, Scope::Code, later),
        word(["HA", "CK"], true, Scope::Code, later),
        word(["#[ig", "nore"], false, Scope::Code, asleep),
        word(["test.sk", "ip("], false, Scope::Code, asleep),
        word(["test.on", "ly("], false, Scope::Code, asleep),
        word(["describe.on", "ly("], false, Scope::Code, asleep),
        word(["thread::sl", "eep"], false, Scope::Tests, sleep),
        word(["time::sl", "eep"], false, Scope::Tests, sleep),
        word(["waitForTime", "out"], false, Scope::Code, sleep),
        word(["/ro", "ot/"], false, Scope::Everywhere, machine),
        word(["/ho", "me/"], false, Scope::Everywhere, machine),
        word(["/wo", "rk/"], false, Scope::Everywhere, machine),
    ]
}

pub(crate) fn check(file: &File) -> Vec<Finding> {
    let is_code =
        matches!(file.extension(), "rs" | "ts" | "tsx" | "js" | "mjs" | "html" | "css" | "sh" | "toml" | "yml")
            || matches!(file.name(), "Makefile" | "run");
    let applies = |scope| match scope {
        Scope::Everywhere => true,
        Scope::Code => is_code,
        Scope::Tests => is_code && file.is_test(),
    };
    let words: Vec<Word> = words().into_iter().filter(|word| applies(word.scope)).collect();
    let mut findings = Vec::new();
    for (number, line) in file.lines() {
        for word in words.iter().filter(|word| contains(line, &word.letters, word.whole)) {
            findings.push(Finding::error(&file.path, number, format!("`{}`: {}", word.letters, word.reason)));
        }
    }
    findings
}

fn contains(line: &str, word: &str, whole: bool) -> bool {
    let is_letter = |letter: Option<char>| letter.is_some_and(|letter| letter.is_alphanumeric() || letter == '_');
    line.match_indices(word).any(|(at, _)| {
        let before = line.get(..at).and_then(|text| text.chars().next_back());
        let after = line.get(at + word.len()..).and_then(|text| text.chars().next());
        !whole || !(is_letter(before) || is_letter(after))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::file;

    fn lines(path: &str, text: &str) -> Vec<usize> {
        check(&file(path, text)).into_iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn nothing_is_left_for_later() {
        let later = ["//! Job.\n// TO", "DO: more\n"].concat();
        assert_eq!(lines("a.rs", &later), [2]);
        assert_eq!(lines("a.sh", &later), [2]);
        assert_eq!(lines("notes.md", &later), [] as [usize; 0]);
        let part = ["let MASTO", "DONS = 1;"].concat();
        assert_eq!(lines("a.rs", &part), [] as [usize; 0]);
    }

    #[test]
    fn every_test_runs_and_none_sleeps() {
        assert_eq!(lines("a/tests/b.rs", &["#[ig", "nore]\nfn a() {}"].concat()), [1]);
        assert_eq!(lines("players/a.test.mjs", &["test.sk", "ip('a')"].concat()), [1]);
        let sleep = ["tokio::time::sl", "eep(a).await;"].concat();
        assert_eq!(lines("a/tests/b.rs", &sleep), [1]);
        assert_eq!(lines("a/src/b.rs", &sleep), [] as [usize; 0], "a product may wait");
    }

    #[test]
    fn no_path_of_a_machine_is_committed() {
        assert_eq!(lines("notes.md", &["see /ho", "me/me/notes"].concat()), [1]);
        assert_eq!(lines("a.rs", "let uri = \"/v1/videos\";"), [] as [usize; 0]);
    }
}
