//! What help texts end with: examples, what is read from settings, exit codes.

use std::fmt::Write as _;

/// The codes of `crate::exit::Code`, in words.
const EXIT_CODES: &str = "\
Exit codes: 0 done, 1 a negative verdict (of a video, a check, a promise or what is stored), 64 usage or configuration,
66 no input, 69 unavailable (port, server, GStreamer element), 70 a bug, 74 I/O or disk.";

pub(super) const START: &str = "\
Start with:
  vidstream serve                        origin and packager on http://127.0.0.1:8080
  vidstream add holiday.mp4              upload it and watch it being made
or, without a server:
  vidstream package holiday.mp4 --out holiday
  vidstream check holiday                is it what players and platforms ask for?";

pub(super) const EXPORT: &str = "\
Examples:
  vidstream export /backup/monday
  vidstream export /backup/monday --config /etc/vidstream.toml

Servers may go on meanwhile: rows are those of one moment, and objects are written once and never changed. What is
uploaded at that moment is not part of it, and goes on where it is. Into the same folder again it copies what is
missing, and its rows take the place of the old ones at the end; what was deleted meanwhile stays there as objects
that no row names. Exit code 1 and a list if objects are missing that rows name.";

pub(super) const IMPORT: &str = "\
Examples:
  vidstream import /backup/monday --data /srv/vidstream
  vidstream import data --set catalog.url=postgres://vidstream@db.example/vidstream

The second one moves a server with the embedded defaults to Postgres; with store.url also its objects. Stop it
before, so that nothing comes that is not moved. Objects are copied first and rows at the end, all or none; if it is
interrupted, say it again. What was being uploaded is left out. Exit code 1, a list and no rows if objects are missing
that rows name.";

pub(super) const MIGRATE: &str = "\
Examples:
  vidstream migrate --config /etc/vidstream.toml
  VIDSTREAM_CATALOG_URL=postgres://owner:SECRET@db.example/vidstream vidstream migrate

The URL of a Postgres catalog:
  postgres://USER:PASSWORD@HOST:PORT/DATABASE            TLS if the server offers it
  …?sslmode=require&sslrootcert=/etc/ssl/db-ca.pem       TLS always, by a certificate of this authority
  …?sslmode=disable                                      plaintext: on this machine, or where nobody can listen
A certificate is verified whenever there is one. A password is safer in the variable, the configuration, or a file that
catalog.url_file names, than in --set, which `ps` shows. Versions only go forward: an older vidstream refuses tables
that a newer one has changed. Several may run this at the same time; one does the work and the others wait.";

pub(super) const FSCK: &str = "\
Examples:
  vidstream fsck --data /var/lib/vidstream
  vidstream fsck --config /etc/vidstream.toml --repair
  vidstream fsck --config /etc/vidstream.toml --bytes

Look at what it finds before you let it repair: with the catalog of a backup, newer videos are objects that no row
names. Those that have a source are kept, unless --delete-unknown says otherwise. A video that misses media is made
again from its source, as a new generation with new URLs; what is left of the old one is what no row names, once the
new one is ready. One that misses its source, a tile sheet or its poster plays on and is reported each time. With
--bytes, which takes as long as reading everything does, damaged media is found, and counts as missing; one whose
source is not what was uploaded is left as it is.";

#[cfg(feature = "packager")]
pub(super) const PACKAGE: &str = "\
Example:
  vidstream package holiday.mp4 --out holiday
  python3 -m http.server --directory holiday 8000
Players then open http://127.0.0.1:8000/master.m3u8 (HLS) or manifest.mpd (DASH). On another host than
the player's page, let the web server send Access-Control-Allow-Origin.";

pub(super) const CHECK: &str = "\
Examples:
  vidstream check http://127.0.0.1:8080/v/vid_…/              both documents of a video
  vidstream check http://127.0.0.1:8080/v/vid_…/master.m3u8   HLS alone
  vidstream check holiday                                     what `vidstream package` made
  vidstream check holiday --json | jq '.rules[] | select(.verdict == \"fail\")'

A verdict is pass, fail or not_applicable (then the reason says what the stream lacks). Levels: MUST; C, where no
standard says MUST and players go wrong without it; SHOULD. Only a failed MUST makes the exit code 1.
Rules about servers (content type, compression) are not applicable to files.";

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
