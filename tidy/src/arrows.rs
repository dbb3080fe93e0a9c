//! The one-way arrows between the crates, and who may link what.

use std::collections::BTreeMap;

use toml::{Table, Value};

use crate::{files::File, finding::Finding};

/// Each folder, and the folders whose crates it may use. Tests may use what is in [`FOR_TESTS`] besides.
const ARROWS: [(&str, &[&str]); 12] = [
    ("media", &[]),
    ("config", &[]),
    ("store", &["media"]),
    ("catalog", &["media"]),
    ("plugins", &["media"]),
    ("plugins/example", &[]),
    ("plugins/liar", &[]),
    ("packager", &["media", "config", "store", "catalog", "plugins"]),
    ("origin", &["media", "config", "store", "catalog"]),
    ("cli", &["media", "config", "store", "catalog", "plugins", "packager", "origin"]),
    ("testkit", &[]),
    ("tidy", &[]),
];

/// What tests of any crate may use: makers of clips, and plugin libraries, which link nothing of ours.
const FOR_TESTS: [&str; 3] = ["testkit", "example", "liar"];

/// Crates by the start of their name, and the only folders that may link them.
const OWNERS: [(&str, &[&str]); 12] = [
    ("gst", &["packager", "plugins/example", "plugins/liar"]),
    // `testkit` has a server that stores speak to in tests.
    ("hyper", &["origin", "testkit"]),
    ("object_store", &["store"]),
    ("s3s", &["testkit"]),
    ("rusqlite", &["catalog"]),
    ("tokio-postgres", &["catalog"]),
    ("deadpool", &["catalog"]),
    ("refinery", &["catalog"]),
    ("moka", &["origin"]),
    ("mp4-atom", &["media", "packager"]),
    ("seccompiler", &["packager"]),
    // Loops forever on a size byte of 0: it re-reads our own output in tests, and never reads an upload.
    ("mp4", &[]),
];

/// What `media` may link: nothing that does IO, has threads or knows the time.
const PURE: [&str; 8] = ["bytes", "crc32fast", "mp4-atom", "quick-xml", "serde", "serde_json", "thiserror", "url"];

pub(crate) fn check(tree: &[File]) -> Vec<Finding> {
    let manifests = tree.iter().filter(|file| file.name() == "Cargo.toml");
    manifests.filter(|file| file.path != "Cargo.toml").flat_map(manifest).collect()
}

fn manifest(file: &File) -> Vec<Finding> {
    let error = |text: String| Finding::error(&file.path, 0, text);
    let Ok(table) = file.text.parse::<Table>() else {
        return vec![error("is no TOML".into())];
    };
    let folder = file.path.trim_end_matches("/Cargo.toml");
    let arrows: BTreeMap<&str, &[&str]> = ARROWS.into_iter().collect();
    let Some(&allowed) = arrows.get(folder) else {
        // A fuzz package attacks the crate that it lies in.
        let is_fuzz = folder.ends_with("/fuzz");
        return if is_fuzz { vec![] } else { vec![error(format!("`{folder}` is not in the table of crates"))] };
    };
    let mut findings = Vec::new();
    for (section, name, value) in dependencies(&table) {
        let own = name.strip_prefix("vidstream-");
        let is_test = section == "dev-dependencies";
        if let Some(other) = own
            && !allowed.contains(&other)
            && !(is_test && FOR_TESTS.contains(&other))
        {
            findings.push(error(format!("`{folder}` may not use `{other}` ({section})")));
        }
        if let Some((start, owners)) = OWNERS.iter().find(|(start, _)| is_family(name, start))
            && !is_test
            && !owners.contains(&folder)
        {
            findings.push(error(format!("only {owners:?} may link `{start}`, not `{folder}`")));
        }
        if folder == "media" && !is_test && own.is_none() && !PURE.contains(&name) {
            findings.push(error(format!("media is pure and does not link `{name}`")));
        }
        if value.get("workspace").and_then(Value::as_bool) != Some(true) {
            findings.push(error(format!("`{name}`: versions stand in the workspace's Cargo.toml only")));
        }
    }
    findings
}

/// Whether a dependency is `start` itself or one of its family, such as `gst-app` or `hyper-util`.
fn is_family(name: &str, start: &str) -> bool {
    name == start || (start != "mp4" && name.strip_prefix(start).is_some_and(|rest| rest.starts_with('-')))
}

/// Section, name and value of all dependencies.
fn dependencies(table: &Table) -> Vec<(&str, &str, &Value)> {
    let mut found = Vec::new();
    let targets = table.get("target").and_then(Value::as_table).into_iter().flat_map(Table::values);
    for table in targets.filter_map(Value::as_table).chain([table]) {
        for (section, value) in table {
            if matches!(section.as_str(), "dependencies" | "dev-dependencies" | "build-dependencies") {
                let entries = value.as_table().into_iter().flatten();
                found.extend(entries.map(|(name, value)| (section.as_str(), name.as_str(), value)));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::file;

    fn found(folder: &str, text: &str) -> Vec<String> {
        let file = file(&format!("{folder}/Cargo.toml"), text);
        check(&[file]).into_iter().map(|finding| finding.text).collect()
    }

    #[test]
    fn arrows_go_one_way() {
        let uses = |other: &str| format!("[dependencies]\nvidstream-{other}.workspace = true\n");
        assert_eq!(found("origin", &uses("store")), [] as [&str; 0]);
        assert_eq!(found("origin", &uses("packager")), ["`origin` may not use `packager` (dependencies)"]);
        assert_eq!(found("packager", &uses("origin")).len(), 1);
        assert_eq!(found("media", &uses("store")).len(), 1);
        assert_eq!(found("store", &uses("testkit")).len(), 1);
        let tests = "[dev-dependencies]\nvidstream-testkit.workspace = true\n";
        assert_eq!(found("store", tests), [] as [&str; 0]);
        let reach = "[dev-dependencies]\nvidstream-packager.workspace = true\n";
        assert_eq!(found("origin", reach).len(), 1, "tests do not reach around the table either");
        let targets = "[target.'cfg(unix)'.dependencies]\nvidstream-packager.workspace = true\n";
        assert_eq!(found("origin", targets).len(), 1);
    }

    #[test]
    fn the_origin_does_not_link_gstreamer() {
        for name in ["gst", "gst-app"] {
            let text = format!("[dependencies]\n{name}.workspace = true\n");
            assert_eq!(found("origin", &text).len(), 1, "{name}");
            assert_eq!(found("packager", &text), [] as [&str; 0]);
        }
        assert_eq!(found("media", "[dependencies]\ntokio.workspace = true\n").len(), 1);
        assert_eq!(found("media", "[dependencies]\nmp4.workspace = true\n").len(), 2);
        assert_eq!(found("media", "[dev-dependencies]\nmp4.workspace = true\n"), [] as [&str; 0]);
    }

    #[test]
    fn versions_stand_in_one_place_and_crates_in_the_table() {
        assert_eq!(found("store", "[dependencies]\nbytes = \"1\"\n").len(), 1);
        assert_eq!(found("extra", "[package]\nname = \"extra\"\n"), ["`extra` is not in the table of crates"]);
    }
}
