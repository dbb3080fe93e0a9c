//! fail.
pub(crate) fn fail(_tx: &mut super::Tx<'_>, _h: super::Held, _f: &crate::Failure) -> crate::Result<()> { Err(crate::Error::Busy) }
