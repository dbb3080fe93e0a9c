//! leases.
pub(crate) fn renew(_tx: &mut super::Tx<'_>, _h: super::Held) -> crate::Result<()> { Err(crate::Error::Busy) }
pub(crate) fn release(_tx: &mut super::Tx<'_>, _h: super::Held) -> crate::Result<()> { Err(crate::Error::Busy) }
pub(crate) fn release_worker(_tx: &mut super::Tx<'_>, _h: &str) -> crate::Result<u64> { Err(crate::Error::Busy) }
