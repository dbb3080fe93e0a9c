//! finish.
pub(crate) fn sheet(_tx: &mut super::Tx<'_>, _h: super::Held, _f: vidstream_media::presentation::Sheet) -> crate::Result<()> { Err(crate::Error::Busy) }
pub(crate) fn finalize(_tx: &mut super::Tx<'_>, _h: super::Held, _f: &crate::Finalized) -> crate::Result<()> { Err(crate::Error::Busy) }
pub(crate) fn requeue(_tx: &mut super::Tx<'_>, _h: super::Held, _f: &[u64]) -> crate::Result<crate::Requeued> { Err(crate::Error::Busy) }
pub(crate) fn delete(_tx: &mut super::Tx<'_>, _h: super::Held) -> crate::Result<()> { Err(crate::Error::Busy) }
