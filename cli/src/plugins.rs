//! `vidstream plugins`: what encoders there are.

use std::fmt::Write as _;

use vidstream_plugins::{Kind, Knobs, Plugin, Registry};

use crate::{
    args::{Plugins, PluginsAction},
    exit::{Code, Failure},
};

pub(crate) fn run(args: &Plugins) -> anyhow::Result<Code> {
    let registry = Registry::load(&args.folder).map_err(|error| Failure::new(Code::Usage, error.to_string()))?;
    let text = match &args.action {
        PluginsAction::List => list(&registry)?,
        PluginsAction::Show { name } => {
            let unknown =
                || Failure::new(Code::Usage, format!("there is no plugin {name}; `vidstream plugins list` names them"));
            show(registry.get(name).ok_or_else(unknown)?)?
        }
    };
    crate::add::print(&text);
    Ok(Code::Done)
}

fn list(registry: &Registry) -> anyhow::Result<String> {
    let mut text = format!(
        "{:<14} {:<8} {:<14} {:<6} {:<14} {:>4}  {}\n",
        "NAME", "VERSION", "KIND", "CODEC", "ELEMENT", "RANK", "STATE"
    );
    for plugin in registry.iter() {
        let Plugin { name, version, codec, element, rank, .. } = plugin;
        writeln!(
            text,
            "{name:<14} {version:<8} {:<14} {codec:<6} {element:<14} {rank:>4}  {}",
            kind(plugin),
            state(plugin)?
        )?;
    }
    Ok(text)
}

fn show(plugin: &Plugin) -> anyhow::Result<String> {
    let mut text = format!("{} {}: {}\n", plugin.name, plugin.version, plugin.description);
    writeln!(
        text,
        "kind      {}\ncodec     {}\nelement   {} ({})\nrank      {}",
        kind(plugin),
        plugin.codec,
        plugin.element,
        state(plugin)?,
        plugin.rank
    )?;
    let folder = plugin.folder.as_ref().map_or("bundled".to_owned(), |folder| folder.display().to_string());
    writeln!(text, "from      {folder}")?;
    let promises = plugin.promises;
    let listed = [
        ("IDR on the grid", promises.idr_on_grid),
        ("closed GOP", promises.closed_gop),
        ("cap kept", promises.cap_kept),
        ("same decoder configuration", promises.same_decoder_config),
    ];
    for (promise, made) in listed {
        writeln!(text, "promises  {promise}: {}", if made { "yes" } else { "no" })?;
    }
    writeln!(text, "settings for a 720p rung:")?;
    for (name, value) in plugin.settings(&Knobs::default()) {
        writeln!(text, "  {name} = {value}")?;
    }
    Ok(text)
}

fn kind(plugin: &Plugin) -> &'static str {
    match plugin.kind {
        Kind::VideoEncoder => "video encoder",
        Kind::AudioEncoder => "audio encoder",
        Kind::Filter => "filter",
    }
}

#[cfg(feature = "packager")]
fn state(plugin: &Plugin) -> anyhow::Result<&'static str> {
    let exists = vidstream_packager::elements::exists(&plugin.element)
        .map_err(|error| Failure::new(Code::Unavailable, error.to_string()))?;
    Ok(if exists { "available" } else { "element missing" })
}

#[cfg(not(feature = "packager"))]
fn state(_: &Plugin) -> anyhow::Result<&'static str> {
    Ok("this build has no packager")
}
