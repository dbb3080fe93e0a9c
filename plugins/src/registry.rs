//! The plugins that are there: the bundled ones and those in the configured folders.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use crate::{Error, Kind, Plugin};

/// The file that makes a folder a plugin.
pub const MANIFEST: &str = "plugin.toml";

/// Names are near when they differ by this many letters at most.
const TYPING_ERRORS_MAX: usize = 3;
/// Names that are offered instead of an unknown one.
const NEAREST_MAX: usize = 3;

/// The manifests that come with the executable.
const BUNDLED: [(&str, &str); 3] = [
    ("x264", include_str!("../x264/plugin.toml")),
    ("openh264", include_str!("../openh264/plugin.toml")),
    ("avenc-aac", include_str!("../avenc-aac/plugin.toml")),
];

/// All known plugins, by name.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    plugins: BTreeMap<String, Plugin>,
}

// === impl Registry ===

impl Registry {
    /// The bundled plugins and those found in the given folders, one folder a plugin.
    pub fn load(folders: &[PathBuf]) -> Result<Self, Error> {
        let mut registry = Self::default();
        for (name, text) in BUNDLED {
            registry.add(Plugin::parse(text, Path::new(name).join(MANIFEST))?, Path::new(name))?;
        }
        for folder in folders {
            let mut found = Vec::new();
            for entry in fs::read_dir(folder).map_err(|source| Error::Read { path: folder.clone(), source })? {
                let entry = entry.map_err(|source| Error::Read { path: folder.clone(), source })?;
                found.push(entry.path().join(MANIFEST));
            }
            found.sort();
            for path in found.into_iter().filter(|path| path.is_file()) {
                let text = fs::read_to_string(&path).map_err(|source| Error::Read { path: path.clone(), source })?;
                let mut plugin = Plugin::parse(&text, path.clone())?;
                plugin.folder = path.parent().map(Path::to_owned);
                registry.add(plugin, &path)?;
            }
        }
        Ok(registry)
    }

    /// All plugins, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Plugin> {
        self.plugins.values()
    }

    /// The plugin of that name.
    pub fn get(&self, name: &str) -> Option<&Plugin> {
        self.plugins.get(name)
    }

    /// The plugins that make a codec, promise what a plan needs and whose element exists, best first.
    pub fn candidates(&self, kind: Kind, codec: &str, exists: impl Fn(&str) -> bool) -> Vec<&Plugin> {
        let fits = |plugin: &&Plugin| {
            plugin.kind == kind && plugin.codec == codec && plugin.lacks().is_none() && exists(&plugin.element)
        };
        let mut found: Vec<&Plugin> = self.iter().filter(fits).collect();
        found.sort_by_key(|plugin| std::cmp::Reverse(plugin.rank));
        found
    }

    /// Names that one may have meant, the nearest first; at most three.
    pub fn nearest(&self, name: &str) -> Vec<&str> {
        let mut near: Vec<(usize, &str)> = self
            .plugins
            .keys()
            .map(|known| (distance(name, known), known.as_str()))
            .filter(|&(distance, known)| distance <= TYPING_ERRORS_MAX || known.contains(name))
            .collect();
        near.sort_unstable();
        near.into_iter().take(NEAREST_MAX).map(|(_, known)| known).collect()
    }

    /// The folders that hold GStreamer plugin libraries, for the registry path.
    pub fn library_folders(&self) -> Vec<PathBuf> {
        let with_library = self.iter().filter(|plugin| plugin.library.is_some());
        with_library.filter_map(|plugin| plugin.folder.clone()).collect()
    }

    fn add(&mut self, plugin: Plugin, path: &Path) -> Result<(), Error> {
        let name = plugin.name.clone();
        match self.plugins.insert(name.clone(), plugin) {
            None => Ok(()),
            Some(_) => Err(Error::Duplicate { name, path: path.to_owned() }),
        }
    }
}

/// Letters to insert, drop or change between two names (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut next = vec![i + 1];
        for (j, (y, steps)) in b.bytes().zip(row.windows(2)).enumerate() {
            let &[diagonal, above] = steps else { continue };
            let left = next.get(j).copied().unwrap_or(0);
            next.push((diagonal + usize::from(x != y)).min(above + 1).min(left + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}
