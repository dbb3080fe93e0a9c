//! schema.
pub(super) fn migrate(_c: &mut rusqlite::Connection) -> crate::Result<()> { Ok(()) }
