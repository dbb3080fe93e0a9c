//! `testkit`: makes test clips and reads their counters back, and serves objects, for scripts and for looking at things by
//! hand.

use std::{
    io::{IsTerminal as _, Write as _, stdout},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand};
use vidstream_testkit::{
    Clip, Content, Encoding, clip, decode,
    encoding::Index,
    films::{self, Film},
    odd,
};

/// Test media with a machine-readable frame counter.
#[derive(Parser)]
#[command(name = "testkit")]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make a clip with moving picture and sound
    Generate(Generate),
    /// Print time and counter of each decoded picture of a file, playlist or URL
    Counters {
        /// Which of its video streams, from 0
        #[arg(long, default_value_t = 0)]
        stream: u32,
        /// What ffmpeg can open
        input: String,
    },
    /// Repeat a file without encoding it again (counters start anew with each copy)
    Loop {
        /// Number of copies
        #[arg(long)]
        copies: u32,
        /// The file to repeat
        input: PathBuf,
        /// The file to write
        output: PathBuf,
    },
    /// Print the films of the table of all kinds, one a line
    Films {
        /// Which: core, short (all but those of two hours), all, or parts of lines with commas between
        #[arg(default_value = "all")]
        wanted: String,
    },
    /// Make the film of a line of that table, and print what is known of it as JSON
    Film {
        /// The line, as `films` prints it
        line: String,
        /// Folder for the file, made if it is not there
        folder: PathBuf,
    },
    /// Write the odd files: empty, cut off, of the wrong kind, with a lying header
    Odd {
        /// Folder for them
        folder: PathBuf,
    },
    /// Serve the folders in a folder as buckets of S3, until it is killed
    #[cfg(feature = "s3")]
    S3 {
        /// Folder of the buckets
        folder: PathBuf,
        /// Where to listen
        address: std::net::SocketAddr,
        /// Who may use them
        #[arg(long, env = "AWS_ACCESS_KEY_ID")]
        key: String,
        /// And by which secret
        #[arg(long, env = "AWS_SECRET_ACCESS_KEY", hide_env_values = true)]
        secret: String,
    },
}

#[derive(clap::Args)]
struct Generate {
    /// Length in seconds
    #[arg(long, default_value_t = 60)]
    seconds: u32,
    /// Width and height with an x between, both even
    #[arg(long, default_value = "1280x720", value_parser = size)]
    size: (u32, u32),
    /// Frames per second, whole or a fraction such as 24000/1001
    #[arg(long, default_value = "30", value_parser = fraction)]
    fps: (u32, u32),
    /// No sound
    #[arg(long)]
    silent: bool,
    /// What the pictures show: scenes, calm or plain (the cheapest)
    #[arg(long, default_value = "scenes", value_parser = content)]
    content: Content,
    /// Frames from one key frame to the next
    #[arg(long, default_value_t = 60)]
    gop: u32,
    /// B-frames in a row
    #[arg(long, default_value_t = 0)]
    bframes: u32,
    /// Write the MP4's index first
    #[arg(long)]
    faststart: bool,
    /// Write a fragmented MP4
    #[arg(long, conflicts_with = "faststart")]
    fragmented: bool,
    /// The file to write; its extension chooses the container
    output: PathBuf,
}

fn main() -> ExitCode {
    match run(Args::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let ended = writeln!(std::io::stderr(), "testkit: {error:#}");
            if ended.is_ok() { ExitCode::FAILURE } else { ExitCode::from(74) }
        }
    }
}

fn run(command: Command) -> Result<()> {
    match command {
        Command::Generate(wanted) => wanted.run(),
        Command::Counters { stream, input } => {
            let mut out = stdout().lock();
            for picture in decode::pictures(&["-i", &input, "-map", &format!("0:v:{stream}")])? {
                let counter = picture.counter.map_or_else(|| "-".to_owned(), |counter| counter.to_string());
                writeln!(out, "{:.6} {counter}{}", picture.pts_s, if picture.flash { " flash" } else { "" })?;
            }
            Ok(())
        }
        Command::Loop { copies, input, output } => clip::loop_copies(&input, copies, &output),
        Command::Films { wanted } => {
            let mut out = stdout().lock();
            for row in films::rows().iter().filter(|row| row.is_wanted(&wanted)) {
                writeln!(out, "{row}")?;
            }
            Ok(())
        }
        Command::Film { line, folder } => film(&line, &folder),
        Command::Odd { folder } => {
            std::fs::create_dir_all(&folder).context("cannot make the folder")?;
            for odd in odd::all(&folder)? {
                writeln!(stdout(), "{:?} {}", odd.outcome, odd.path.display())?;
            }
            Ok(())
        }
        #[cfg(feature = "s3")]
        Command::S3 { folder, address, key, secret } => {
            let _server = vidstream_testkit::s3::Server::open(&folder, address, (&key, &secret))?;
            loop {
                std::thread::park();
            }
        }
    }
}

fn film(line: &str, folder: &Path) -> Result<()> {
    let row = films::rows().into_iter().find(|row| row.to_string() == line);
    let row = row.with_context(|| format!("no film of the table is `{line}`"))?;
    std::fs::create_dir_all(folder).context("cannot make the folder")?;
    let film = Film::make(&row, folder)?;
    let known = serde_json::json!({
        "path": film.path.display().to_string(),
        "fps": [film.fps.0, film.fps.1],
        "length_ns": film.length_ns,
        "has_sound": row.channels != "none",
    });
    writeln!(stdout(), "{known}")?;
    Ok(())
}

// === impl Generate ===

impl Generate {
    fn run(self) -> Result<()> {
        let frames = u64::from(self.seconds) * u64::from(self.fps.0) / u64::from(self.fps.1);
        let clip = Clip {
            fps: self.fps,
            frames: u32::try_from(frames).context("too many frames")?,
            content: self.content,
            ..Clip::new(self.size, 1, 1)
        };
        let clip = if self.silent { Clip { audio: None, ..clip } } else { clip };
        let index = match (self.faststart, self.fragmented) {
            (true, _) => Index::First,
            (_, true) => Index::Fragmented,
            _ => Index::Last,
        };
        let encoding = Encoding { gop: self.gop, bframes: self.bframes, index, ..Encoding::default() };
        clip.write(&self.output, &encoding)?;
        if stdout().is_terminal() {
            writeln!(stdout(), "{} frames in {}", clip.frames, self.output.display())?;
        }
        Ok(())
    }
}

fn size(text: &str) -> Result<(u32, u32), String> {
    let even = |side: &str| side.parse::<u32>().ok().filter(|side| (16..=8192).contains(side) && side % 2 == 0);
    text.split_once('x')
        .and_then(|(width, height)| Some((even(width)?, even(height)?)))
        .ok_or_else(|| "a size is WIDTHxHEIGHT, both even, from 16 to 8192".to_owned())
}

fn fraction(text: &str) -> Result<(u32, u32), String> {
    let (up, down) = text.split_once('/').unwrap_or((text, "1"));
    let part = |part: &str| part.parse::<u32>().ok().filter(|&part| part > 0);
    part(up).zip(part(down)).ok_or_else(|| "a frame rate is a number such as 25 or 24000/1001".to_owned())
}

fn content(text: &str) -> Result<Content, String> {
    match text {
        "scenes" => Ok(Content::Scenes),
        "calm" => Ok(Content::Calm),
        "plain" => Ok(Content::Plain),
        _ => Err("content is scenes, calm or plain".to_owned()),
    }
}
