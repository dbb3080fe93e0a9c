//! From flags, environment and file to one checked configuration.

use vidstream_config::{Config, Layers};

use crate::{
    args::{Common, Place},
    exit::{Code, Failure},
    secrets,
};

/// Layers the settings of a command.
pub(crate) fn load(place: &Place) -> Result<Config, Failure> {
    load_with(place, &[])
}

/// Layers the settings of a server command.
pub(crate) fn of_server(common: &Common) -> Result<Config, Failure> {
    let read_only = common.read_only.then(|| "true".to_owned());
    let flags = [("listen", &common.listen), ("admin_listen", &common.admin_listen), ("origin.read_only", &read_only)];
    load_with(&common.place, &flags)
}

fn load_with(place: &Place, flags: &[(&str, &Option<String>)]) -> Result<Config, Failure> {
    layered(place, flags).map_err(|error| {
        let code = match &error {
            vidstream_config::Error::Secret { source, .. } => secrets::code(source.kind()),
            _ => Code::Usage,
        };
        Failure::new(code, error.to_string())
    })
}

fn layered(place: &Place, flags: &[(&str, &Option<String>)]) -> Result<Config, vidstream_config::Error> {
    let mut layers = Layers::default();
    if let Some(path) = &place.sources.config {
        layers.file(path)?;
    }
    layers.environment(std::env::vars())?;
    for pair in &place.sources.set {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        layers.set(key.trim(), value.to_owned(), "--set")?;
    }
    for (key, value) in [("data", &place.data)].iter().chain(flags) {
        if let Some(value) = value {
            layers.set(key, value.clone(), "the command line")?;
        }
    }
    Config::new(&layers)
}
