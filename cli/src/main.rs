//! `vidstream`: the one executable. It reads the command line, composes the parts and ends with an
//! exit code that says how it went. What the commands do lives in the other crates.

mod add;
mod args;
mod check;
mod client;
mod exit;
mod fsck;
mod inventory;
mod lines;
mod logging;
mod migrate;
mod orphans;
#[cfg(feature = "packager")]
mod package;
mod parts;
mod plugins;
mod secrets;
mod serve;
mod settings;
mod sums;
mod transfer;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Args, Command};

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => return exit::of_usage(&error),
    };
    match run(args) {
        Ok(code) => code.into(),
        Err(error) => exit::of_error(&error),
    }
}

fn run(args: Args) -> anyhow::Result<exit::Code> {
    match args.command {
        Command::Serve(serve) => serve::both(&serve),
        Command::Origin(origin) => serve::origin(&origin),
        #[cfg(feature = "packager")]
        Command::Packager(packager) => serve::packager(&packager),
        Command::Migrate(args) => migrate::run(&args),
        Command::Export(args) => transfer::export(&args),
        Command::Import(args) => transfer::import(&args),
        Command::Fsck(args) => fsck::run(&args),
        Command::Add(add) => add::run(&add),
        #[cfg(feature = "packager")]
        Command::Package(args) => package::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Plugins(plugins) => plugins::run(&plugins),
        #[cfg(feature = "packager")]
        Command::Child => Ok(exit::of_child(vidstream_packager::child::main())),
    }
}
