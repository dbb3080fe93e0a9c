//! Reads the tree: every text file that could be committed, with its path from the root.

use std::{fs, io, path::Path};

/// Folders of made or fetched files, by name.
const SKIPPED: [&str; 7] = [".git", "target", "node_modules", "dist", "data", ".cache", "corpus"];
/// Larger files are media or generated.
const BYTES_MAX: u64 = 2 << 20;

/// One text file.
pub(crate) struct File {
    /// From the root, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
}

// === impl File ===

impl File {
    /// What follows the last dot; empty without one.
    pub(crate) fn extension(&self) -> &str {
        self.name().rsplit_once('.').map_or("", |(_, extension)| extension)
    }

    pub(crate) fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    /// Whether all of the file is tests, benches or fixtures.
    pub(crate) fn is_test(&self) -> bool {
        let in_tests = self.path.split('/').any(|part| matches!(part, "tests" | "test" | "benches" | "fuzz"));
        in_tests || self.name() == "tests.rs" || self.name().contains(".test.")
    }

    /// Lines with their number, from 1.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(index, line)| (index + 1, line))
    }

    /// Lines of Rust that are no test and no comment: up to an inline `mod tests` under `#[cfg(test)]`.
    pub(crate) fn product_lines(&self) -> Vec<(usize, &str)> {
        let mut lines = Vec::new();
        let mut after_attribute = false;
        for (number, line) in self.lines() {
            let code = line.trim_start();
            let opens_module = code.starts_with("mod ") && code.ends_with('{');
            if self.is_test() || (after_attribute && opens_module) {
                break;
            }
            after_attribute = code == "#[cfg(test)]";
            if !code.starts_with("//") {
                lines.push((number, line));
            }
        }
        lines
    }
}

/// All text files under `root`.
pub(crate) fn read(root: &Path) -> io::Result<Vec<File>> {
    let mut files = Vec::new();
    walk(root, "", &mut files)?;
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

fn walk(folder: &Path, prefix: &str, files: &mut Vec<File>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let (kind, path) = (entry.file_type()?, format!("{prefix}{name}"));
        if kind.is_dir() {
            if !SKIPPED.contains(&name.as_str()) {
                walk(&entry.path(), &format!("{path}/"), files)?;
            }
        } else if kind.is_file() && entry.metadata()?.len() <= BYTES_MAX {
            // What is no UTF-8 is no text.
            if let Ok(text) = String::from_utf8(fs::read(entry.path())?) {
                files.push(File { path, text });
            }
        }
    }
    Ok(())
}

#[cfg(test)]
pub(crate) fn file(path: &str, text: &str) -> File {
    File { path: path.into(), text: text.into() }
}
