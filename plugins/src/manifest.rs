//! One plugin's manifest, `plugin.toml`, read and checked.

use std::{collections::BTreeMap, path::PathBuf};

use serde::{Deserialize, Serialize};

use crate::{Knobs, Promise, promise::Promises};

/// What a plugin does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Raw pictures to a video codec.
    VideoEncoder,
    /// Raw samples to an audio codec.
    AudioEncoder,
    /// Raw pictures to raw pictures.
    Filter,
}

/// A plugin as its manifest describes it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plugin {
    /// The name, of letters, digits and dashes; plans pin it.
    pub name: String,
    /// The version; plans pin it, and a change of settings is a new version.
    pub version: String,
    /// What it does.
    pub kind: Kind,
    /// The codec it makes, `h264` say; empty for filters.
    #[serde(default)]
    pub codec: String,
    /// The GStreamer element.
    pub element: String,
    /// Among plugins for one codec whose elements exist, the highest rank is taken.
    pub rank: u32,
    /// One line for people.
    #[serde(default)]
    pub description: String,
    /// A GStreamer plugin library in the plugin's folder, put on the registry path.
    #[serde(default)]
    pub library: Option<String>,
    /// Element properties; values may hold knobs in braces.
    #[serde(default)]
    pub settings: BTreeMap<String, String>,
    /// Settings that replace others where every picture is an intra picture.
    #[serde(default)]
    pub intra: BTreeMap<String, String>,
    /// What the plugin promises; the contract suite judges it by this.
    #[serde(default)]
    pub promises: Promises,
    /// The folder that the manifest lies in; `None` for the bundled ones.
    #[serde(skip)]
    pub folder: Option<PathBuf>,
}

/// A manifest cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder or file cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The path.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The file is not a manifest.
    #[error("{path} is not a plugin manifest: {reason}")]
    Manifest {
        /// The path.
        path: PathBuf,
        /// What is wrong, in a sentence.
        reason: String,
    },
    /// Two plugins have the same name.
    #[error("two plugins are called {name}; rename the one in {path}")]
    Duplicate {
        /// The name.
        name: String,
        /// The second manifest.
        path: PathBuf,
    },
}

// === impl Plugin ===

impl Plugin {
    /// Reads a manifest; `path` is for messages.
    pub fn parse(text: &str, path: PathBuf) -> Result<Self, Error> {
        let plugin: Self = match toml::from_str(text) {
            Ok(plugin) => plugin,
            Err(error) => {
                return Err(Error::Manifest { path, reason: error.message().to_owned() });
            }
        };
        match plugin.fault() {
            Some(reason) => Err(Error::Manifest { path, reason }),
            None => Ok(plugin),
        }
    }

    /// The element properties for these knobs. `{threads}` is left for the job to fill in.
    pub fn settings(&self, knobs: &Knobs) -> BTreeMap<String, String> {
        let values = knobs.values();
        let intra = self.intra.iter().filter(|_| knobs.intra);
        let merged: BTreeMap<_, _> = self.settings.iter().chain(intra).collect();
        merged.into_iter().map(|(name, template)| (name.clone(), fill(template, &values))).collect()
    }

    /// The first promise that a plan needs of its kind and that it does not make.
    pub fn lacks(&self) -> Option<Promise> {
        Promise::ALL.into_iter().find(|promise| promise.is_needed(self.kind) && !self.promises.makes(*promise))
    }

    fn fault(&self) -> Option<String> {
        let plain =
            |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        if !plain(&self.name) {
            return Some(format!("name {:?} must be letters, digits and dashes", self.name));
        }
        if !plain(&self.element) {
            return Some(format!("element {:?} must be the name of a GStreamer element", self.element));
        }
        if self.library.as_ref().is_some_and(|library| library.contains('/')) {
            return Some("library must lie in the plugin's own folder".to_owned());
        }
        if self.kind != Kind::Filter && self.codec.is_empty() {
            return Some("an encoder must name its codec".to_owned());
        }
        if let Some(promise) = self.promises.misplaced(self.kind) {
            return Some(format!("{promise} is not a promise for its kind"));
        }
        let known = Knobs::default().values();
        let templates = self.settings.iter().chain(&self.intra);
        let unknown = templates.flat_map(|(_, template)| knob_names(template)).find(|name| !known.contains_key(name));
        unknown.map(|name| {
            format!("{{{name}}} is not a knob; there are {}", known.keys().copied().collect::<Vec<_>>().join(", "))
        })
    }
}

/// The names in braces.
fn knob_names(template: &str) -> impl Iterator<Item = &str> {
    template.split('{').skip(1).filter_map(|rest| rest.split_once('}').map(|(name, _)| name))
}

fn fill(template: &str, values: &BTreeMap<&'static str, String>) -> String {
    let mut filled = template.to_owned();
    for name in knob_names(template) {
        if let Some(value) = values.get(name) {
            filled = filled.replace(&format!("{{{name}}}"), value);
        }
    }
    filled
}
