//! events.
pub(crate) fn after(_db: &super::Db<'_>, _s: i64, _l: u32) -> crate::Result<Vec<crate::Event>> { Err(crate::Error::Busy) }
pub(crate) fn of_video(_db: &super::Db<'_>, _i: vidstream_media::VideoId, _s: i64, _l: u32) -> crate::Result<Vec<crate::Event>> { Err(crate::Error::Busy) }
pub(crate) fn last_seq(_db: &super::Db<'_>) -> crate::Result<i64> { Err(crate::Error::Busy) }
pub(crate) fn oldest_seq(_db: &super::Db<'_>) -> crate::Result<i64> { Err(crate::Error::Busy) }
