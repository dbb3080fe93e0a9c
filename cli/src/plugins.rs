//! `vidstream plugins`: what encoders there are, and whether they keep their promises.

#[cfg(feature = "packager")]
mod check;

use std::{collections::BTreeSet, fmt::Write as _, path::PathBuf};

use vidstream_plugins::{Kind, Knobs, Plugin, Promise, Registry};

use crate::{
    args::{Place, Plugins, PluginsAction, Sources},
    exit::{Code, Failure},
    parts, settings,
};

pub(crate) fn run(args: &Plugins) -> anyhow::Result<Code> {
    let registry =
        Registry::load(&folders(args)?).map_err(|error| Failure::new(Code::Usage, parts::sentence(&error)))?;
    let text = match &args.action {
        PluginsAction::List => list(&registry, &Elements::look(&registry)?)?,
        PluginsAction::Show { name } => show(named(&registry, name)?, &Elements::look(&registry)?)?,
        #[cfg(feature = "packager")]
        PluginsAction::Check(wanted) => return check::run(wanted, &registry),
    };
    crate::add::print(&text);
    Ok(Code::Done)
}

/// The configured folders and those of the command line.
fn folders(args: &Plugins) -> Result<Vec<PathBuf>, Failure> {
    let sources = Sources { config: args.config.clone(), ..Sources::default() };
    let config = settings::load(&Place { sources, ..Place::default() })?;
    Ok(config.plugin_folders.into_iter().chain(args.folder.iter().cloned()).collect())
}

/// The plugin of that name, or a sentence with those that may have been meant.
fn named<'a>(registry: &'a Registry, name: &str) -> Result<&'a Plugin, Failure> {
    registry.get(name).ok_or_else(|| {
        let near = registry.nearest(name);
        let hint = if near.is_empty() {
            "`vidstream plugins list` names them".to_owned()
        } else {
            format!("did you mean {}?", near.join(" or "))
        };
        Failure::new(Code::Usage, format!("there is no plugin {name}; {hint}"))
    })
}

fn list(registry: &Registry, elements: &Elements) -> anyhow::Result<String> {
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
            elements.state(plugin)
        )?;
    }
    Ok(text)
}

fn show(plugin: &Plugin, elements: &Elements) -> anyhow::Result<String> {
    let mut text = format!("{} {}: {}\n", plugin.name, plugin.version, plugin.description);
    writeln!(
        text,
        "kind      {}\ncodec     {}\nelement   {} ({})\nrank      {}",
        kind(plugin),
        plugin.codec,
        plugin.element,
        elements.state(plugin),
        plugin.rank
    )?;
    let folder = plugin.folder.as_ref().map_or("bundled".to_owned(), |folder| folder.display().to_string());
    writeln!(text, "from      {folder}")?;
    if let Some(library) = &plugin.library {
        writeln!(text, "library   {library}")?;
    }
    for promise in Promise::ALL.into_iter().filter(|promise| promise.fits(plugin.kind)) {
        let made = if plugin.promises.makes(promise) { "yes" } else { "no" };
        let needed = if promise.is_needed(plugin.kind) { " (plans need it)" } else { "" };
        writeln!(text, "promises  {promise}: {made}{needed}")?;
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

/// Which elements of the known plugins exist here; `None` where nobody can look.
struct Elements(Option<BTreeSet<String>>);

// === impl Elements ===

impl Elements {
    #[cfg(feature = "packager")]
    fn look(registry: &Registry) -> anyhow::Result<Self> {
        let site = parts::runtime()?.block_on(vidstream_packager::elements::Site::open(parts::child(), registry));
        let site = site.map_err(|failure| Failure::new(Code::Unavailable, failure.to_string()))?;
        Ok(Self(Some(site.elements)))
    }

    #[cfg(not(feature = "packager"))]
    #[expect(clippy::unnecessary_wraps, reason = "the shape of the build that can look")]
    fn look(_: &Registry) -> anyhow::Result<Self> {
        Ok(Self(None))
    }

    fn state(&self, plugin: &Plugin) -> &'static str {
        match &self.0 {
            None => "this build has no packager",
            Some(elements) if !elements.contains(&plugin.element) => "element missing",
            Some(_) if plugin.kind != Kind::Filter && plugin.lacks().is_some() => "promises too little for plans",
            Some(_) => "available",
        }
    }
}
