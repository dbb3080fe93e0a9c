//! The command line, whose help texts teach.

mod help;

use std::path::PathBuf;

use clap::{Args as Group, Parser, Subcommand};

/// A file in, HLS and DASH out, from your own machine.
#[derive(Parser, Debug)]
#[command(name = "vidstream", version, about, max_term_width = 100, after_help = help::of(EXAMPLES))]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXAMPLES: &str = "\
Start with:
  vidstream serve                        origin and packager on http://127.0.0.1:8080
  vidstream add holiday.mp4              upload it and watch it being made
or, without a server:
  vidstream package holiday.mp4 --out holiday
  vidstream check holiday                is it what players and platforms ask for?";

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Run origin and packager in one process; nothing else is needed
    ///
    /// The catalog (SQLite, unless catalog.url says otherwise) and all objects lie in the data folder. A restart picks up where the
    /// last run ended: finished chunks are kept, the others are made again.
    #[command(after_help = help::of_server(help::SERVE))]
    Serve(Common),
    /// Run the origin alone: delivery, API and page
    #[command(after_help = help::of_server(help::ORIGIN))]
    Origin(Common),
    /// Run a packager alone: it takes jobs from the catalog, and listens on the admin address only
    #[cfg(feature = "packager")]
    #[command(after_help = help::of_server(help::PACKAGER))]
    Packager(Common),
    /// Bring the catalog's tables up to date, and say which version they have
    ///
    /// Every server does the same when it starts, so with one user of the database nobody needs this. Run it as the
    /// owner of the tables where servers connect as somebody who may only read and write rows, and before an update
    /// of many servers.
    Migrate(Migrate),
    /// Compare catalog and store both ways: what rows name and is not there, what is there and no row names
    ///
    /// Reads names and sizes, no content (but for --bytes), and may run beside servers: videos in work are passed over. Exit code 1 if
    /// anything is wrong that was not repaired.
    Fsck(Fsck),
    /// Write everything that a server stores into a folder: a backup, or the way to another database
    #[command(after_help = help::of(EXPORT_EXAMPLES))]
    Export(Transfer),
    /// Fill an empty catalog and store from an export, or from the data folder of another server
    ///
    /// What was being made is made on there.
    #[command(after_help = help::of(IMPORT_EXAMPLES))]
    Import(Transfer),
    /// Upload a file and follow its packaging until it is ready
    ///
    /// It can be played long before it is ready: the first line with a URL says when.
    Add(Add),
    /// Package a file into a folder of HLS and DASH that any web server can host
    ///
    /// The same planner, encoders and checks as behind `serve`, without a server. DIR appears whole at
    /// the end, or not at all.
    #[cfg(feature = "packager")]
    Package(Package),
    /// Judge a stream as its players get it: HLS and DASH against 76 rules
    ///
    /// Reads what is served and nothing else, of any packager: every playlist, the MPD, every initialisation segment
    /// and every segment that they list. Exit code 1 if a MUST fails.
    Check(Check),
    /// List the transcoder plugins, show one, or check whether they keep their promises
    Plugins(Plugins),
    /// Run one job from standard input (started by the packager, not by people)
    #[cfg(feature = "packager")]
    #[command(name = "__child", hide = true)]
    Child,
}

/// Where settings come from. Flags win over `VIDSTREAM_*` variables, those over the file, that over the defaults.
#[derive(Group, Debug, Clone, Default)]
pub(crate) struct Sources {
    /// Configuration file (TOML)
    #[arg(long, value_name = "FILE", env = "VIDSTREAM_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// Any setting, such as --set ladder.heights=720,360 (may be repeated); `vidstream serve --help` lists them
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
}

/// Which catalog and store a command works on.
#[derive(Group, Debug, Clone, Default)]
pub(crate) struct Place {
    /// Folder for catalog and objects, as far as settings name no others [default: data]
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<String>,
    #[command(flatten)]
    pub(crate) sources: Sources,
}

