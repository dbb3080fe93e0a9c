//! claim.
pub(crate) fn claim(_tx: &mut super::Tx<'_>, _w: &crate::Worker, _x: crate::Wanted) -> crate::Result<Option<crate::Claim>> { Err(crate::Error::Busy) }
