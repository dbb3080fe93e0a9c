//! Commands of docs/operating.md, run as they stand there but for places.

use std::{env, fs, path::Path, process::Command};

use crate::server::{VIDSTREAM, ended};

/// All commands of a block take less than this; 124 is the exit code then.
const SHELL_WAIT_MAX_S: &str = "120";

/// The block of code of that page that begins so, with words replaced, each of which it must have.
pub(crate) fn block(begins: &str, words: &[(&str, &str)]) -> String {
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/operating.md")).unwrap();
    // Every other part between fences is code, whose first line names the language.
    let mut blocks = page.split("```").skip(1).step_by(2).filter_map(|block| Some(block.split_once('\n')?.1));
    let found = blocks.find(|block| block.starts_with(begins));
    let mut block = found.unwrap_or_else(|| panic!("nothing begins with {begins}")).to_owned();
    for (from, to) in words {
        assert!(block.contains(from), "{begins} does not say {from}");
        block = block.replace(from, to);
    }
    block
}

/// Runs commands, of which `vidstream` is the executable under test, up to the first that fails; gives its exit code, else
/// 0, and what all of them said.
pub(crate) fn shell(folder: &Path, commands: &str, variables: &[(String, String)]) -> (Option<i32>, String) {
    let ours = Path::new(VIDSTREAM).parent().unwrap().display();
    let mut shell = Command::new("timeout");
    shell.args([SHELL_WAIT_MAX_S, "sh", "-e", "-c", commands]).current_dir(folder).envs(variables.iter().cloned());
    ended(shell.env("PATH", format!("{ours}:{}", env::var("PATH").unwrap())))
}
