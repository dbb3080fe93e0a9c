//! The command line, whose help texts teach.

mod help;

use std::path::PathBuf;

use clap::{Args as Group, Parser, Subcommand};

/// A file in, HLS and DASH out, from your own machine.
#[derive(Parser, Debug)]
#[command(name = "vidstream", version, about, max_term_width = 100, after_help = help::of(help::START))]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

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
    #[command(after_help = help::of(help::EXPORT))]
    Export(Transfer),
    /// Fill an empty catalog and store from an export, or from the data folder of another server
    ///
    /// What was being made is made on there.
    #[command(after_help = help::of(help::IMPORT))]
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
#[command(after_help = help::of(help::MIGRATE))]
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

#[derive(Group, Debug)]
#[command(after_help = help::of(help::FSCK))]
pub(crate) struct Fsck {
    /// Delete what no row names, and let servers make again what misses media
    #[arg(long)]
    pub(crate) repair: bool,
    /// Read all media, pictures and sources, too, and hold them against their checksums
    #[arg(long)]
    pub(crate) bytes: bool,
    /// Delete also films, with their sources, of which the catalog knows nothing at all
    #[arg(long, requires = "repair")]
    pub(crate) delete_unknown: bool,
    #[command(flatten)]
    pub(crate) place: Place,
}

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
#[command(after_help = help::of(help::PACKAGE))]
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

#[derive(Group, Debug)]
#[command(after_help = help::of(help::CHECK))]
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
    /// Takes some fifteen seconds a plugin, all of it in child processes confined as those of jobs are. Exit
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
