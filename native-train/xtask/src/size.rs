//! What a visitor has to download, held to budgets.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::folder::files_in;
use crate::site::{BUILD, is_page};
use crate::tools::{Fallible, Outcome, Workspace, capture, present};

/// Budgets in bytes; a MB is a million. Engine and page count as brotli sends them.
const ENGINE: u64 = 3_500_000;
const PAGE_AND_ENGINE: u64 = 4_000_000;
const FIRST_VISIT: u64 = 20_000_000;

/// Packages of weights, which nothing makes smaller on the way. A first visit loads one of them: the
/// first picture decides which.
const PACKAGES: [(&str, u64); 2] = [("scenes", 12_000_000), ("pocket", 16_000_000)];

/// A site that was built for tests has seen the quick passes of wasm-opt alone, so it gets this
/// many hundredths of a budget. What is published is held to the budget itself.
const QUICK_PERCENT: u64 = 115;

/// Compresses as servers of static sites do ahead of time, and prints the bytes of each file.
const BROTLI: &str = "
const zlib = require('zlib'), fs = require('fs'), c = zlib.constants;
const sizes = process.argv.slice(1).map((name) => new Promise((done, fail) => {
  const bytes = fs.readFileSync(name);
  const params = { [c.BROTLI_PARAM_QUALITY]: 11, [c.BROTLI_PARAM_LGWIN]: 24,
    [c.BROTLI_PARAM_SIZE_HINT]: bytes.length };
  zlib.brotliCompress(bytes, { params }, (error, out) => error ? fail(error) : done(out.length));
}));
Promise.all(sizes).then((all) => console.log(JSON.stringify(all)));";

/// The step: the packages of the repository, and the site that the tests have built.
pub fn check(workspace: &Workspace) -> Fallible<Outcome> {
    let mut problems = Vec::new();
    packages(&workspace.path("www/models"), &mut problems)?;
    let site = workspace.target_folder()?.join("site");
    if !site.join(BUILD).is_file() {
        fail(problems)?;
        return Ok(Outcome::Skipped(
            "the site was not built; packages keep to their budgets".into(),
        ));
    }
    if !present("node") {
        fail(problems)?;
        return Ok(Outcome::Skipped(
            "node is not installed; packages keep to their budgets".into(),
        ));
    }
    downloads(workspace, &site, &mut problems)?;
    fail(problems)?;
    Ok(Outcome::Passed)
}

/// The same for a site that is about to be published.
pub fn site(workspace: &Workspace, site: &Path) -> Fallible<()> {
    let mut problems = Vec::new();
    let site = std::path::absolute(site).map_err(|e| format!("{}: {e}", site.display()))?;
    packages(&site.join("models"), &mut problems)?;
    downloads(workspace, &site, &mut problems)?;
    fail(problems)
}

fn fail(problems: Vec<String>) -> Fallible<()> {
    if problems.is_empty() { Ok(()) } else { Err(problems.join("\n")) }
}

fn packages(models: &Path, problems: &mut Vec<String>) -> Fallible<()> {
    let folders = fs::read_dir(models).map_err(|e| format!("{}: {e}", models.display()))?;
    for folder in folders {
        let folder = folder.map_err(|e| format!("{}: {e}", models.display()))?.path();
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        match PACKAGES.iter().find(|(known, _)| *known == name) {
            Some(&(_, budget)) => {
                problems.extend(over(
                    &format!("package {name}"),
                    bytes_of(&files_in(&folder)?),
                    budget,
                ));
            }
            None => problems.push(format!("package {name}: has no budget in xtask/src/size.rs")),
        }
    }
    Ok(())
}

fn downloads(workspace: &Workspace, site: &Path, problems: &mut Vec<String>) -> Fallible<()> {
    let text = fs::read_to_string(site.join(BUILD)).map_err(|e| format!("{BUILD}: {e}"))?;
    let build: Value = serde_json::from_str(&text).map_err(|e| format!("{BUILD}: {e}"))?;
    let percent = match build["wasm_opt"].as_str() {
        Some("full") => 100,
        Some("quick") => QUICK_PERCENT,
        _ => {
            println!("built without wasm-opt: only the packages have a budget");
            return Ok(());
        }
    };
    let files: Vec<PathBuf> = files_in(site)?.into_iter().filter(|f| is_page(site, f)).collect();
    let output = capture(workspace.tool("node", &["-e", BROTLI]).args(&files))?;
    let sizes: Vec<u64> = serde_json::from_str(&output).map_err(|e| format!("node: {e}"))?;
    let sum = |wanted: fn(&Path) -> bool| -> u64 {
        let name = |file: &PathBuf| file.strip_prefix(site).unwrap_or(file).to_path_buf();
        files.iter().zip(&sizes).filter(|(file, _)| wanted(&name(file))).map(|(_, size)| size).sum()
    };
    let engine =
        sum(|name| name.starts_with("engine") && name.extension().is_some_and(|e| e == "wasm"));
    let all = sum(|name| !name.starts_with("examples"));
    let mut weights = 0;
    for (name, _) in PACKAGES {
        let folder = site.join("models").join(name);
        if folder.is_dir() {
            weights = weights.max(bytes_of(&files_in(&folder)?));
        }
    }
    problems.extend(over("engine", engine, ENGINE * percent / 100));
    problems.extend(over("page and engine", all, PAGE_AND_ENGINE * percent / 100));
    problems.extend(over("first visit", all + weights, FIRST_VISIT * percent / 100));
    Ok(())
}

fn bytes_of(files: &[PathBuf]) -> u64 {
    files.iter().map(|file| fs::metadata(file).map_or(0, |data| data.len())).sum()
}

/// Prints a size beside its budget; a text where it is above.
fn over(what: &str, bytes: u64, budget: u64) -> Option<String> {
    println!("{what}: {bytes} bytes of {budget}");
    (bytes > budget)
        .then(|| format!("{what}: {bytes} bytes; the budget in xtask/src/size.rs is {budget}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_the_largest_size_that_passes() {
        assert_eq!(over("x", 10, 10), None);
        assert!(over("x", 11, 10).is_some_and(|text| text.contains("11 bytes")));
    }
}
