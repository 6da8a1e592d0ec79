//! Crates, rooms and files with the arrows between them: each must point one way.
//!
//! Crates depend on each other by Cargo.toml; rooms of the model and files of one crate by the
//! `use` lines outside of tests. `pub use` only hands a name on and makes no arrow.

mod draw;
mod graph;
mod source;

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use graph::{Arrows, Crate};
use serde_json::Value;

use crate::tools::{Fallible, Outcome, Workspace, capture};

/// The crates, lowest row first: one may use those of earlier rows.
const CRATES: &[&[&str]] = &[
    &[
        "refvlm-record",
        "refvlm-shaders",
        "refvlm-checkpoint",
        "refvlm-collective",
        "refvlm-helpers",
        "xtask",
    ],
    &["refvlm-protocol", "refvlm-scenes", "refvlm-metrics"],
    // Before the model: neither the page nor its messages may know a tensor.
    &["refvlm-page", "refvlm-scene-hash"],
    &["refvlm-model"],
    &["refvlm-files", "refvlm-web"],
    &["refvlm-data", "refvlm-draw", "refvlm-weights"],
    &["refvlm-eval", "refvlm-serve"],
    &["refvlm-train"],
    &["native-train"],
    &["refvlm-tests", "refvlm-browser-tests"],
];

/// The rooms of the model, lowest row first: one may use those of earlier rows. `engine` and
/// `learning` share the last one, so answering never reaches into learning.
const ROOMS: &[&[&str]] = &[
    &["image", "layers"],
    &["language", "package", "triplet", "vision"],
    &["sam"],
    &["decoding", "prompting"],
    &["config"],
    &["input"],
    &["refvlm"],
    &["engine", "learning", "opening"],
];

/// Where the rows stand.
const TABLE: &str = "native-train/xtask/src/arrows.rs";

const MODEL: &str = "refvlm-model";

/// Where the pictures stand.
const ARCHITECTURE: &str = "ARCHITECTURE.md";
const BEGIN: &str = "<!-- arrows: `cargo xtask arrows --write` makes this part -->";
const END: &str = "<!-- end of arrows -->";
const FILES: &str = "docs/arrows.md";

struct Package {
    name: String,
    roots: Vec<PathBuf>,
    uses: BTreeSet<String>,
}

/// A picture of names and arrows by number.
struct Graph {
    names: Vec<String>,
    arrows: Arrows,
}

/// The names at the two ends of an arrow.
type Pair = (String, String);

struct Everything {
    crates: Graph,
    rooms: Graph,
    files: Vec<(String, Graph)>,
}

/// Renews the pictures and prints what points the wrong way.
pub fn write(workspace: &Workspace) -> Fallible<()> {
    let all = read(workspace)?;
    let text = with_part(&workspace.read(ARCHITECTURE)?, &architecture_part(&all))?;
    for (file, text) in [(ARCHITECTURE, text), (FILES, files_page(&all))] {
        fs::write(workspace.path(file), text).map_err(|e| format!("{file}: {e}"))?;
    }
    report(&all, &findings(&all))
}

/// The step: every arrow points one way, and the pictures show today's arrows.
pub fn check(workspace: &Workspace) -> Fallible<Outcome> {
    let all = read(workspace)?;
    let mut findings = findings(&all);
    let old = workspace.read(ARCHITECTURE)?;
    let files = workspace.read(FILES).unwrap_or_default();
    match with_part(&old, &architecture_part(&all)) {
        Ok(new) if new == old && files == files_page(&all) => {}
        Ok(_) => findings.push(format!(
            "{ARCHITECTURE} and {FILES} show other arrows: run `cargo xtask arrows --write`"
        )),
        Err(error) => findings.push(error),
    }
    report(&all, &findings)?;
    Ok(Outcome::Passed)
}

fn report(all: &Everything, findings: &[String]) -> Fallible<()> {
    let count = |graph: &Graph| graph.arrows.values().map(BTreeSet::len).sum::<usize>();
    let files: usize = all.files.iter().map(|(_, graph)| graph.names.len()).sum();
    let arrows: usize = all.files.iter().map(|(_, graph)| count(graph)).sum();
    println!("{} crates, {} arrows", all.crates.names.len(), count(&all.crates));
    println!("{} rooms of the model, {} arrows", all.rooms.names.len(), count(&all.rooms));
    println!("{files} files, {arrows} arrows");
    if findings.is_empty() { Ok(()) } else { Err(findings.join("\n")) }
}

