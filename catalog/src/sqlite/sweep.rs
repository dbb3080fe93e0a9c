//! sweep.
pub(crate) fn sweep(_tx: &mut super::Tx<'_>) -> crate::Result<crate::Swept> { Err(crate::Error::Busy) }
