//! HLS playlists (RFC 8216bis), rendered from one [`Presentation`](crate::Presentation).
//!
//! Pure text: a snapshot in, a playlist out, in time linear in its lines. URLs are relative to the
//! document: the multivariant playlist is at `/v/{id}/`, media playlists are at
//! `/v/{id}/{generation}/{track}/`.

mod iframes;
mod images;
mod media;
mod multivariant;
mod text;

pub use iframes::iframes;
pub use images::images;
pub(crate) use images::rates as image_rates;
pub use media::media;
pub use multivariant::multivariant;