/// What every server command takes.
#[derive(Group, Debug)]
pub(crate) struct Common {
    #[command(flatten)]
    pub(crate) place: Place,
    /// Address of delivery, API and page [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) listen: Option<String>,
    /// Address of /healthz, /readyz and /metrics [default: a free port on 127.0.0.1]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) admin_listen: Option<String>,
    /// Refuse every write; such an origin may listen on any address
    #[arg(long)]
    pub(crate) read_only: bool,
    /// Write log lines as JSON
    #[arg(long)]
    pub(crate) log_json: bool,
}

#[derive(Group, Debug)]
#[command(after_help = help::of(MIGRATE_EXAMPLES))]
pub(crate) struct Migrate {
    #[command(flatten)]
    pub(crate) place: Place,
}

/// What an export takes, and an import.
#[derive(Group, Debug)]
pub(crate) struct Transfer {
    /// The folder of the export; `import` takes the data folder of a server with the embedded defaults, too
    #[arg(value_name = "DIR")]
    pub(crate) folder: PathBuf,
    /// Be done although objects are missing that rows name
    #[arg(long)]
    pub(crate) allow_missing: bool,
    #[command(flatten)]
    pub(crate) place: Place,
}

const EXPORT_EXAMPLES: &str = "\
Examples:
  vidstream export /backup/monday
  vidstream export /backup/monday --config /etc/vidstream.toml

Servers may go on meanwhile: rows are those of one moment, and objects are written once and never changed. What is
uploaded at that moment is not part of it, and goes on where it is. Into the same folder again it copies what is
missing, and its rows take the place of the old ones at the end; what was deleted meanwhile stays there as objects
that no row names. Exit code 1 and a list if objects are missing that rows name.";

const IMPORT_EXAMPLES: &str = "\
Examples:
  vidstream import /backup/monday --data /srv/vidstream
  vidstream import data --set catalog.url=postgres://vidstream@db.example/vidstream

The second one moves a server with the embedded defaults to Postgres; with store.url also its objects. Stop it
before, so that nothing comes that is not moved. Objects are copied first and rows at the end, all or none; if it is
interrupted, say it again. What was being uploaded is left out. Exit code 1, a list and no rows if objects are missing
that rows name.";

const MIGRATE_EXAMPLES: &str = "\
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

#[derive(Group, Debug)]
#[command(after_help = help::of(FSCK_EXAMPLES))]
pub(crate) struct Fsck {
    /// Delete what no row names, and let servers make again what misses media
    #[arg(long)]
    pub(crate) repair: bool,
    /// Read all media and sources, too, and hold them against their checksums
    #[arg(long)]
    pub(crate) bytes: bool,
    /// Delete also films, with their sources, of which the catalog knows nothing at all
    #[arg(long, requires = "repair")]
    pub(crate) delete_unknown: bool,
    #[command(flatten)]
    pub(crate) place: Place,
}

const FSCK_EXAMPLES: &str = "\
Examples:
  vidstream fsck --data /var/lib/vidstream
  vidstream fsck --config /etc/vidstream.toml --repair
  vidstream fsck --config /etc/vidstream.toml --bytes

Look at what it finds before you let it repair: with the catalog of a backup, newer videos are objects that no row
names. Those that have a source are kept, unless --delete-unknown says otherwise. A video that misses media is made
again from its source, as a new generation with new URLs; what is left of the old one is what no row names, once the
new one is ready. One that misses its source, a tile sheet or its poster plays on and is reported each time. With
--bytes, which takes as long as reading everything does, damaged media is found, and counts as missing.";

#[derive(Group, Debug)]
#[command(after_help = help::of(help::ADD))]
pub(crate) struct Add {
    /// The file to upload
    pub(crate) file: PathBuf,
    /// The server
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    pub(crate) server: String,
    /// Trust the certificates in this file (PEM) instead of the system's, for https:// servers
    #[arg(long, value_name = "FILE")]
    pub(crate) ca_file: Option<PathBuf>,
    /// The title [default: the file name without its extension]
    #[arg(long, value_name = "T")]
    pub(crate) title: Option<String>,
    /// A file with the server's write token
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
}

