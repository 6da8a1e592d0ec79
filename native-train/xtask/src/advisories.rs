//! Dependencies that were withdrawn or are known to be vulnerable, as far as this machine can
//! tell without asking anybody.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::tools::{Fallible, Outcome, Workspace, present, succeed};

/// Yanked versions by the registry index that cargo fetched last; vulnerable ones by `cargo audit`
/// where it and its database are installed.
pub fn check(workspace: &Workspace) -> Fallible<Outcome> {
    let caches = index_caches()?;
    let locked = locked(&workspace.read("Cargo.lock")?);
    let mut known = 0;
    let mut yanked = Vec::new();
    for (name, version) in &locked {
        match caches.iter().find_map(|cache| yanked_versions(cache, name)) {
            Some(versions) if versions.contains(version) => {
                yanked.push(format!("{name} {version}"));
            }
            Some(_) => known += 1,
            None => {}
        }
    }
    if !yanked.is_empty() {
        return Err(format!("yanked: {}; `cargo update -p NAME`", yanked.join(", ")));
    }
    println!(
        "{known} of {} locked versions are known to the fetched index, none yanked",
        locked.len()
    );
    let database = cargo_home().map(|home| home.join("advisory-db"));
    if !database.is_some_and(|folder| folder.is_dir()) || !present("cargo-audit") {
        return Ok(Outcome::Skipped("cargo-audit or its database is not installed".into()));
    }
    succeed(&mut workspace.cargo(&["audit", "--no-fetch", "--stale"]))?;
    Ok(Outcome::Passed)
}

fn cargo_home() -> Option<PathBuf> {
    let home = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo"));
    std::env::var_os("CARGO_HOME").map(PathBuf::from).or_else(home)
}

/// Where cargo keeps what it fetched from registry indices.
fn index_caches() -> Fallible<Vec<PathBuf>> {
    let Some(folder) = cargo_home().map(|home| home.join("registry/index")) else {
        return Ok(Vec::new());
    };
    let Ok(entries) = fs::read_dir(&folder) else { return Ok(Vec::new()) };
    let caches = entries.map(|entry| entry.map(|entry| entry.path().join(".cache")));
    caches.collect::<Result<_, _>>().map_err(|e| format!("{}: {e}", folder.display()))
}

/// Names and versions in a Cargo.lock that come from a registry.
fn locked(lock: &str) -> BTreeSet<(String, String)> {
    let value = |package: &str, key: &str| {
        let line = package.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = "))?;
        Some(line.trim_matches('"').to_owned())
    };
    lock.split("[[package]]")
        .filter(|package| package.contains("\nsource = \"registry+"))
        .filter_map(|package| Some((value(package, "name")?, value(package, "version")?)))
        .collect()
}

/// The withdrawn versions of a crate. The cache holds zero-terminated lines, among them one JSON
/// object per version; `None` where it does not know the crate.
fn yanked_versions(cache: &Path, name: &str) -> Option<BTreeSet<String>> {
    let bytes = fs::read(cache.join(place_in_index(name)?)).ok()?;
    let objects = bytes
        .split(|byte| *byte == 0)
        .filter_map(|line| serde_json::from_slice::<serde_json::Value>(line).ok());
    let yanked = objects.filter(|o| o.get("yanked").and_then(|y| y.as_bool()) == Some(true));
    Some(yanked.filter_map(|o| Some(o.get("vers")?.as_str()?.to_owned())).collect())
}

/// The file of a crate inside an index: `se/rd/serde`.
fn place_in_index(name: &str) -> Option<PathBuf> {
    let name = name.to_lowercase();
    let folder = match name.len() {
        1 | 2 => name.len().to_string(),
        3 => format!("3/{}", name.get(..1)?),
        _ => format!("{}/{}", name.get(..2)?, name.get(2..4)?),
    };
    Some(Path::new(&folder).join(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crates_lie_where_cargo_puts_them() {
        for (name, place) in
            [("a", "1/a"), ("cc", "2/cc"), ("syn", "3/s/syn"), ("Serde", "se/rd/serde")]
        {
            assert_eq!(place_in_index(name).unwrap(), Path::new(place));
        }
    }

    #[test]
    fn only_registry_packages_of_the_lock_are_asked_about() {
        let lock = "version = 4\n\n[[package]]\nname = \"a\"\nversion = \"1.0.0\"\n\
                    source = \"registry+x\"\n\n[[package]]\nname = \"own\"\nversion = \"0.1.0\"\n";
        assert_eq!(locked(lock), BTreeSet::from([("a".into(), "1.0.0".into())]));
    }
}
