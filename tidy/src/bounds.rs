//! The list of bounds is true: each is defined as it says, each test that it names is there, and no limit is left out.

use crate::{files::File, finding::Finding};

/// The list.
const LIST: &str = "docs/bounds.md";
/// Files in which every constant is a bound.
const LIMITS: &str = "limits.rs";

pub(crate) fn check(tree: &[File]) -> Vec<Finding> {
    let Some(list) = tree.iter().find(|file| file.path == LIST) else { return Vec::new() };
    let mut findings = Vec::new();
    for (number, line) in list.lines().filter(|(_, line)| line.starts_with('|')) {
        findings.extend(row(tree, line).into_iter().map(|text| Finding::error(LIST, number, text)));
    }
    for file in tree.iter().filter(|file| file.name() == LIMITS) {
        for (number, line) in file.lines() {
            if let Some(name) = constant(line).filter(|name| !list.text.contains(&format!("`{name} = "))) {
                findings.push(Finding::error(&file.path, number, format!("`{name}` is not in {LIST}")));
            }
        }
    }
    findings
}

/// What is wrong with a row, whose words in backquotes are `NAME = VALUE`, the file of it, and tests as `FILE::NAME`.
fn row(tree: &[File], line: &str) -> Vec<String> {
    let text = |path: &str| tree.iter().find(|file| file.path == path).map_or("", |file| &file.text);
    let no_file = |(name, _): (&str, &str)| format!("`{name}` is in no file");
    let mut wrong = Vec::new();
    let mut pending: Option<(&str, &str)> = None;
    for word in line.split('`').skip(1).step_by(2) {
        if let Some(bound) = word.split_once(" = ") {
            wrong.extend(pending.replace(bound).map(no_file));
        } else if let Some((file, test)) = word.split_once("::") {
            if !text(file).contains(&format!("fn {test}(")) {
                wrong.push(format!("there is no `fn {test}` in `{file}`"));
            }
        } else if let Some((name, value)) = pending.take()
            && !text(word).lines().any(|line| is_defined(line, name, value))
        {
            wrong.push(format!("`{name}` is not `{value}` in `{word}`"));
        }
    }
    wrong.extend(pending.map(no_file));
    wrong
}

/// Whether a line gives a constant or a field this value.
fn is_defined(line: &str, name: &str, value: &str) -> bool {
    let is_letter = |letter: Option<char>| letter.is_some_and(|letter| letter.is_alphanumeric() || letter == '_');
    line.match_indices(&format!("{name}: ")).any(|(at, found)| {
        let rest = line.get(at + found.len()..).unwrap_or_default();
        // A constant has a type before its value.
        let is_constant = line.contains("const ");
        let given = if is_constant { rest.split_once(" = ").map_or("", |(_, given)| given) } else { rest };
        let before = line.get(..at).and_then(|text| text.chars().next_back());
        let is_whole = |after: &str| after.is_empty() || after.starts_with([';', ',']) || after.starts_with(" }");
        !is_letter(before) && given.strip_prefix(value).is_some_and(is_whole)
    })
}

/// The name of the constant that a line defines.
fn constant(line: &str) -> Option<&str> {
    let (visible, rest) = line.split_once("const ")?;
    let is_item = visible.is_empty() || visible.starts_with("pub");
    rest.split_once(':').map(|(name, _)| name).filter(|_| is_item)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::file;

    const CODE: &str = "pub(crate) const WAIT_MAX: Duration = Duration::from_secs(8);\nconst QUEUE_MAX: usize = 4;\n";

    fn found(list: &str) -> Vec<String> {
        let tree = [
            file(LIST, list),
            file("a/src/limits.rs", CODE),
            file("a/src/b.rs", "    Self { wait: Duration::from_secs(8), tries: 3 }\n    fn it_ends() {}\n"),
        ];
        check(&tree).into_iter().map(|finding| finding.text).collect()
    }

    const WAIT: &str =
        "| a wait | 8 s | `WAIT_MAX = Duration::from_secs(8)` in `a/src/limits.rs` | `a/src/b.rs::it_ends` |\n";
    const QUEUE: &str = "| a queue | 4 | `QUEUE_MAX = 4` in `a/src/limits.rs` | |\n";

    #[test]
    fn bounds_and_tests_are_where_the_list_says() {
        let with = |row: &str| found(&format!("| bound | value |\n|---|---|\n{WAIT}{QUEUE}{row}"));
        assert_eq!(with("| tries | 3 | `tries = 3` in `a/src/b.rs` | `a/src/b.rs::it_ends` |\n"), [] as [&str; 0]);
        let cases = [
            ("| x | 8 s | `WAIT_MAX = Duration::from_secs(80)` in `a/src/limits.rs` |", "`WAIT_MAX` is not"),
            ("| x | 8 s | `WAIT_MAX = Duration::from_secs(8)` in `a/src/b.rs` |", "`WAIT_MAX` is not"),
            ("| x | 8 s | `wait = Duration::from_secs(9)` in `a/src/b.rs` |", "`wait` is not"),
            ("| x | 4 | `MAX = 4` in `a/src/limits.rs` |", "`MAX` is not"),
            ("| x | 4 | `QUEUE_MAX = 4` |", "`QUEUE_MAX` is in no file"),
            ("| x | 4 | | `a/src/b.rs::it_end` |", "there is no `fn it_end`"),
            ("| x | 4 | | `a/src/c.rs::it_ends` |", "there is no `fn it_ends`"),
        ];
        for (row, start) in cases {
            let texts = with(row);
            assert!(texts.len() == 1 && texts[0].starts_with(start), "{row}: {texts:?}");
        }
    }

    #[test]
    fn no_limit_is_left_out() {
        assert_eq!(found(WAIT), ["`QUEUE_MAX` is not in docs/bounds.md"]);
    }
}
