//! The tools that the page is built with: taken where they are, else installed beside the build.

use std::fs;
use std::path::PathBuf;

use crate::tools::{Fallible, Workspace, announce, capture, present, succeed};

/// The npm package that holds wasm-opt, and runs wherever Node does.
const BINARYEN: &str = "binaryen@132.0.0";

/// The npm package that finds what keeps people out of a page; for tests alone.
const AXE: &str = "axe-core@4.14.1";

/// `wasm-bindgen` at exactly the version of the crate, which the two must share.
pub fn wasm_bindgen(workspace: &Workspace) -> Fallible<PathBuf> {
    let version = locked_version(&workspace.read("Cargo.lock")?, "wasm-bindgen")?;
    cargo_tool(workspace, "wasm-bindgen", "wasm-bindgen-cli", &version)
}

/// `wasm-opt`, where it can be had.
pub fn wasm_opt(workspace: &Workspace) -> Fallible<Option<PathBuf>> {
    if present("wasm-opt") {
        return Ok(Some("wasm-opt".into()));
    }
    npm_file(workspace, BINARYEN, ".bin/wasm-opt")
}

/// The script of axe-core, where it can be had.
pub fn axe(workspace: &Workspace) -> Fallible<Option<PathBuf>> {
    npm_file(workspace, AXE, "axe-core/axe.min.js")
}

/// A file of an npm package; none without npm.
fn npm_file(workspace: &Workspace, package: &str, file: &str) -> Fallible<Option<PathBuf>> {
    // A folder for each version: another pin is another folder.
    let folder = tools_folder(workspace)?.join(package);
    let file = folder.join("node_modules").join(file);
    if file.is_file() || !present("npm") {
        return Ok(file.is_file().then_some(file));
    }
    fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    // Within `npm pack --dry-run`, npm would hand that down to this one, which then installs
    // nothing.
    let args = ["install", "--dry-run=false", "--no-audit", "--no-fund", "--no-save", package];
    succeed(workspace.tool("npm", &args).arg("--prefix").arg(&folder))?;
    if !file.is_file() {
        return Err(format!("npm installed {package}, but {} is not there", file.display()));
    }
    Ok(Some(file))
}

fn tools_folder(workspace: &Workspace) -> Fallible<PathBuf> {
    Ok(workspace.target_folder()?.join("tools"))
}

fn cargo_tool(
    workspace: &Workspace,
    program: &str,
    package: &str,
    version: &str,
) -> Fallible<PathBuf> {
    let own = tools_folder(workspace)?.join("bin").join(program);
    for candidate in [PathBuf::from(program), own.clone()] {
        let answer = capture(&mut workspace.tool(&candidate, &["--version"])).unwrap_or_default();
        if answer.split_whitespace().any(|word| word == version) {
            return Ok(candidate);
        }
    }
    announce(&format!("{package} {version} is not installed; building it"), "2 minutes");
    let folder = tools_folder(workspace)?;
    let install = |options: &[&str]| {
        let mut command = workspace.cargo(&["install", package, "--version", version, "--root"]);
        // It runs for seconds; all that its optimisation would cost is time.
        for (key, value) in [("OPT_LEVEL", "1"), ("CODEGEN_UNITS", "16"), ("LTO", "off")] {
            command.env(format!("CARGO_PROFILE_RELEASE_{key}"), value);
        }
        succeed(command.arg(&folder).args(options))
    };
    // What its author built it with; a registry may have lost one of those versions since.
    if let Err(error) = install(&["--locked"]) {
        println!("{error}; once more with the versions that can be had");
        install(&[])?;
    }
    Ok(own)
}

fn locked_version(lock: &str, package: &str) -> Fallible<String> {
    let name = format!("name = \"{package}\"");
    let mut lines = lock.lines().skip_while(|line| *line != name).skip(1);
    lines
        .next()
        .and_then(|line| line.strip_prefix("version = \"")?.strip_suffix('"'))
        .map(String::from)
        .ok_or_else(|| format!("Cargo.lock has no {package}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_that_of_the_very_package() {
        let lock = "[[package]]\nname = \"a-b\"\nversion = \"1.0.0\"\n\n\
                    [[package]]\nname = \"a\"\nversion = \"2.0.0\"\n";
        assert_eq!(locked_version(lock, "a").unwrap(), "2.0.0");
        assert!(locked_version(lock, "b").is_err());
    }
}
