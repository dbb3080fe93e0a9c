//! audit.
pub(crate) fn audit(_db: &super::Db<'_>) -> crate::Result<Vec<crate::Audit>> { Err(crate::Error::Busy) }
