//! Test media.
