//! MPDs against the schema of ISO 23009-1, which is no part of the sources.

use std::{
    ffi::OsString,
    io::{Write as _, stderr},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};

/// Names the file of the schema.
const VARIABLE: &str = "DASH_XSD";

/// The schema.
#[derive(Clone, Debug)]
pub struct Schema {
    file: OsString,
}

// === impl Schema ===

impl Schema {
    /// The schema that `DASH_XSD` names. Without one it is said, where also a test that passes is heard, that `what` is
    /// not checked.
    pub fn given(what: &str) -> Option<Self> {
        let file = std::env::var_os(VARIABLE).filter(|file| !file.is_empty());
        if file.is_none() {
            // The macros that print are captured. If nobody can read it, nobody is told.
            let _ = writeln!(stderr(), "skipped: {what}: {VARIABLE} does not name the schema of ISO 23009-1");
        }
        file.map(|file| Self { file })
    }

    /// Checks an MPD.
    ///
    /// # Errors
    /// If it is not valid, or xmllint is missing.
    pub fn check(&self, mpd: &str) -> Result<()> {
        let mut command = Command::new("xmllint");
        command.args(["--nonet", "--noout", "--schema"]).arg(&self.file).arg("-");
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut run = command.spawn().context("xmllint, which is needed where the schema is named")?;
        // It may refuse the schema before it reads: its own words say more than the broken pipe.
        let written = run.stdin.take().map(|mut to| to.write_all(mpd.as_bytes()));
        let output = run.wait_with_output()?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr).trim());
        written.context("xmllint without standard input")?.context("xmllint does not read to the end")
    }
}
