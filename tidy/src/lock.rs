//! Lock files name versions and hashes, and no host but the public crates index: mirrors are a matter of one machine.

use crate::{files::File, finding::Finding};

const INDEX: &str = "source = \"registry+https://github.com/rust-lang/crates.io-index\"";

pub(crate) fn check(file: &File) -> Vec<Finding> {
    let is_wrong = |line: &str| match file.name() {
        "Cargo.lock" => line.starts_with("source = ") && line != INDEX,
        "package-lock.json" => line.trim_start().starts_with("\"resolved\":"),
        ".npmrc" => line.trim_start().starts_with("registry"),
        _ => false,
    };
    let text = "a lock file names no host but the crates index (npm: omit-lockfile-registry-resolved)";
    let lines = file.lines().filter(|(_, line)| is_wrong(line));
    lines.map(|(number, _)| Finding::error(&file.path, number, text)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::file;

    #[test]
    fn only_the_crates_index_is_named() {
        let lock = format!("{INDEX}\nsource = \"registry+https://mirror.invalid/index\"\n");
        let found = check(&file("Cargo.lock", &lock));
        assert_eq!(found.iter().map(|finding| finding.line).collect::<Vec<_>>(), [2]);
        let npm = "{\n  \"resolved\": \"https://mirror.invalid/a.tgz\",\n  \"integrity\": \"sha512-x\"\n}\n";
        assert_eq!(check(&file("web/package-lock.json", npm)).len(), 1);
        assert_eq!(check(&file("web/notes.json", npm)), []);
    }
}
