//! Modules that use nothing of their crate but themselves.

use crate::{files::File, finding::Finding};

/// Each module by its file without `.rs`, with why it stands alone.
const ALONE: [(&str, &str); 1] = [("media/src/check", "what judges shares nothing with what writes")];

pub(crate) fn check(file: &File) -> Vec<Finding> {
    let Some(name) = file.path.strip_suffix(".rs") else { return Vec::new() };
    let is_in = |module: &str| name.strip_prefix(module).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    let Some((module, why)) = ALONE.into_iter().find(|(module, _)| is_in(module)) else { return Vec::new() };
    let (own, home) = (parts(name), parts(module));
    let mut findings = Vec::new();
    for (line, path) in paths(file) {
        let target = resolved(&own, &path);
        if target.is_some_and(|target| !target.starts_with(&home)) {
            findings.push(Finding::error(&file.path, line, format!("`{}` in `{module}`: {why}", path.join("::"))));
        }
    }
    findings
}

/// The path of a module within its crate.
fn parts(name: &str) -> Vec<&str> {
    name.split_once("/src/").map_or_else(Vec::new, |(_, module)| module.split('/').collect())
}

/// Where a path of the module `own` leads, from the root of the crate; `None` if it does not say so itself.
fn resolved<'a>(own: &[&'a str], path: &[&'a str]) -> Option<Vec<&'a str>> {
    let (first, rest) = path.split_first()?;
    let (from, rest): (&[&'a str], &[&'a str]) = match *first {
        "crate" => (&[], rest),
        "self" => (own, rest),
        "super" => {
            let ups = path.iter().take_while(|part| **part == "super").count();
            (own.get(..own.len().saturating_sub(ups))?, path.get(ups..)?)
        }
        _ => return None,
    };
    Some([from, rest].concat())
}

/// All paths of the product code with their lines; what stands in the braces of a `use` is written out.
fn paths(file: &File) -> Vec<(usize, Vec<&str>)> {
    let lines = file.product_lines().into_iter();
    let tokens: Vec<(usize, &str)> =
        lines.flat_map(|(line, code)| tokens(code).into_iter().map(move |token| (line, token))).collect();
    let mut found = Vec::new();
    // What paths begin with in the braces around: those of a block add nothing.
    let mut around: Vec<Vec<&str>> = Vec::new();
    let mut path: Vec<&str> = Vec::new();
    let mut before = "";
    for (n, &(line, token)) in tokens.iter().enumerate() {
        match token {
            "::" => {}
            "{" => around.push(if before == "::" { path.clone() } else { Vec::new() }),
            "}" => {
                around.pop();
            }
            name if name == "*" || name.starts_with(is_of_name) => {
                if before != "::" {
                    path = around.last().cloned().unwrap_or_default();
                }
                path.push(name);
                // `pub(super)` and `pub(crate)` are no use of anything.
                let is_visibility = before == "(" && matches!(name, "super" | "crate");
                if !is_visibility && tokens.get(n + 1).is_none_or(|(_, next)| *next != "::") {
                    found.push((line, path.clone()));
                }
            }
            _ => path.clear(),
        }
        before = token;
    }
    found
}

/// Names, `::`, and each other sign.
fn tokens(code: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = code.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = if is_of_name(first) {
            rest.find(|sign: char| !is_of_name(sign)).unwrap_or(rest.len())
        } else if rest.starts_with("::") {
            2
        } else {
            first.len_utf8()
        };
        let (token, after) = rest.split_at(length);
        tokens.push(token);
        rest = after.trim_start();
    }
    tokens
}

fn is_of_name(sign: char) -> bool {
    sign.is_alphanumeric() || sign == '_'
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::file;

    fn lines(path: &str, code: &str) -> Vec<usize> {
        check(&file(path, &format!("//! Job.\n{code}"))).into_iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn what_judges_uses_nothing_of_what_writes() {
        let root = "media/src/check.rs";
        let module = "media/src/check/report.rs";
        let deep = "media/src/check/rules/trick.rs";
        let cases: [(&str, &str, &[usize]); 19] = [
            (root, "mod boxes;\npub use report::Report;\n", &[]),
            (root, "use super::hls;\n", &[2]),
            (root, "use super::*;\n", &[2]),
            (root, "use super as parent;\n", &[2]),
            (module, "use crate as root;\n", &[2]),
            (root, "use self::report::Report;\n", &[]),
            (module, "use std::fmt;\nuse super::rules;\npub(super) fn a() {}\npub(crate) fn b() {}\n", &[]),
            (module, "use crate::check::rules;\n", &[]),
            (module, "use crate::{\n    check::rules,\n    hls::{self, Playlist},\n};\n", &[4, 4]),
            (module, "use super::super::cmaf;\n", &[2]),
            (module, "fn a() {\n    let b = crate::cmaf::Writer::new();\n}\n", &[3]),
            (module, "fn a() {\n    let b = super::rules::title(1);\n}\n", &[]),
            (module, "/// As [`crate::hls`].\nfn a() {}\n", &[]),
            (deep, "use super::{\n    super::{media::Media, report::Findings},\n    media::seconds,\n};\n", &[]),
            (deep, "use super::{\n    super::{\n        super::hls,\n    },\n};\n", &[4]),
            (deep, "use super::super::super::plan::Plan;\n", &[2]),
            ("media/src/check/tests.rs", "use crate::hls;\n", &[]),
            ("media/src/checksum.rs", "use crate::hls;\n", &[]),
            ("media/src/hls.rs", "use crate::plan;\n", &[]),
        ];
        for (path, code, expected) in cases {
            assert_eq!(lines(path, code), expected, "{path}: {code}");
        }
    }
}
