//! Frames: header length and payload length, both 32 bits little-endian, then a JSON header and raw bytes.
//!
//! Each side refuses what is longer than agreed before it makes room for it.

use std::io::{self, Read, Write};

use serde::{Serialize, de::DeserializeOwned};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Longest header, in bytes. A plan is the largest thing in one: a film of 46 days has 5 MiB of chunks.
pub const HEADER_BYTES_MAX: u32 = 16 << 20;
/// Longest payload, in bytes.
pub const PAYLOAD_BYTES_MAX: u32 = 8 << 20;
/// The two lengths in front.
const PREFIX_BYTES: usize = 8;

/// Why a frame could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The other side is gone, in the middle of a frame or before one.
    #[error("the connection broke: {0}")]
    Broken(#[from] io::Error),
    /// The other side breaks the rules.
    #[error("the frame is not allowed: {0}")]
    Violation(String),
}

/// Reads a frame; `None` when the other side closed the connection between two frames.
pub fn read<T: DeserializeOwned>(from: &mut impl Read) -> Result<Option<(T, Vec<u8>)>, Error> {
    let mut prefix = [0; PREFIX_BYTES];
    // The first byte tells the end of the stream from a broken frame.
    let mut filled = 0;
    while filled < PREFIX_BYTES {
        let count = match from.read(prefix.get_mut(filled..).unwrap_or_default()) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            other => other?,
        };
        if count == 0 {
            return if filled == 0 { Ok(None) } else { Err(Error::Broken(io::ErrorKind::UnexpectedEof.into())) };
        }
        filled += count;
    }
    let (header_bytes, payload_bytes) = lengths(prefix)?;
    let mut header = vec![0; header_bytes];
    from.read_exact(&mut header)?;
    let mut payload = vec![0; payload_bytes];
    from.read_exact(&mut payload)?;
    Ok(Some((decode(&header)?, payload)))
}

/// Writes a frame.
pub fn write<T: Serialize>(to: &mut impl Write, header: &T, payload: &[u8]) -> Result<(), Error> {
    let head = encode(header, payload.len())?;
    to.write_all(&head)?;
    to.write_all(payload)?;
    Ok(to.flush()?)
}

/// [`read`], without blocking a thread. Not cancellation safe: a dropped call loses its place.
pub async fn read_async<T: DeserializeOwned>(
    from: &mut (impl AsyncRead + Unpin),
) -> Result<Option<(T, Vec<u8>)>, Error> {
    let mut prefix = [0; PREFIX_BYTES];
    let mut filled = 0;
    while filled < PREFIX_BYTES {
        let count = from.read(prefix.get_mut(filled..).unwrap_or_default()).await?;
        if count == 0 {
            return if filled == 0 { Ok(None) } else { Err(Error::Broken(io::ErrorKind::UnexpectedEof.into())) };
        }
        filled += count;
    }
    let (header_bytes, payload_bytes) = lengths(prefix)?;
    let mut header = vec![0; header_bytes];
    from.read_exact(&mut header).await?;
    let mut payload = vec![0; payload_bytes];
    from.read_exact(&mut payload).await?;
    Ok(Some((decode(&header)?, payload)))
}

/// [`fn@write`], without blocking a thread.
pub async fn write_async<T: Serialize>(
    to: &mut (impl AsyncWrite + Unpin),
    header: &T,
    payload: &[u8],
) -> Result<(), Error> {
    let head = encode(header, payload.len())?;
    to.write_all(&head).await?;
    to.write_all(payload).await?;
    Ok(to.flush().await?)
}

fn lengths(prefix: [u8; PREFIX_BYTES]) -> Result<(usize, usize), Error> {
    // Both at once: the header's length is the lower half.
    let both = u64::from_le_bytes(prefix);
    let bounded = |length: u64, max: u32, what: &str| match usize::try_from(length) {
        Ok(bytes) if length <= u64::from(max) => Ok(bytes),
        _ => Err(Error::Violation(format!("{what} of {length} bytes, at most {max}"))),
    };
    let header_bytes = bounded(both & u64::from(u32::MAX), HEADER_BYTES_MAX, "header")?;
    Ok((header_bytes, bounded(both >> 32, PAYLOAD_BYTES_MAX, "payload")?))
}

fn decode<T: DeserializeOwned>(header: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(header).map_err(|error| Error::Violation(format!("header: {error}")))
}

/// Both lengths and the header.
fn encode<T: Serialize>(header: &T, payload_bytes: usize) -> Result<Vec<u8>, Error> {
    let violation = |what: &str| Error::Violation(format!("{what} too long"));
    let mut head = vec![0; PREFIX_BYTES];
    serde_json::to_writer(&mut head, header).map_err(|error| Error::Violation(format!("header: {error}")))?;
    let header_bytes = u32::try_from(head.len() - PREFIX_BYTES).map_err(|_| violation("header"))?;
    let payload_bytes = u32::try_from(payload_bytes).map_err(|_| violation("payload"))?;
    if header_bytes > HEADER_BYTES_MAX || payload_bytes > PAYLOAD_BYTES_MAX {
        return Err(violation("frame"));
    }
    let lengths = header_bytes.to_le_bytes().into_iter().chain(payload_bytes.to_le_bytes());
    for (place, byte) in head.iter_mut().zip(lengths) {
        *place = byte;
    }
    Ok(head)
}
