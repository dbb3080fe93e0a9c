//! The layers of settings before they are typed: file, environment, flags.

use std::{collections::BTreeMap, fs, path::Path};

use crate::{
    Error,
    keys::{self, KEYS},
};

const PREFIX: &str = "VIDSTREAM_";
/// Names this variable the configuration file; it is no setting itself.
const FILE_VARIABLE: &str = "VIDSTREAM_CONFIG";

/// Settings by key, later layers over earlier ones.
#[derive(Clone, Debug, Default)]
pub struct Layers {
    values: BTreeMap<&'static str, String>,
}

// === impl Layers ===

impl Layers {
    /// Adds the settings of a TOML file.
    pub fn file(&mut self, path: &Path) -> Result<(), Error> {
        let text = fs::read_to_string(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
        let table: toml::Table = match toml::from_str(&text) {
            Ok(table) => table,
            Err(error) => {
                return Err(Error::Syntax { path: path.to_owned(), reason: error.message().to_owned() });
            }
        };
        for (key, value) in flatten(&table) {
            self.set(&key, value, &path.display().to_string())?;
        }
        Ok(())
    }

    /// Adds every `VIDSTREAM_*` variable of an environment.
    pub fn environment(&mut self, variables: impl Iterator<Item = (String, String)>) -> Result<(), Error> {
        let ours = variables.filter(|(name, _)| name.starts_with(PREFIX) && name != FILE_VARIABLE);
        for (name, value) in ours {
            match KEYS.iter().find(|key| keys::variable(key.name) == name) {
                Some(key) => self.values.insert(key.name, value),
                None => {
                    return Err(unknown(
                        "the environment",
                        &name,
                        &name.to_ascii_lowercase().replace(&PREFIX.to_ascii_lowercase(), ""),
                    ));
                }
            };
        }
        Ok(())
    }

    /// Adds one setting, from a flag say; `origin` is for messages.
    pub fn set(&mut self, name: &str, value: String, origin: &str) -> Result<(), Error> {
        let Some(key) = KEYS.iter().find(|key| key.name == name) else {
            return Err(unknown(origin, name, name));
        };
        self.values.insert(key.name, value);
        Ok(())
    }

    /// Whether any layer has a value for a key.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.values.get(name).is_some_and(|value| !value.trim().is_empty())
    }

    /// The value of a key, from the latest layer that has one, else its default; `None` if that is empty.
    pub(crate) fn get(&self, name: &'static str) -> Option<&str> {
        let default = || KEYS.iter().find(|key| key.name == name).map_or("", |key| key.default);
        let value = self.values.get(name).map_or_else(default, String::as_str).trim();
        (!value.is_empty()).then_some(value)
    }
}

fn unknown(origin: &str, key: &str, looked_for: &str) -> Error {
    Error::Unknown { origin: origin.to_owned(), key: key.to_owned(), nearest: keys::nearest(looked_for) }
}

/// Nested tables as dotted keys, arrays as comma-separated text.
fn flatten(table: &toml::Table) -> Vec<(String, String)> {
    let mut flat = Vec::new();
    for (key, value) in table {
        match value {
            toml::Value::Table(inner) => {
                flat.extend(flatten(inner).into_iter().map(|(rest, value)| (format!("{key}.{rest}"), value)));
            }
            toml::Value::Array(items) => {
                let items: Vec<String> = items.iter().map(plain).collect();
                flat.push((key.clone(), items.join(",")));
            }
            other => flat.push((key.clone(), plain(other))),
        }
    }
    flat
}

fn plain(value: &toml::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
