//! Probes of real files, made by ffmpeg and compared with what ffprobe says of them.

mod bad;
mod film;
mod mp4;
mod others;
mod probing;
