//! No function is longer than a screen; lengths are found by rustfmt's indentation.

use crate::{files::File, finding::Finding};

/// Lines of a function, signature and closing brace included.
const LINES_MAX: usize = 70;

pub(crate) fn check(file: &File) -> Vec<Finding> {
    if file.extension() != "rs" {
        return Vec::new();
    }
    let lines: Vec<&str> = file.text.lines().collect();
    let too_long = |(start, line): (usize, &&str)| {
        let name = name(line)?;
        let length = length(lines.get(start..)?)?;
        let text = format!("`fn {name}` has {length} lines, the limit is {LINES_MAX}");
        (length > LINES_MAX).then(|| Finding::error(&file.path, start + 1, text))
    };
    lines.iter().enumerate().filter_map(too_long).collect()
}

/// The name of the function that this line starts.
fn name(line: &str) -> Option<&str> {
    let mut words = line.split_whitespace().skip_while(|word| {
        matches!(*word, "pub" | "async" | "const" | "unsafe" | "extern" | "\"C\"") || word.starts_with("pub(")
    });
    if words.next()? != "fn" {
        return None;
    }
    words.next()?.split(['(', '<']).next()
}

/// Lines from the first one to the end of the body; `None` for a declaration without one.
fn length(lines: &[&str]) -> Option<usize> {
    let first = lines.first()?;
    let indent = first.get(..first.len() - first.trim_start().len())?;
    let close = format!("{indent}}}");
    for (index, line) in lines.iter().enumerate() {
        let is_signature =
            index == 0 || line.starts_with(&format!("{indent} ")) || line.starts_with(&format!("{indent})"));
        match line.trim_end().chars().last() {
            Some('{') => {
                let rest = lines.get(index + 1..)?;
                return rest.iter().position(|line| *line == close).map(|end| index + end + 2);
            }
            Some(';' | '}') => return (index == 0 && line.ends_with('}')).then_some(1),
            _ if !is_signature && line.trim_start() != "where" => return None,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::file;

    fn body(lines: usize) -> String {
        "        step();\n".repeat(lines)
    }

    #[test]
    fn a_function_has_a_length() {
        let of =
            |lines: usize| format!("impl A {{\n    pub(crate) async fn run(&self) {{\n{}    }}\n}}\n", body(lines));
        assert_eq!(check(&file("a.rs", &of(68))), []);
        let found = check(&file("a.rs", &of(69)));
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].line, found[0].text.as_str()), (2, "`fn run` has 71 lines, the limit is 70"));
    }

    #[test]
    fn signatures_over_several_lines_count() {
        let text = format!("fn long<T>(\n    a: T,\n) -> u8\nwhere\n    T: Copy,\n{{\n{}}}\n", body(64));
        assert_eq!(check(&file("a.rs", &text)).len(), 1);
    }

    #[test]
    fn declarations_and_one_liners_do_not_swallow_what_follows() {
        let text = format!("trait A {{\n    fn a(&self) -> u8;\n    fn b() {{}}\n}}\n\nconst B: u8 = 1;\n{}", body(80));
        assert_eq!(check(&file("a.rs", &text)), []);
    }
}
