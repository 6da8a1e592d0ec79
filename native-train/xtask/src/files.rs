//! What the files of the repository promise: readable length, nothing about the machine they were
//! written on, sources that everybody reaches, plain words, and no large data.

use std::fs;

use crate::english;
use crate::tools::{Fallible, Outcome, Workspace, capture};

/// Longest source file in lines: what a reader holds in mind.
const MAX_LINES: usize = 500;
/// Largest file in bytes; larger data is fetched by its hash.
const MAX_BYTES: u64 = 20 << 20;

const SOURCES: &[&str] =
    &["rs", "wgsl", "js", "mjs", "ts", "css", "html", "sh", "py", "proto", "cu"];

/// Endings of packages, which are fetched and never kept.
const PACKAGES: &[&str] = &[".whl", ".tar.gz", ".tgz", ".crate", ".zip"];

/// Folders at the root of somebody's machine.
const MACHINE_FOLDERS: &[&str] = &["home", "root", "work", "Users", "workspace", "mnt"];

/// Checks every file that git tracks or would add.
pub fn check(workspace: &Workspace) -> Fallible<Outcome> {
    let mut git = workspace.tool("git", &["ls-files", "-z", "--cached", "--others"]);
    let listing = capture(git.arg("--exclude-standard"))?;
    let mut problems = Vec::new();
    let mut count = 0;
    for name in listing.split('\0').filter(|name| !name.is_empty()) {
        let path = workspace.path(name);
        // A file that was removed and not yet committed is still listed.
        let Ok(metadata) = fs::metadata(&path) else { continue };
        count += 1;
        if metadata.len() > MAX_BYTES {
            let bytes = metadata.len();
            problems.push(format!("{name}: {bytes} bytes; fetch what exceeds {MAX_BYTES}"));
            continue;
        }
        if PACKAGES.iter().any(|ending| name.ends_with(ending)) {
            problems.push(format!("{name}: a package; fetch it by its hash instead"));
            continue;
        }
        let bytes = fs::read(&path).map_err(|e| format!("{name}: {e}"))?;
        if let Ok(text) = std::str::from_utf8(&bytes) {
            problems.extend(problems_of(name, text));
            problems.extend(english::problems_of(name, text));
        }
    }
    if !problems.is_empty() {
        return Err(problems.join("\n"));
    }
    println!("{count} files");
    Ok(Outcome::Passed)
}

fn problems_of(name: &str, text: &str) -> Vec<String> {
    let mut problems = Vec::new();
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    let lines = text.lines().count();
    if SOURCES.contains(&extension) && lines > MAX_LINES {
        problems.push(format!("{name}: {lines} lines; split what exceeds {MAX_LINES}"));
    }
    for (index, line) in text.lines().enumerate() {
        let mut complain = |what: &str| problems.push(format!("{name}:{}: {what}", index + 1));
        if names_machine_folder(line) {
            complain("a path of one machine; make it relative or an option");
        }
        if line.starts_with("<<<<<<< ") || line.starts_with(">>>>>>> ") {
            complain("a conflict left by a merge");
        }
        if !source_is_public(name, line) {
            complain("a source that is not the public registry");
        }
    }
    problems
}

/// Whether a line holds an absolute path into a folder such as `home`. Within a longer path or an
/// address the slash follows a name.
fn names_machine_folder(line: &str) -> bool {
    line.match_indices('/').any(|(at, _)| {
        let (before, after) = line.split_at(at);
        let starts = !before.ends_with(|c: char| c.is_alphanumeric() || "/._-~{}$*)]>".contains(c));
        let folder = after.trim_start_matches('/').split('/').next().unwrap_or_default();
        starts && after.matches('/').count() > 1 && MACHINE_FOLDERS.contains(&folder)
    })
}

/// Lock files and settings must not send others to a private mirror.
fn source_is_public(name: &str, line: &str) -> bool {
    let line = line.trim_start();
    let file_name = name.rsplit('/').next().unwrap_or(name);
    match file_name {
        "Cargo.lock" => line.strip_prefix("source = ").is_none_or(|source| {
            source == "\"registry+https://github.com/rust-lang/crates.io-index\""
        }),
        "package-lock.json" => line
            .strip_prefix("\"resolved\": ")
            .is_none_or(|source| source.starts_with("\"https://registry.npmjs.org/")),
        "config.toml" => !line.starts_with("[source") && !line.starts_with("replace-with"),
        ".npmrc" | "pip.conf" => !line.contains("://"),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_a_machine_are_found_and_addresses_are_not() {
        for folder in MACHINE_FOLDERS {
            for line in
                [format!("\"/{folder}/x/y\""), format!("cd /{folder}/x"), format!("a=/{folder}/b")]
            {
                assert!(names_machine_folder(&line), "{line}");
            }
            for line in [
                format!("https://example.org/{folder}/x"),
                format!("./{folder}/x"),
                format!("/usr/{folder}/x"),
            ] {
                assert!(!names_machine_folder(&line), "{line}");
            }
        }
    }

    #[test]
    fn long_sources_conflicts_and_mirrors_are_found() {
        let long = "x\n".repeat(MAX_LINES + 1);
        assert_eq!(problems_of("a.rs", &long).len(), 1);
        assert_eq!(problems_of("a.json", &long).len(), 0);
        assert_eq!(problems_of("a.rs", &"x\n".repeat(MAX_LINES)).len(), 0);
        assert_eq!(problems_of("a.md", &format!("{} ours\n", "<".repeat(7))).len(), 1);
        assert_eq!(problems_of("Cargo.lock", "source = \"registry+https://mirror/\"").len(), 1);
        assert_eq!(problems_of("web/package-lock.json", "  \"resolved\": \"http://m/x\"").len(), 1);
    }
}
