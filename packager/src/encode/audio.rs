//! Sound.
use super::{Context, input::AudioSpan};
use crate::protocol::Failure;
pub(super) fn run(_context: &Context, _span: Option<AudioSpan>) -> Result<(), Failure> { Ok(()) }
