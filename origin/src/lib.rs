//! Origin.
