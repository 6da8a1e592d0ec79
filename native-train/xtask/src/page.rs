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
    succeed(workspace.cargo(&args).args(["--config", &wasm::page_flags(workspace)?]))?;
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
    let hash = |file: &str| hash_of(&www, &[www.join(file)]);
    let (page, copies) = filled(&html, &js, &wasm, hash)?;
    for (from, to) in copies {
        if !www.join(&from).exists() {
            return Err(format!("www/index.html: there is no www/{from}"));
        }
        copy(&www.join(from), &out.join(to))?;
    }
    write(&out.join("index.html"), page.as_bytes())
}

/// A file below `www`, and its name below the site.
type Copy = (String, String);

/// The page with the names of this build, and what has to be copied for it.
fn filled(
    html: &str,
    js: &str,
    wasm: &str,
    hash: impl Fn(&str) -> Fallible<String>,
) -> Fallible<(String, Vec<Copy>)> {
    let mut page = String::new();
    let mut copies = Vec::new();
    for line in html.lines() {
        let href = attribute(line, " href").unwrap_or_default();
        match attribute(line, "<link data-build") {
            None => {
                let line = line.replace("{js}", &format!("./{js}"));
                page += &line.replace("{wasm}", &format!("./{wasm}"));
                page.push('\n');
            }
            Some("copy") => copies.push((href.into(), href.into())),
            Some("css") => {
                let stem = Path::new(href).file_stem().unwrap_or_default().to_string_lossy();
                let name = format!("{stem}-{}.css", hash(href)?);
                page += &format!("    <link rel=\"stylesheet\" href=\"./{name}\" />\n");
                copies.push((href.into(), name));
            }
            Some(other) => {
                return Err(format!("www/index.html: data-build is css or copy, not {other}"));
            }
        }
    }
    Ok((page, copies))
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
    fn a_page_is_filled_with_the_names_of_its_build() {
        let html = "<!-- `data-build` -->\n<meta content=\"{js} {wasm}\" />\n\
                    <link data-build=\"css\" href=\"styles/a.css\" />\n\
                    <link data-build=\"copy\" href=\"icons\" />\n<p>";
        let hash = |file: &str| Ok(file.len().to_string());
        let (page, copies) = filled(html, "p.js", "p.wasm", hash).unwrap();
        let expected = "<!-- `data-build` -->\n<meta content=\"./p.js ./p.wasm\" />\n    \
                        <link rel=\"stylesheet\" href=\"./a-12.css\" />\n<p>\n";
        assert_eq!(page, expected);
        let pairs = [("styles/a.css", "a-12.css"), ("icons", "icons")];
        assert_eq!(copies, pairs.map(|(from, to)| (from.to_string(), to.to_string())));
        assert!(filled("<link data-build=\"x\" />", "", "", hash).is_err());
    }

    #[test]
    fn values_are_those_behind_that_name() {
        let line = "<link data-build=\"css\" data-href=\"x\" href=\"styles/a.css\" />";
        assert_eq!(attribute(line, "<link data-build"), Some("css"));
        assert_eq!(attribute(line, " href"), Some("styles/a.css"));
        assert_eq!(attribute("a `data-build=\"css\"`", "<link data-build"), None);
    }
}
