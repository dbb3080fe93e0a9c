//! Encoders that break one promise each, to show that the contract suite sees it.
//!
//! Both are bins around an honest encoder; the property `wrong` says what to do.

mod audio;
mod entry;
mod lies;
mod video;
