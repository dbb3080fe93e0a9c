//! transition.
