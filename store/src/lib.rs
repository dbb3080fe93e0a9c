//! Object bytes.
