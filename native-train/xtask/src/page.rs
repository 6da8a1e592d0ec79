//! The page's part of the site: its WebAssembly, and `www/index.html` with the names of this build.
//!
//! What has to be done is small enough to stand here; a bundler from the registry would take
//! longer to compile than the page and the model's engine together.

use std::fs;
use std::path::Path;

use crate::folder::{copy, files_in, hash_of, remove, write};
use crate::install;
use crate::tools::{Fallible, WASM, Workspace, announce, succeed};
use crate::wasm::{self, Optimise, optimise};

/// The page's own part of the names of its files.
const NAME: &str = "refvlm-page";

/// Builds the page into an empty folder, where there is one to build.
pub fn build(workspace: &Workspace, out: &Path, level: Optimise) -> Fallible<()> {
    let www = workspace.path("www");
    let index = www.join("index.html");
    if !index.is_file() {
        return Ok(());
    }
    announce("Compiling the page", "2 minutes");
    let args = ["build", "--release", "--locked", "-p", NAME, "--lib", "--target", WASM];
    succeed(workspace.cargo(&args).args(["--config", &wasm::flags(workspace)?]))?;
    let module = workspace.target_folder()?.join(WASM).join("release/refvlm_page.wasm");
    let fresh = out.with_extension("page");
    remove(&fresh)?;
    let bindgen = install::wasm_bindgen(workspace)?;
    let args =
        ["--target", "web", "--no-typescript", "--remove-name-section", "--out-name", "page"];
    let mut command = workspace.tool(&bindgen, &args);
    succeed(command.arg("--out-dir").arg(&fresh).arg(&module))?;
    optimise(workspace, &fresh.join("page_bg.wasm"), level.page())?;
    let hash = hash_of(&fresh, &files_in(&fresh)?)?;
    let (js, wasm) = (format!("{NAME}-{hash}.js"), format!("{NAME}-{hash}_bg.wasm"));
    copy(&fresh.join("page.js"), &out.join(&js))?;
    copy(&fresh.join("page_bg.wasm"), &out.join(&wasm))?;
    // Scripts that a dependency brings along; the page's own script imports them from here.
    copy(&fresh.join("snippets"), &out.join("snippets"))?;
    remove(&fresh)?;

    let html = fs::read_to_string(&index).map_err(|e| format!("{}: {e}", index.display()))?;
    let mut page = String::new();
    for line in html.lines() {
        let Some(kind) = attribute(line, "<link data-build") else {
            page +=
                &line.replace("{js}", &format!("./{js}")).replace("{wasm}", &format!("./{wasm}"));
            page.push('\n');
            continue;
        };
        let href = attribute(line, " href").unwrap_or_default();
        let from = www.join(href);
        if !from.exists() {
            return Err(format!("www/index.html: there is no www/{href}"));
        }
        match kind {
            "copy" => copy(&from, &out.join(href))?,
            "css" => {
                let hash = hash_of(&www, std::slice::from_ref(&from))?;
                let stem = from.file_stem().unwrap_or_default().to_string_lossy();
                let name = format!("{stem}-{hash}.css");
                copy(&from, &out.join(&name))?;
                page += &format!("    <link rel=\"stylesheet\" href=\"./{name}\" />\n");
            }
            other => return Err(format!("www/index.html: data-build is css or copy, not {other}")),
        }
    }
    write(&out.join("index.html"), page.as_bytes())
}

/// The value behind a name, in double quotes, that a line of HTML gives.
fn attribute<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = line.split_once(&format!("{name}=\""))?;
    rest.split_once('"').map(|(value, _)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_those_behind_that_name() {
        let line = "<link data-build=\"css\" data-href=\"x\" href=\"styles/a.css\" />";
        assert_eq!(attribute(line, "<link data-build"), Some("css"));
        assert_eq!(attribute(line, " href"), Some("styles/a.css"));
        assert_eq!(attribute("a `data-build=\"css\"`", "<link data-build"), None);
    }
}
