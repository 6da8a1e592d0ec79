//! Licences of everything that is built with us, and their table in THIRD_PARTY.md.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;

use crate::spdx;
use crate::tools::{Fallible, WASM, Workspace, capture};

const FILE: &str = "THIRD_PARTY.md";
const BEGIN: &str = "<!-- begin: `cargo xtask licences --write` makes this table -->\n";
const END: &str = "<!-- end -->";

/// Licences whose only duty is to pass on the notice.
const ACCEPTED: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Single crates under a licence that asks for more: name, licence, and why it may be used.
const EXCEPTIONS: &[(&str, &str, &str)] = &[
    ("buildid", "MPL-2.0", "used unchanged in CUDA builds; the licence covers its own files only"),
    ("colored", "MPL-2.0", "used unchanged in CUDA builds; the licence covers its own files only"),
];

/// The target the table is made for, so that it is the same on every machine.
const NATIVE: &str = "x86_64-unknown-linux-gnu";

/// What is built: its name in the table and how cargo selects it.
const BUILDS: &[(&str, &[&str])] = &[
    ("default", &["--target", NATIVE, "--workspace"]),
    ("cuda", &["--target", NATIVE, "-p", "native-train", "--features", "native-train/cuda"]),
    ("page", &["--target", WASM, "-p", "refvlm-web", "-p", "refvlm-page"]),
];

struct Dependency {
    licence: String,
    builds: Vec<&'static str>,
}

/// Dependencies by name and version.
type Dependencies = BTreeMap<(String, String), Dependency>;

/// Every dependency has an accepted licence and the table is up to date.
pub fn check(workspace: &Workspace) -> Fallible<()> {
    let dependencies = dependencies(workspace)?;
    judge(&dependencies)?;
    let (before, table, _) = split(workspace)?;
    if table != render(&dependencies) {
        let line = before.lines().count() + 1;
        return Err(format!(
            "{FILE}:{line}: the table is out of date; run `cargo xtask licences --write`"
        ));
    }
    println!("{} dependencies, all with an accepted licence", dependencies.len());
    Ok(())
}

/// Checks the licences and writes the table.
pub fn write(workspace: &Workspace) -> Fallible<()> {
    let dependencies = dependencies(workspace)?;
    judge(&dependencies)?;
    let (before, _, after) = split(workspace)?;
    let text = format!("{before}{}{after}", render(&dependencies));
    fs::write(workspace.path(FILE), text).map_err(|e| format!("{FILE}: {e}"))
}

fn dependencies(workspace: &Workspace) -> Fallible<Dependencies> {
    let mut found = Dependencies::new();
    for (build, selection) in BUILDS {
        let mut tree = workspace.cargo(&["tree", "--locked", "--quiet", "--prefix=none"]);
        tree.args(["--format", "{p}|{l}"]).args(*selection);
        for line in capture(&mut tree)?.lines() {
            let Some(((name, version), licence)) = parse(line)? else { continue };
            let entry = found
                .entry((name, version))
                .or_insert_with(|| Dependency { licence, builds: Vec::new() });
            if entry.builds.last() != Some(build) {
                entry.builds.push(build);
            }
        }
    }
    Ok(found)
}

type Named = ((String, String), String);

/// A line like `name v1.2.3 (proc-macro)|MIT (*)`. `None` for blank lines and for crates of this
/// workspace, which show their folder.
fn parse(line: &str) -> Fallible<Option<Named>> {
    if line.is_empty() || line.contains(" (/") || line.contains(":\\") {
        return Ok(None);
    }
    let (package, licence) = line.split_once('|').unwrap_or((line, ""));
    let mut words = package.split(' ');
    match (words.next(), words.next().and_then(|word| word.strip_prefix('v'))) {
        (Some(name), Some(version)) => {
            let licence = licence.trim_end_matches(" (*)").into();
            Ok(Some(((name.into(), version.into()), licence)))
        }
        _ => Err(format!("`cargo tree` wrote `{line}`, expected `name vVERSION|licence`")),
    }
}

fn judge(dependencies: &Dependencies) -> Fallible<()> {
    let mut problems = Vec::new();
    for ((name, version), dependency) in dependencies {
        let excepted = EXCEPTIONS.iter().any(|(n, l, _)| n == name && *l == dependency.licence);
        match spdx::satisfied(&dependency.licence, &|licence| ACCEPTED.contains(&licence)) {
            Ok(true) => {}
            Ok(false) if excepted => {}
            Ok(false) => problems.push(format!("{name} {version}: {}", dependency.licence)),
            Err(error) => problems.push(format!("{name} {version}: {error}")),
        }
    }
    for (name, ..) in EXCEPTIONS {
        if !dependencies.keys().any(|(used, _)| used == name) {
            problems.push(format!("{name} is an exception but no dependency; remove it"));
        }
    }
    if problems.is_empty() {
        return Ok(());
    }
    Err(format!("licences that are not accepted:\n{}", problems.join("\n")))
}

fn render(dependencies: &Dependencies) -> String {
    let mut table = String::from("\n| crate | version | licence | builds |\n|---|---|---|---|\n");
    for ((name, version), dependency) in dependencies {
        let builds = dependency.builds.join(", ");
        // Writing to a string cannot fail.
        let _ = writeln!(table, "| {name} | {version} | {} | {builds} |", dependency.licence);
    }
    table.push_str("\nBeyond the permissive licences:\n\n");
    for (name, licence, reason) in EXCEPTIONS {
        let _ = writeln!(table, "- {name}, {licence}: {reason}");
    }
    table.push('\n');
    table
}

/// The file before, within and after the table.
fn split(workspace: &Workspace) -> Fallible<(String, String, String)> {
    let text = workspace.read(FILE)?;
    let start = text.find(BEGIN).map(|at| at + BEGIN.len());
    let cut = start.and_then(|start| {
        let (before, rest) = text.split_at_checked(start)?;
        let (table, after) = rest.split_at_checked(rest.find(END)?)?;
        Some((before.to_owned(), table.to_owned(), after.to_owned()))
    });
    cut.ok_or_else(|| format!("{FILE}: the lines `{}` and `{END}` are needed", BEGIN.trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_cargo_tree_are_read() {
        let named = |n: &str, v: &str, l: &str| Ok(Some(((n.into(), v.into()), l.into())));
        assert_eq!(
            parse("syn v2.0.1|MIT OR Apache-2.0"),
            named("syn", "2.0.1", "MIT OR Apache-2.0")
        );
        assert_eq!(parse("paste v1.0.15 (proc-macro)|MIT (*)"), named("paste", "1.0.15", "MIT"));
        assert_eq!(parse("xtask v0.1.0 (/some/where)|MIT"), Ok(None));
        assert!(parse("nonsense|MIT").is_err());
    }

    #[test]
    fn a_licence_that_is_not_accepted_is_reported_with_its_crate() {
        let mut found = Dependencies::new();
        for (name, licence, _) in EXCEPTIONS {
            let builds = vec!["cuda"];
            let dependency = Dependency { licence: (*licence).into(), builds };
            found.insert(((*name).into(), "1.0.0".into()), dependency);
        }
        assert_eq!(judge(&found), Ok(()));
        let dependency = Dependency { licence: "GPL-3.0".into(), builds: vec!["page"] };
        found.insert(("bad".into(), "2.0.0".into()), dependency);
        let error = judge(&found).unwrap_err();
        assert!(error.contains("bad 2.0.0: GPL-3.0"), "{error}");
    }
}
