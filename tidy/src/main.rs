//! `tidy`: the house rules that no compiler checks, as failing checks. `cargo run -p tidy` from anywhere in the tree.
//!
//! Each module is one kind of rule and sees nothing but paths and text, so that its tests are data. What a rule is for
//! stands in CONTRIBUTING.md.

mod alone;
mod arrows;
mod bounds;
mod docs;
mod files;
mod finding;
mod functions;
mod licences;
mod lock;
mod rust;
mod text;

use std::{
    io::{Write as _, stdout},
    path::PathBuf,
    process::ExitCode,
};

use anyhow::{Context as _, Result};

use finding::{Finding, Weight};

fn main() -> Result<ExitCode> {
    let root = match std::env::args_os().nth(1) {
        Some(root) => PathBuf::from(root),
        None => PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(".."),
    };
    let tree = files::read(&root).with_context(|| format!("cannot read {}", root.display()))?;
    let mut findings = check(&tree);
    findings.extend(licences::check(&tree, &licences::packages(&root)?));
    findings.sort();
    let mut out = stdout().lock();
    for finding in &findings {
        writeln!(out, "{finding}")?;
    }
    let errors = findings.iter().filter(|finding| finding.weight == Weight::Error).count();
    writeln!(out, "tidy: {} files, {errors} errors, {} notes", tree.len(), findings.len() - errors)?;
    Ok(if errors == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn check(tree: &[files::File]) -> Vec<Finding> {
    let mut findings = arrows::check(tree);
    findings.extend(bounds::check(tree));
    findings.extend(docs::check(tree));
    for file in tree {
        findings.extend(rust::check(file));
        findings.extend(alone::check(file));
        findings.extend(functions::check(file));
        findings.extend(text::check(file));
        findings.extend(lock::check(file));
    }
    findings
}
