//! The contract suite for plugins: real chunk jobs in real children over a made-up source, judged
//! promise by promise from what comes out.
//!
//! Nothing is needed but the plugin itself: pictures and sound are made up here and served to the children
//! as the source of a video is. What an encoder gives is seen three times. A *trial* writes it down as it
//! comes, right or wrong, over many chunks in one process; *chunk jobs* of the usual kind make segments
//! of it, or refuse; a *replay* decodes these with the decoders of the system and compares them with
//! the source. A library that comes with a plugin is loaded by children only, and never by the one that
//! decodes.

mod ending;
mod evidence;
mod film;
mod judge;
mod planned;
mod scenes;
mod sps;
mod studio;
mod tones;

use std::time::Instant;

use futures_util::future::BoxFuture;
use vidstream_plugins::{Kind, Plugin, Registry, verdict};

use self::evidence::Evidence;
use crate::{elements, protocol::Failure, worker::process::ChildConfig};

/// Lets the allocator give back what is freed, so that what stays is in use (glibc's mallopt(3)).
const ALLOCATOR: [(&str, &str); 3] =
    [("MALLOC_ARENA_MAX", "1"), ("MALLOC_TRIM_THRESHOLD_", "65536"), ("MALLOC_MMAP_THRESHOLD_", "65536")];

/// Judges a plugin. `tell` hears what is being done, in short sentences; it takes some ten seconds.
///
/// # Errors
/// When children do not start. All that a plugin does wrong is in the report.
pub fn run<'a>(
    plugins: &'a Registry,
    plugin: &'a Plugin,
    mut child: ChildConfig,
    tell: &'a (dyn Fn(&str) + Sync),
) -> BoxFuture<'a, Result<verdict::Report, Failure>> {
    Box::pin(async move {
        if plugin.kind == Kind::Filter {
            return Ok(verdict::Report::nothing_to_judge(plugin));
        }
        let started = Instant::now();
        child.env.extend(ALLOCATOR.map(|(name, value)| (name.into(), value.into())));
        let site = elements::Site::open(child, plugins).await?;
        if !site.elements.contains(&plugin.element) {
            return Ok(verdict::Report::unavailable(plugin));
        }
        let evidence = Evidence::gather(&site, plugins, plugin, tell).await?;
        tell("judging");
        Ok(verdict::Report::judged(plugin, judge::all(&evidence, plugin.kind), started.elapsed().as_secs_f64()))
    })
}
