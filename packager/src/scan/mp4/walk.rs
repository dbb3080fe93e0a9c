//! A walk over the top-level boxes of a file as they arrive.

use std::io;

use vidstream_media::source::mp4::{Error, MOOF_BYTES_MAX, MOOV_BYTES_MAX, Movie, Track, boxes, is_quicktime};

use super::{
    super::{fault, picture::First},
    video_track,
};
use crate::protocol::Failure;

/// Boxes looked at; a day of one-second fragments has four a second.
pub(in crate::scan) const BOXES_MAX: u32 = 500_000;
/// Bytes read at once where a header is expected: a `moof` of two seconds fits.
pub(in crate::scan) const WINDOW_BYTES: u32 = 4096;
/// Packets of a fragmented file that are enough for the first picture.
const FIRST_PICTURE_PACKETS: usize = 24;

/// What is walked: an upload or, where the walk itself is tested, bytes in memory.
pub(in crate::scan) trait File {
    /// Bytes at `offset`; fewer only at the end of the file, none past it.
    fn read_at(&self, offset: u64, bytes: u32) -> io::Result<Vec<u8>>;

    /// Hears that the walk is done with what lies before `offset`.
    fn passed(&self, offset: u64) -> io::Result<()>;

    /// Decodes the first picture of a track that has packets.
    fn first_picture(&self, track: &Track) -> Result<Option<First>, Failure>;
}

/// The walk.
pub(in crate::scan) struct Walk<'a, F> {
    file: &'a F,
    window: Vec<u8>,
    window_start: u64,
    /// What the index and its fragments say.
    pub(in crate::scan) movie: Option<Movie>,
    pub(in crate::scan) quicktime: bool,
    pub(in crate::scan) first: Option<First>,
}

// === impl Walk ===

impl<'a, F: File> Walk<'a, F> {
    pub(in crate::scan) fn new(file: &'a F) -> Self {
        Self { file, window: Vec::new(), window_start: 0, movie: None, quicktime: false, first: None }
    }

    /// Walks to the end of the file, over so many boxes at most.
    ///
    /// # Errors
    /// `malformed` for what is no file of boxes, and what reading and decoding gave.
    pub(in crate::scan) fn run(&mut self, boxes_max: u32) -> Result<(), Failure> {
        let mut at = 0;
        // Once more than there are boxes, to see that there are no more.
        for number in 0..=boxes_max {
            let bytes = self.read(at, u64::from(boxes::HEADER_BYTES_MAX))?;
            let Some(head) = boxes::header(&bytes) else {
                // Rubbish after the movie does no harm.
                return if number == 0 { Err(fault::malformed("its first box makes no sense")) } else { Ok(()) };
            };
            self.open(at, head)?;
            let Some(size) = head.bytes else { return Ok(()) };
            at = at.saturating_add(size);
            self.file.passed(at)?;
        }
        Err(fault::malformed("it consists of too many tiny pieces"))
    }

    fn open(&mut self, at: u64, head: boxes::Header) -> Result<(), Failure> {
        let content = at.saturating_add(head.header_bytes);
        match &head.kind {
            b"ftyp" => self.quicktime = is_quicktime(&self.read(content, 4)?),
            // Old recorders write no ftyp.
            b"wide" if at == 0 => self.quicktime = true,
            b"moov" if self.movie.is_none() => {
                let body = self.content(content, head, MOOV_BYTES_MAX)?.ok_or_else(fault::missing_index)?;
                self.movie = Some(Movie::parse(&body).map_err(unreadable)?);
                self.look(0)?;
            }
            b"moof" => {
                let Some(body) = self.content(content, head, MOOF_BYTES_MAX)? else { return Ok(()) };
                if let Some(movie) = &mut self.movie {
                    movie.add_fragment(&body, at).map_err(unreadable)?;
                }
                self.look(FIRST_PICTURE_PACKETS)?;
            }
            _ => {}
        }
        Ok(())
    }

    /// The content of a box; `None` if the file ends inside it.
    fn content(&mut self, at: u64, head: boxes::Header, bytes_max: u64) -> Result<Option<Vec<u8>>, Failure> {
        let total = head.bytes.ok_or_else(|| fault::malformed("its index has no end"))?;
        let size = total - head.header_bytes;
        if size > bytes_max {
            return Err(fault::malformed(format!("its index is {size} bytes long")));
        }
        let body = self.read(at, size)?;
        Ok((body.len() as u64 == size).then_some(body))
    }

    /// Reads through a window, since headers lie close to what follows them.
    fn read(&mut self, at: u64, bytes: u64) -> Result<Vec<u8>, Failure> {
        if let Some(found) = self.cached(at, bytes) {
            return Ok(found.to_vec());
        }
        if bytes >= u64::from(WINDOW_BYTES) {
            return Ok(self.file.read_at(at, u32::try_from(bytes).unwrap_or(u32::MAX))?);
        }
        self.window = self.file.read_at(at, WINDOW_BYTES)?;
        self.window_start = at;
        let wanted = usize::try_from(bytes).unwrap_or(usize::MAX).min(self.window.len());
        Ok(self.window.get(..wanted).unwrap_or_default().to_vec())
    }

    fn cached(&self, at: u64, bytes: u64) -> Option<&[u8]> {
        let start = usize::try_from(at.checked_sub(self.window_start)?).ok()?;
        self.window.get(start..start.checked_add(usize::try_from(bytes).ok()?)?)
    }

    /// Decodes the first picture while the rest is uploaded, once there are enough packets.
    fn look(&mut self, packets_min: usize) -> Result<(), Failure> {
        if self.first.is_some() {
            return Ok(());
        }
        let Some(track) = self.movie.as_ref().and_then(|movie| video_track(&movie.tracks)) else { return Ok(()) };
        // An index at the end says nothing that could not wait, but then the file is complete anyway.
        if track.packets.len() > packets_min && track.codec.caps.is_some() {
            self.first = self.file.first_picture(track)?;
        }
        Ok(())
    }
}

fn unreadable(error: Error) -> Failure {
    match error {
        Error::NoTracks => fault::malformed("its index cannot be read"),
        Error::TooManyTracks | Error::TooManyPackets => fault::malformed(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::fuzz::InMemory;

    #[test]
    fn so_many_boxes_are_walked_and_not_one_more() {
        const BOXES: u32 = 5;
        for (count, is_walked) in [(5, true), (6, false)] {
            let bytes = b"\0\0\0\x08free".repeat(count);
            let file = InMemory::new(&bytes);
            assert_eq!(Walk::new(&file).run(BOXES).is_ok(), is_walked, "{count}");
        }
    }
}
