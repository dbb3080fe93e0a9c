//! Films for tests that must hold for every kind of film: a table with every pair of properties, and the film of a row.

mod film;
mod table;

pub use film::{Film, Picture, SHORT_PART};
pub use table::{Row, rows};
