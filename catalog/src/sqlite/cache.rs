//! cache.
#[derive(Default)] pub(super) struct Cache;
