//! publish.
pub(crate) fn publish(_tx: &mut super::Tx<'_>, _h: super::Held, _p: &crate::Published) -> crate::Result<()> { Err(crate::Error::Busy) }
