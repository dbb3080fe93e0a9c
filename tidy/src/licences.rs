//! Every package that the workspace needs has a licence of the list in `deny.toml`.

use std::{iter::Peekable, path::Path, process::Command, str::SplitWhitespace};

use anyhow::{Context as _, Result, ensure};
use toml::{Table, Value};

use crate::{files::File, finding::Finding};

/// The list, as `cargo deny` reads it.
const LIST: &str = "deny.toml";

/// A line for each package that is compiled here, for tests too: name and version, a tab, its licence.
pub(crate) fn packages(root: &Path) -> Result<String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let tree = Command::new(cargo)
        .args(["tree", "--locked", "--color", "never", "--workspace"])
        .args(["--prefix", "none", "--format", "{p}\t{l}"])
        .current_dir(root)
        .output()
        .context("cannot start cargo")?;
    ensure!(tree.status.success(), "cargo tree: {}", String::from_utf8_lossy(&tree.stderr).trim());
    let lines = String::from_utf8(tree.stdout).context("cargo tree names a package in no UTF-8")?;
    ensure!(lines.contains('\t'), "cargo tree names no package");
    Ok(lines)
}

pub(crate) fn check(tree: &[File], packages: &str) -> Vec<Finding> {
    let allowed = allowed(tree.iter().find(|file| file.path == LIST).map_or("", |file| &file.text));
    // A package that was named before has a mark behind it.
    let mut lines: Vec<&str> = packages.lines().map(|line| line.trim_end_matches(" (*)")).collect();
    lines.sort_unstable();
    lines.dedup();
    let named = lines.into_iter().filter_map(|line| line.split_once('\t'));
    let refused = named.filter(|(_, licence)| !is_allowed(licence, &allowed));
    refused
        .map(|(package, licence)| Finding::error(LIST, 0, format!("`{package}` has the licence `{licence}`")))
        .collect()
}

/// What the list allows; nothing where there is none.
fn allowed(list: &str) -> Vec<String> {
    let table = list.parse::<Table>().unwrap_or_default();
    let names = table.get("licenses").and_then(|licenses| licenses.get("allow")).and_then(Value::as_array);
    names.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

type Words<'a> = Peekable<SplitWhitespace<'a>>;

/// Whether what is allowed satisfies an SPDX expression (annex D), in which older packages write `/` for OR.
fn is_allowed(licence: &str, allowed: &[String]) -> bool {
    let spaced = licence.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let mut words = spaced.split_whitespace().peekable();
    let satisfied = any_of(&mut words, allowed);
    satisfied && words.next().is_none()
}

/// Terms with OR between them, which binds less than AND.
fn any_of(words: &mut Words<'_>, allowed: &[String]) -> bool {
    let mut satisfied = all_of(words, allowed);
    while words.next_if_eq(&"OR").is_some() {
        satisfied |= all_of(words, allowed);
    }
    satisfied
}

fn all_of(words: &mut Words<'_>, allowed: &[String]) -> bool {
    let mut satisfied = term(words, allowed);
    while words.next_if_eq(&"AND").is_some() {
        satisfied &= term(words, allowed);
    }
    satisfied
}

/// A licence, perhaps with an exception, or an expression in parentheses.
fn term(words: &mut Words<'_>, allowed: &[String]) -> bool {
    match words.next() {
        Some("(") => {
            let satisfied = any_of(words, allowed);
            let is_closed = words.next_if_eq(&")").is_some();
            satisfied && is_closed
        }
        Some(name) => {
            let exception = words.next_if_eq(&"WITH").and_then(|_| words.next());
            let name = exception.map_or_else(|| name.to_owned(), |exception| format!("{name} WITH {exception}"));
            allowed.contains(&name)
        }
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::file;

    #[test]
    fn an_expression_is_satisfied_by_what_is_allowed() {
        let allowed = ["MIT", "ISC", "Apache-2.0", "Apache-2.0 WITH LLVM-exception"].map(str::to_owned);
        let cases = [
            ("MIT", true),
            ("GPL-3.0-only", false),
            ("GPL-3.0-only OR MIT", true),
            ("Unlicense/MIT", true),
            ("Apache-2.0 / MIT", true),
            ("Apache-2.0 AND ISC", true),
            ("MIT AND GPL-3.0-only", false),
            ("MIT OR ISC AND GPL-3.0-only", true),
            ("GPL-3.0-only AND MIT OR ISC", true),
            ("(MIT OR GPL-3.0-only) AND ISC", true),
            ("(MIT OR Apache-2.0) AND NCSA", false),
            ("Apache-2.0 WITH LLVM-exception", true),
            ("MIT WITH LLVM-exception", false),
            ("", false),
            ("(MIT", false),
            ("MIT ISC", false),
        ];
        for (licence, satisfied) in cases {
            assert_eq!(is_allowed(licence, &allowed), satisfied, "{licence}");
        }
    }

    #[test]
    fn a_package_without_an_allowed_licence_is_found_once() {
        let packages = "a v1.0.0\tMIT\nb v2.0.0\tGPL-3.0-only\n\nc v1.1.0 (proc-macro)\t\nb v2.0.0\tGPL-3.0-only (*)\n";
        let found = |list: &str| -> Vec<String> {
            check(&[file(LIST, list)], packages).into_iter().map(|finding| finding.text).collect()
        };
        let wrong = ["`b v2.0.0` has the licence `GPL-3.0-only`", "`c v1.1.0 (proc-macro)` has the licence ``"];
        assert_eq!(found("[licenses]\nallow = [\"MIT\"]\n"), wrong);
        assert_eq!(found("[licenses]\n").len(), 3, "nothing is allowed without a list");
    }
}
