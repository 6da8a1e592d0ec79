//! The static site: engine, its JavaScript, the model packages, and the page.

use std::fs;
use std::path::{Path, PathBuf};

use crate::folder::{copy, files_in, hash_of, remove, replace, write};
use crate::tools::{Fallible, WASM, Workspace, announce, succeed};
use crate::wasm::{self, Optimise, optimise};
use crate::{install, page};

/// Where the engine's build lies within its npm package.
const ENGINE: &str = "web/js/engine";

/// The API and the worker under names that stay the same, and what they hold but for the hash.
const ENTRY: &str = "engine/refvlm.js";
const ENTRIES: [(&str, &str); 2] = [(ENTRY, "export * from"), ("engine/worker.js", "import")];

/// The service worker, and the line of it that the build fills in.
const SERVICE_WORKER: &str = "sw.js";
const PRECACHE: &str = "const PRECACHE = { version: \"\", files: [] };";

/// How the site was built, for those who look at its sizes.
pub const BUILD: &str = "build.json";

/// Licences that travel with the engine.
const LICENCES: [&str; 3] = ["LICENSE-MIT", "LICENSE-APACHE", "THIRD_PARTY.md"];

/// Builds the engine into `web/js/engine`; from then on `npm pack` works in `web/js`.
pub fn engine(workspace: &Workspace, level: Optimise) -> Fallible<()> {
    announce("Compiling the engine for WebAssembly", "10 to 15 minutes");
    compile(workspace)?;
    let bindgen = install::wasm_bindgen(workspace)?;
    let module = workspace.target_folder()?.join(WASM).join("release/refvlm_web.wasm");
    let fresh = workspace.path(&format!("{ENGINE}.tmp"));
    remove(&fresh)?;
    let args = ["--target", "web", "--no-typescript", "--remove-name-section", "--out-name"];
    let mut command = workspace.tool(&bindgen, &args);
    succeed(command.arg("refvlm").arg("--out-dir").arg(&fresh).arg(&module))?;
    optimise(workspace, &fresh.join("refvlm_bg.wasm"), level.engine())?;
    for file in LICENCES {
        copy(&workspace.path(file), &fresh.join(file))?;
    }
    replace(&fresh, &workspace.path(ENGINE))
}

/// Compiles the engine, and with it whatever the page's side uses of ours.
pub fn compile(workspace: &Workspace) -> Fallible<()> {
    workspace.need_wasm_target()?;
    let args = ["build", "--release", "--locked", "-p", "refvlm-web", "--lib", "--target", WASM];
    succeed(workspace.cargo(&args).args(["--config", &wasm::flags(workspace)?]))
}

/// Builds everything into `out`, which any static host can serve, under any path.
pub fn site(workspace: &Workspace, out: &Path, level: Optimise) -> Fallible<()> {
    let out = &std::path::absolute(out).map_err(|e| format!("{}: {e}", out.display()))?;
    // What stands there is replaced, so it must be a site.
    if fs::read_dir(out).is_ok_and(|mut files| files.next().is_some()) && !out.join(ENTRY).is_file()
    {
        return Err(format!("{}: holds other files; give a new folder", out.display()));
    }
    let level = level.within_reach(workspace)?;
    engine(workspace, level)?;
    let fresh = out.with_extension("tmp");
    remove(&fresh)?;
    page::build(workspace, &fresh, level)?;
    copy(&workspace.path("www/models"), &fresh.join("models"))?;
    copy(&workspace.path("www/examples"), &fresh.join("examples"))?;
    // The folder's name carries the hash of what is in it, so it can be cached for ever; beside it
    // lies a name that stays.
    let scripts = workspace.path("web/js");
    let files = files_in(&scripts)?;
    let wanted = |file: &PathBuf| {
        let name = file.strip_prefix(&scripts).unwrap_or(file);
        name.starts_with("engine") || name.extension().is_some_and(|e| e == "js")
    };
    let files: Vec<_> = files.into_iter().filter(wanted).collect();
    let hash = hash_of(&scripts, &files)?;
    for file in &files {
        let name = file.strip_prefix(&scripts).unwrap_or(file);
        copy(file, &fresh.join("engine").join(&hash).join(name))?;
    }
    for (entry, verb) in ENTRIES {
        let name = entry.rsplit('/').next().unwrap_or(entry);
        write(&fresh.join(entry), format!("{verb} \"./{hash}/{name}\";\n").as_bytes())?;
    }
    precache(&fresh)?;
    let build = serde_json::json!({ "wasm_opt": level.name() });
    write(&fresh.join(BUILD), build.to_string().as_bytes())?;
    replace(&fresh, out)?;
    let files = files_in(out)?;
    let sizes = files.iter().map(|file| fs::metadata(file).map_or(0, |data| data.len()));
    println!("{}: {} files, {} bytes", out.display(), files.len(), sizes.sum::<u64>());
    Ok(())
}

/// Tells the service worker which files to keep, and a version that changes with them. Models are
/// kept by the engine, under their own hashes.
fn precache(site: &Path) -> Fallible<()> {
    let path = site.join(SERVICE_WORKER);
    if !path.is_file() {
        return Ok(());
    }
    let script = fs::read_to_string(&path).map_err(|e| format!("{SERVICE_WORKER}: {e}"))?;
    if !script.contains(PRECACHE) {
        return Err(format!("{SERVICE_WORKER}: has no line `{PRECACHE}`"));
    }
    let kept = |file: &PathBuf| *file != path && is_page(site, file);
    let files: Vec<_> = files_in(site)?.into_iter().filter(kept).collect();
    let version = hash_of(site, &files)?;
    let name = |file: &PathBuf| {
        let name = file.strip_prefix(site).unwrap_or(file);
        name.components()
            .map(|part| part.as_os_str().to_string_lossy())
            .collect::<Vec<_>>()
            .join("/")
    };
    let names: Vec<String> = files.iter().map(name).chain(["./".into()]).collect();
    let names = serde_json::to_string(&names).map_err(|e| e.to_string())?;
    let filled = format!("const PRECACHE = {{ version: \"{version}\", files: {names} }};");
    write(&path, script.replace(PRECACHE, &filled).as_bytes())
}

/// Whether a file belongs to page or engine, of which a visitor gets everything; models are
/// fetched by the engine.
pub fn is_page(site: &Path, file: &Path) -> bool {
    let licence = LICENCES.iter().any(|licence| file.ends_with(licence));
    !licence && !file.starts_with(site.join("models")) && *file != site.join(BUILD)
}
