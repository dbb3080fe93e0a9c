//! What help texts end with: examples, what is read from settings, exit codes.

use std::fmt::Write as _;

/// The codes of `crate::exit::Code`, in words.
const EXIT_CODES: &str = "\
Exit codes: 0 done, 1 the video or the check failed or a promise is broken, 64 usage or configuration, 66 no input,
69 unavailable (port, server, GStreamer element), 70 a bug, 74 I/O or disk.";

pub(super) const SERVE: &str = "\
Examples:
  vidstream serve                                  on http://127.0.0.1:8080, with everything in ./data
  vidstream serve --data /var/lib/vidstream --listen 127.0.0.1:9000
  vidstream serve --config /etc/vidstream.toml --set ladder.heights=720,360";

pub(super) const ORIGIN: &str = "\
Examples:
  vidstream origin --config /etc/vidstream.toml    beside packagers that have the same catalog and store
  vidstream origin --config /etc/vidstream.toml --read-only --listen 0.0.0.0:8080";

#[cfg(feature = "packager")]
pub(super) const PACKAGER: &str = "\
Examples:
  vidstream packager --config /etc/vidstream.toml  beside origins that have the same catalog and store
  vidstream packager --config /etc/vidstream.toml --admin-listen 127.0.0.1:9091 --set worker.slots=4";

pub(super) const ADD: &str = "\
Examples:
  vidstream add holiday.mp4
  vidstream add holiday.mp4 --title 'Two weeks by the sea' --server https://films.example --token-file token

On a terminal a bar shows bytes, rate and time left, elsewhere lines do. The exit code is 1 if the video fails.";

pub(super) const PLUGINS: &str = "\
Examples:
  vidstream plugins list
  vidstream plugins show x264
  vidstream plugins check --all --folder /usr/local/lib/vidstream";

pub(super) const PLUGINS_LIST: &str = "\
Example:
  vidstream plugins list --folder /usr/local/lib/vidstream";

pub(super) const PLUGINS_SHOW: &str = "\
Example:
  vidstream plugins show x264";

#[cfg(feature = "packager")]
pub(super) const PLUGINS_CHECK: &str = "\
Examples:
  vidstream plugins check x264
  vidstream plugins check --all --json | jq '.[].verdicts'";

/// Examples and exit codes.
pub(super) fn of(examples: &str) -> String {
    format!("{examples}\n\n{EXIT_CODES}")
}

/// Those of a server, with the settings between them.
pub(super) fn of_server(examples: &str) -> String {
    let mut help = format!("{examples}\n\nSettings (file key; as a variable catalog.url is VIDSTREAM_CATALOG_URL):\n");
    for key in vidstream_config::KEYS {
        let default = if key.default.is_empty() { String::new() } else { format!(" [{}]", key.default) };
        // Writing to a string cannot fail.
        let _ = writeln!(help, "  {:<22} {}{default}", key.name, key.help);
    }
    help + "\n" + EXIT_CODES
}
