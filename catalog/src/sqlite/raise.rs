//! raise.
#[derive(Clone, Copy)] pub(crate) struct Wait { pub(crate) id: vidstream_media::VideoId, pub(crate) generation: u32, pub(crate) segment: u64, pub(crate) deadline_ms: i64 }
pub(crate) fn raise(_tx: &mut super::Tx<'_>, _w: Wait) -> crate::Result<()> { Err(crate::Error::Busy) }
pub(crate) fn is_noted(_db: &super::Db<'_>, _w: Wait) -> crate::Result<bool> { Err(crate::Error::Busy) }