fn read(workspace: &Workspace) -> Fallible<Everything> {
    let packages = packages(workspace)?;
    let number = |name: &str| packages.iter().position(|package| package.name == name);
    let mut crates = Arrows::new();
    let mut rooms = Graph { names: Vec::new(), arrows: Arrows::new() };
    let mut files = Vec::new();
    for (from, package) in packages.iter().enumerate() {
        let targets = package.uses.iter().filter_map(|name| number(name));
        crates.insert(from, targets.collect());
        let code = Crate::read(&package.name, &package.roots)?;
        let arrows = code.arrows();
        if package.name == MODEL {
            rooms = rooms_of(&code, &arrows);
        }
        let names = code.files.into_iter().map(|file| file.name).collect();
        files.push((package.name.clone(), Graph { names, arrows }));
    }
    let names = packages.into_iter().map(|package| package.name).collect();
    Ok(Everything { crates: Graph { names, arrows: crates }, rooms, files })
}

/// The workspace's crates; what only their tests use is left out.
fn packages(workspace: &Workspace) -> Fallible<Vec<Package>> {
    let args = ["metadata", "--no-deps", "--locked", "--format-version=1"];
    let text = capture(&mut workspace.cargo(&args))?;
    let metadata: Value =
        serde_json::from_str(&text).map_err(|e| format!("cargo metadata: {e}"))?;
    let list = |value: &Value, key: &str| value[key].as_array().cloned().unwrap_or_default();
    let text = |value: &Value, key: &str| value[key].as_str().unwrap_or_default().to_string();
    let mut packages = Vec::new();
    for package in list(&metadata, "packages") {
        let is = |target: &Value, kinds: &[&str]| {
            list(target, "kind").iter().any(|kind| kinds.iter().any(|wanted| kind == wanted))
        };
        let targets = list(&package, "targets");
        let roots = |kinds: &[&str]| {
            let wanted = targets.iter().filter(|target| is(target, kinds));
            wanted.map(|target| PathBuf::from(text(target, "src_path"))).collect::<Vec<_>>()
        };
        let roots = [roots(&["lib", "rlib", "cdylib", "proc-macro"]), roots(&["bin"])].concat();
        let uses = list(&package, "dependencies");
        let uses = uses.iter().filter(|dependency| dependency["kind"].is_null());
        let uses = uses.map(|dependency| text(dependency, "name")).collect();
        packages.push(Package { name: text(&package, "name"), roots, uses });
    }
    packages.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(packages)
}

/// The first module of each file, and the arrows between these.
fn rooms_of(code: &Crate, files: &Arrows) -> Graph {
    let room = |number: usize| Some(code.files.get(number)?.module.first()?.as_str());
    let names: BTreeSet<&str> = (0..code.files.len()).filter_map(room).collect();
    let names: Vec<String> = names.into_iter().map(String::from).collect();
    let number = |file: usize| names.iter().position(|name| Some(name.as_str()) == room(file));
    let mut arrows = Arrows::new();
    for (&from, targets) in files {
        let Some(from) = number(from) else { continue };
        let targets = targets.iter().filter_map(|&to| number(to)).filter(|&to| to != from);
        arrows.entry(from).or_default().extend(targets);
    }
    Graph { names, arrows }
}

fn findings(all: &Everything) -> Vec<String> {
    let crates = against(&all.crates, CRATES, "crate");
    let mut findings: Vec<String> = crates.into_iter().map(|(finding, _)| finding).collect();
    let model = all.files.iter().find(|(name, _)| name == MODEL);
    for (finding, pair) in against(&all.rooms, ROOMS, "room of the model") {
        findings.push(finding);
        if let (Some((from, to)), Some((_, files))) = (pair, model) {
            findings.extend(lines_between(files, &from, &to));
        }
    }
    for (name, graph) in &all.files {
        for circle in graph::circles(&graph.arrows) {
            findings.push(format!("{name}: a circle of {} files", circle.len()));
            findings.extend(lines_within(graph, &circle));
        }
    }
    findings
}

