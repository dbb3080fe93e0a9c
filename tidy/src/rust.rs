//! Rules of a single Rust file: its size, its opening comment, its name, and what product code may not say.

use crate::{files::File, finding::Finding};

/// Lines of a file: aim and limit. Longer tests go to `foo/tests.rs`.
const LINES_AIM: usize = 300;
const LINES_MAX: usize = 500;

/// What may end the process or a request instead of giving an error. In pieces, since this file is searched too.
const PANICS: [&str; 3] = [concat!("pa", "nic!("), concat!("unimple", "mented!("), concat!("to", "do!(")];
/// What `media` must not touch: it is pure.
const IMPURE: [&str; 10] = [
    "std::fs",
    "std::net",
    "std::thread",
    "std::env",
    "std::process",
    "std::io::std",
    "SystemTime",
    "Instant::now",
    "tokio",
    "rand::",
];

pub(crate) fn check(file: &File) -> Vec<Finding> {
    let mut findings = size(file);
    if file.extension() != "rs" {
        return findings;
    }
    if file.name() == "mod.rs" {
        findings.push(Finding::error(&file.path, 0, "a module is foo.rs beside foo/, never mod.rs"));
    }
    if !file.text.starts_with("//!") {
        findings.push(Finding::error(&file.path, 1, "the file does not open with `//!`: its one job"));
    }
    let is_pure = file.path.starts_with("media/src/");
    for (line, code) in file.product_lines() {
        if let Some(panic) = PANICS.iter().find(|panic| code.contains(*panic)) {
            findings.push(Finding::error(&file.path, line, format!("`{panic}…)` in product code: give an error")));
        }
        if let Some(word) = IMPURE.iter().find(|word| is_pure && code.contains(*word)) {
            findings.push(Finding::error(&file.path, line, format!("`{word}` in media, which is pure")));
        }
    }
    findings
}

fn size(file: &File) -> Vec<Finding> {
    let is_code = matches!(file.extension(), "rs" | "ts" | "tsx" | "js" | "mjs" | "css" | "sh");
    let lines = file.text.lines().count();
    let (path, text) = (&file.path, format!("{lines} lines, the limit is {LINES_MAX} and the aim {LINES_AIM}"));
    match lines {
        _ if !is_code => Vec::new(),
        lines if lines > LINES_MAX => vec![Finding::error(path, 0, text)],
        lines if lines > LINES_AIM => vec![Finding::note(path, 0, text)],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{files::file, finding::Weight};

    fn found(path: &str, text: &str) -> Vec<(Weight, usize)> {
        check(&file(path, text)).into_iter().map(|finding| (finding.weight, finding.line)).collect()
    }

    #[test]
    fn a_file_has_a_size() {
        let of = |lines: usize| format!("//! One job.\n{}", "\n".repeat(lines - 1));
        assert_eq!(found("a/b.rs", &of(300)), []);
        assert_eq!(found("a/b.rs", &of(301)), [(Weight::Note, 0)]);
        assert_eq!(found("a/b.rs", &of(501)), [(Weight::Error, 0)]);
        assert_eq!(found("web/b.ts", &of(501)), [(Weight::Error, 0)]);
        assert_eq!(found("README.md", &of(501)), []);
    }

    #[test]
    fn a_file_says_its_job_and_is_not_mod_rs() {
        assert_eq!(found("a/b.rs", "use x;\n"), [(Weight::Error, 1)]);
        assert_eq!(found("a/mod.rs", "//! Job.\n"), [(Weight::Error, 0)]);
    }

    #[test]
    fn product_code_does_not_panic_but_tests_may() {
        let code = "//! Job.\nfn a() {\n    panic!(\"no\")\n}\n";
        assert_eq!(found("a/b.rs", code), [(Weight::Error, 3)]);
        assert_eq!(found("a/b/tests.rs", code), []);
        assert_eq!(found("a/tests/b.rs", code), []);
        let inline = "//! Job.\n#[cfg(test)]\nmod tests {\n    fn a() { panic!() }\n}\n";
        assert_eq!(found("a/b.rs", inline), []);
        let elsewhere = "//! Job.\n#[cfg(test)]\nmod tests;\nfn a() { panic!() }\n";
        assert_eq!(found("a/b.rs", elsewhere), [(Weight::Error, 4)]);
    }

    #[test]
    fn media_is_pure() {
        let code = "//! Job.\nuse std::fs;\n";
        assert_eq!(found("media/src/b.rs", code), [(Weight::Error, 2)]);
        assert_eq!(found("store/src/b.rs", code), []);
    }
}
