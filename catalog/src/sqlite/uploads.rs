//! uploads.
pub(crate) fn create(_tx: &mut super::Tx<'_>, _n: &crate::NewUpload) -> crate::Result<crate::Video> { Err(crate::Error::Busy) }
pub(crate) fn renew(_tx: &mut super::Tx<'_>, _i: vidstream_media::VideoId, _u: Option<i64>) -> crate::Result<()> { Err(crate::Error::Busy) }
pub(crate) fn finish(_tx: &mut super::Tx<'_>, _i: vidstream_media::VideoId, _b: u64) -> crate::Result<crate::Video> { Err(crate::Error::Busy) }
pub(crate) fn abandon(_tx: &mut super::Tx<'_>, _i: vidstream_media::VideoId) -> crate::Result<()> { Err(crate::Error::Busy) }
