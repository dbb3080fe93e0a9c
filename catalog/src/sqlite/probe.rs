//! probe.
pub(crate) fn finish(_tx: &mut super::Tx<'_>, _h: super::Held, _p: &crate::Probed) -> crate::Result<()> { Err(crate::Error::Busy) }