/// What a table of rows does not allow, with the pair of names that it is about.
fn against(graph: &Graph, rows: &[&[&str]], what: &str) -> Vec<(String, Option<Pair>)> {
    let row = |name: &str| rows.iter().position(|row| row.contains(&name));
    let mut findings = Vec::new();
    for name in graph.names.iter().filter(|name| row(name).is_none()) {
        findings.push((format!("{what} {name}: give it a row in {TABLE}"), None));
    }
    for (from, targets) in &graph.arrows {
        for to in targets {
            let (Some(from), Some(to)) = (graph.names.get(*from), graph.names.get(*to)) else {
                continue;
            };
            if row(from).zip(row(to)).is_some_and(|(from, to)| from <= to) {
                let pair = (from.clone(), to.clone());
                findings
                    .push((format!("{what} {from} uses {to}, which is not below it"), Some(pair)));
            }
        }
    }
    findings
}

/// The files behind an arrow between two rooms.
fn lines_between<'a>(
    files: &'a Graph,
    from: &'a str,
    to: &'a str,
) -> impl Iterator<Item = String> + 'a {
    let within = |name: &str, room: &str| {
        let first = name.split(['/', '\\']).next().unwrap_or(name);
        first.strip_suffix(".rs").unwrap_or(first) == room
    };
    files.arrows.iter().flat_map(move |(a, targets)| {
        targets.iter().filter_map(move |b| {
            let (a, b) = (files.names.get(*a)?, files.names.get(*b)?);
            (within(a, from) && within(b, to)).then(|| format!("    {a} uses {b}"))
        })
    })
}

/// The arrows between the files of a circle.
fn lines_within<'a>(files: &'a Graph, circle: &'a [usize]) -> impl Iterator<Item = String> + 'a {
    let inside = |number: &usize| circle.contains(number);
    circle.iter().flat_map(move |a| {
        let targets = files.arrows.get(a).into_iter().flatten().filter(move |b| inside(b));
        targets.filter_map(|b| {
            Some(format!("    {} uses {}", files.names.get(*a)?, files.names.get(*b)?))
        })
    })
}

fn architecture_part(all: &Everything) -> String {
    format!(
        "Each arrow goes from what uses to what is used. One that a longer way stands for is left \
         out. Files: [{FILES}]({FILES}).\n\n{}\n{}",
        draw::mermaid("crates", &all.crates.names, &all.crates.arrows),
        draw::mermaid("rooms of refvlm-model", &all.rooms.names, &all.rooms.arrows),
    )
}

fn files_page(all: &Everything) -> String {
    let mut page = "# Which file uses which?\n\n`cargo xtask arrows --write` makes this page out of \
                    the `use` lines outside of tests. Each arrow goes from the file that uses to the \
                    file that is used; one that a longer way stands for is left out, and so is a \
                    file that only hands on names of others.\n"
        .to_string();
    for (name, graph) in &all.files {
        if graph.arrows.values().any(|targets| !targets.is_empty()) {
            page += &format!("\n## {name}\n\n{}", draw::mermaid(name, &graph.names, &graph.arrows));
        }
    }
    page
}

/// A text with the part between the marks renewed.
fn with_part(text: &str, part: &str) -> Fallible<String> {
    let missing = || format!("{ARCHITECTURE}: has no part between `{BEGIN}` and `{END}`");
    let (before, rest) = text.split_once(BEGIN).ok_or_else(missing)?;
    let (_, after) = rest.split_once(END).ok_or_else(missing)?;
    Ok(format!("{before}{BEGIN}\n\n{part}\n{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_rejects_arrows_within_a_row_and_upwards() {
        let names = ["low", "a", "b", "new"].map(String::from).to_vec();
        let rows: &[&[&str]] = &[&["low"], &["a", "b"]];
        let arrows = Arrows::from([(1, BTreeSet::from([0, 2])), (0, BTreeSet::from([2]))]);
        let found = against(&Graph { names, arrows }, rows, "crate");
        let found: Vec<_> = found.into_iter().map(|(text, _)| text).collect();
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found[0].contains("new"));
        assert_eq!(found[1], "crate low uses b, which is not below it");
        assert_eq!(found[2], "crate a uses b, which is not below it");
    }

    #[test]
    fn the_part_is_renewed_and_the_rest_stays() {
        let old = format!("# A\n{BEGIN}\nold\n{END}\nrest\n");
        let new = with_part(&old, "new").unwrap();
        assert_eq!(new, format!("# A\n{BEGIN}\n\nnew\n{END}\nrest\n"));
        assert_eq!(with_part(&new, "new").unwrap(), new);
        assert!(with_part("nothing", "new").is_err());
    }
}