#[cfg(feature = "packager")]
#[derive(Group, Debug)]
#[command(after_help = help::of(PACKAGE_EXAMPLES))]
pub(crate) struct Package {
    /// The file to package
    pub(crate) input: PathBuf,
    /// The folder to make
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Replace what is in DIR
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) sources: Sources,
}

#[cfg(feature = "packager")]
const PACKAGE_EXAMPLES: &str = "\
Example:
  vidstream package holiday.mp4 --out holiday
  python3 -m http.server --directory holiday 8000
Players then open http://127.0.0.1:8000/master.m3u8 (HLS) or manifest.mpd (DASH). On another host than
the player's page, let the web server send Access-Control-Allow-Origin.";

#[derive(Group, Debug)]
#[command(after_help = help::of(CHECK_EXAMPLES))]
pub(crate) struct Check {
    /// A multivariant playlist or an MPD, or the folder of master.m3u8 and manifest.mpd: a URL or a path
    #[arg(value_name = "URL|DIR")]
    pub(crate) stream: String,
    /// Print {ok, rules: [{rule, level, verdict, where, reason}]} instead of a table
    #[arg(long)]
    pub(crate) json: bool,
    /// Trust the certificates in this file (PEM) instead of the system's, for https:// streams
    #[arg(long, value_name = "FILE")]
    pub(crate) ca_file: Option<PathBuf>,
}

const CHECK_EXAMPLES: &str = "\
Examples:
  vidstream check http://127.0.0.1:8080/v/vid_…/              both documents of a video
  vidstream check http://127.0.0.1:8080/v/vid_…/master.m3u8   HLS alone
  vidstream check holiday                                     what `vidstream package` made
  vidstream check holiday --json | jq '.rules[] | select(.verdict == \"fail\")'

A verdict is pass, fail or not_applicable (then the reason says what the stream lacks). Levels: MUST; C, where no
standard says MUST and players go wrong without it; SHOULD. Only a failed MUST makes the exit code 1.
Rules about servers (content type, compression) are not applicable to files.";

#[derive(Group, Debug)]
#[command(after_help = help::of(help::PLUGINS))]
pub(crate) struct Plugins {
    /// Folders of plugins beside the bundled ones (may be repeated)
    #[arg(long, value_name = "DIR", global = true)]
    pub(crate) folder: Vec<PathBuf>,
    /// Configuration file (TOML), whose plugins.folders are looked into too
    #[arg(long, value_name = "FILE", global = true, env = "VIDSTREAM_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) action: PluginsAction,
}

#[derive(Subcommand, Debug)]
pub(crate) enum PluginsAction {
    /// One line a plugin: name, version, codec, element, rank, and whether its element is there
    #[command(after_help = help::of(help::PLUGINS_LIST))]
    List,
    /// Everything about one plugin
    #[command(after_help = help::of(help::PLUGINS_SHOW))]
    Show {
        /// Its name
        name: String,
    },
    /// Run the contract suite: a verdict for each promise, from real encodes of a made-up film
    ///
    /// Takes some ten seconds a plugin, all of it in child processes confined as those of jobs are. Exit
    /// code 1 if a promise that is made is broken, 64 if there is no such plugin, 69 if its element is missing.
    #[cfg(feature = "packager")]
    Check(PluginsCheck),
}

#[cfg(feature = "packager")]
#[derive(Group, Debug)]
#[command(after_help = help::of(help::PLUGINS_CHECK))]
pub(crate) struct PluginsCheck {
    /// The plugin's name
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    pub(crate) name: Option<String>,
    /// Check every plugin whose element is here, and name the others
    #[arg(long)]
    pub(crate) all: bool,
    /// Print the verdicts as JSON
    #[arg(long)]
    pub(crate) json: bool,
}
