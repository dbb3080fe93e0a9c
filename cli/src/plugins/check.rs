//! `vidstream plugins check`: the contract suite on real encodes, a verdict for each promise.

use std::fmt::Write as _;

use vidstream_packager::check;
use vidstream_plugins::{
    Plugin, Registry,
    verdict::{Outcome, Report, State},
};

use crate::{
    add::print,
    args::PluginsCheck,
    exit::{Code, Failure},
    logging, parts,
};

pub(super) fn run(wanted: &PluginsCheck, registry: &Registry) -> anyhow::Result<Code> {
    logging::start(false, logging::COMMAND);
    let plugins: Vec<&Plugin> = match &wanted.name {
        Some(name) => vec![super::named(registry, name)?],
        None => registry.iter().collect(),
    };
    let runtime = parts::runtime()?;
    let mut reports = Vec::new();
    for plugin in plugins {
        let tell = |text: &str| eprintln!("{}: {text}", plugin.name);
        let report = runtime.block_on(check::run(registry, plugin, parts::child(), &tell));
        let report = report.map_err(|failure| Failure::new(Code::Unavailable, failure.to_string()))?;
        if !wanted.json {
            print(&text(&report)?);
        }
        reports.push(report);
    }
    if wanted.json {
        print(&format!("{}\n", serde_json::to_string_pretty(&reports)?));
    }
    // A plugin that is asked for by name and is not there is a failure; among all of them it is a fact.
    if let (Some(_), [report]) = (&wanted.name, reports.as_slice())
        && report.state == State::Unavailable
    {
        return Err(Failure::new(Code::Unavailable, format!("{}: {}", report.plugin, report.note)).into());
    }
    Ok(if reports.iter().all(Report::is_clean) { Code::Done } else { Code::Verdict })
}

fn text(report: &Report) -> anyhow::Result<String> {
    let Report { plugin, version, element, .. } = report;
    let mut text = format!("{plugin} {version} ({element})\n");
    if report.state != State::Judged {
        writeln!(text, "  {}", report.note)?;
        return Ok(text);
    }
    for verdict in &report.verdicts {
        let outcome = match verdict.outcome {
            Outcome::Pass => "pass",
            Outcome::Fail => "FAIL",
            Outcome::NotPromised => "not promised",
        };
        write!(text, "  {outcome:<12}  {:<20} {}", verdict.promise, verdict.reason)?;
        match &verdict.place {
            Some(place) => writeln!(text, " ({place})")?,
            None => writeln!(text)?,
        }
    }
    let count = |outcome| report.verdicts.iter().filter(|verdict| verdict.outcome == outcome).count();
    let (kept, broken) = (count(Outcome::Pass), count(Outcome::Fail));
    writeln!(text, "  {} of {} promises kept, in {:.0} s", kept, kept + broken, report.seconds)?;
    Ok(text)
}
