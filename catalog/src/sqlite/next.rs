//! next.
