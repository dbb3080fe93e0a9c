//! videos.
pub(crate) fn rename(_tx: &mut super::Tx<'_>, _i: vidstream_media::VideoId, _t: &str) -> crate::Result<crate::Video> { Err(crate::Error::Busy) }
pub(crate) fn delete(_tx: &mut super::Tx<'_>, _i: vidstream_media::VideoId) -> crate::Result<crate::Deletion> { Err(crate::Error::Busy) }
pub(crate) fn retry(_tx: &mut super::Tx<'_>, _i: vidstream_media::VideoId) -> crate::Result<crate::Video> { Err(crate::Error::Busy) }
pub(crate) fn get(_db: &super::Db<'_>, _i: vidstream_media::VideoId) -> crate::Result<Option<crate::Video>> { Err(crate::Error::Busy) }
pub(crate) fn version(_db: &super::Db<'_>, _i: vidstream_media::VideoId) -> crate::Result<Option<(u32, u64)>> { Err(crate::Error::Busy) }
pub(crate) fn lookup(_db: &super::Db<'_>, _i: vidstream_media::VideoId) -> crate::Result<crate::Lookup> { Err(crate::Error::Busy) }
pub(crate) fn list(_db: &super::Db<'_>, _q: &crate::ListQuery) -> crate::Result<crate::Page> { Err(crate::Error::Busy) }
