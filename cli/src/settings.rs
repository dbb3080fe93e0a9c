//! From flags, environment and file to one checked configuration.

use vidstream_config::{Config, Layers};

use crate::{
    args::{Common, Place},
    exit::{Code, Failure},
    secrets,
};

/// Layers the settings of a server command.
pub(crate) fn load(common: &Common) -> Result<Config, Failure> {
    layered(common).map_err(|error| {
        let code = match &error {
            vidstream_config::Error::Secret { source, .. } => secrets::code(source.kind()),
            _ => Code::Usage,
        };
        Failure::new(code, error.to_string())
    })
}

/// Layers the settings of a command that is no server.
pub(crate) fn of_place(place: &Place) -> Result<Config, Failure> {
    let Place { config, data, set } = place.clone();
    load(&Common { config, data, set, ..Common::default() })
}

fn layered(common: &Common) -> Result<Config, vidstream_config::Error> {
    let mut layers = Layers::default();
    if let Some(path) = &common.config {
        layers.file(path)?;
    }
    layers.environment(std::env::vars())?;
    for pair in &common.set {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        layers.set(key.trim(), value.to_owned(), "--set")?;
    }
    let flags = [("data", &common.data), ("listen", &common.listen), ("admin_listen", &common.admin_listen)];
    for (key, value) in flags {
        if let Some(value) = value {
            layers.set(key, value.clone(), "the command line")?;
        }
    }
    if common.read_only {
        layers.set("origin.read_only", "true".to_owned(), "the command line")?;
    }
    Config::new(&layers)
}
