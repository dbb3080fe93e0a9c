//! snapshot.
pub(super) fn snapshot(_db: &super::Db<'_>, _i: vidstream_media::VideoId) -> crate::Result<Option<crate::Snapshot>> { Err(crate::Error::Busy) }
