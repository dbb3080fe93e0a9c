//! The documents are true of the tree: what they link to or name as a file is there.

use std::collections::BTreeSet;

use crate::{files::File, finding::Finding};

/// Endings by which a word in backquotes is taken for a file of the tree.
const ENDINGS: [&str; 9] = [".rs", ".mjs", ".js", ".sh", ".md", ".toml", ".html", ".yml", ".json"];

pub(crate) fn check(tree: &[File]) -> Vec<Finding> {
    let paths: BTreeSet<&str> = tree.iter().map(|file| file.path.as_str()).collect();
    let mut findings = Vec::new();
    for file in tree.iter().filter(|file| file.extension() == "md") {
        let folder = file.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        for (number, line) in file.lines() {
            let links = between(line, "](", ')').filter(|link| !link.contains("://") && !link.starts_with('#'));
            let links = links.map(|link| resolve(folder, link.split('#').next().unwrap_or_default()));
            let names = between(line, "`", '`').filter(|name| is_path(name)).map(|name| resolve("", name));
            for path in links.chain(names).filter(|path| !is_there(&paths, path)) {
                findings.push(Finding::error(&file.path, number, format!("`{path}` is not in the tree")));
            }
        }
    }
    findings
}

fn is_path(name: &str) -> bool {
    let is_plain = name.chars().all(|letter| letter.is_ascii_alphanumeric() || "/._-".contains(letter));
    is_plain
        && name.contains('/')
        && !name.starts_with(['/', '.'])
        && ENDINGS.iter().any(|ending| name.ends_with(ending))
}

/// A file, or a folder with something in it.
fn is_there(paths: &BTreeSet<&str>, path: &str) -> bool {
    let folder = format!("{}/", path.trim_end_matches('/'));
    paths.contains(path) || paths.range(folder.as_str()..).next().is_some_and(|first| first.starts_with(&folder))
}

/// What stands between each `open` and the next `close`, pairwise.
fn between<'a>(line: &'a str, open: &'a str, close: char) -> impl Iterator<Item = &'a str> {
    let mut rest = line;
    std::iter::from_fn(move || {
        let (_, after) = rest.split_once(open)?;
        let (inner, after) = after.split_once(close)?;
        rest = after;
        Some(inner)
    })
}

fn resolve(folder: &str, link: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in link.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::file;

    fn found(text: &str) -> Vec<String> {
        let tree = [file("docs/a.md", text), file("media/src/plan.rs", ""), file("README.md", "")];
        check(&tree).into_iter().map(|finding| finding.text).collect()
    }

    #[test]
    fn links_lead_somewhere() {
        assert_eq!(
            found("[a](../README.md#top), [b](a.md), [c](https://example.org/x.md), [d](#here)"),
            [] as [&str; 0]
        );
        assert_eq!(found("[a](README.md)"), ["`docs/README.md` is not in the tree"]);
    }

    #[test]
    fn files_named_in_backquotes_exist() {
        assert_eq!(found("see `media/src/plan.rs`, `media/src/` and `{track}/index.json`"), [] as [&str; 0]);
        assert_eq!(found("see `media/src/gone.rs`"), ["`media/src/gone.rs` is not in the tree"]);
    }
}
