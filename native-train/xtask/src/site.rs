//! The static site: engine, its JavaScript, the model packages, and the page.

use std::fs;
use std::path::{Path, PathBuf};

use crate::install;
use crate::tools::{Fallible, WASM, Workspace, capture, succeed};

/// Where the engine's build lies within its npm package.
const ENGINE: &str = "web/js/engine";

/// The API and the worker under names that stay the same, and what they hold but for the hash.
const ENTRY: &str = "engine/refvlm.js";
const ENTRIES: [(&str, &str); 2] = [(ENTRY, "export * from"), ("engine/worker.js", "import")];

/// The service worker, and the line of it that the build fills in.
const SERVICE_WORKER: &str = "sw.js";
const PRECACHE: &str = "const PRECACHE = { version: \"\", files: [] };";

/// What the engine may use beyond WebAssembly 1.0; every browser with SIMD has all of it.
/// Named one by one, since `--all-features` writes what no browser reads.
const FEATURES: [&str; 8] = [
    "--enable-simd",
    "--enable-bulk-memory",
    "--enable-bulk-memory-opt",
    "--enable-nontrapping-float-to-int",
    "--enable-sign-ext",
    "--enable-mutable-globals",
    "--enable-reference-types",
    "--enable-multivalue",
];

/// Licences that travel with the engine.
const LICENCES: [&str; 3] = ["LICENSE-MIT", "LICENSE-APACHE", "THIRD_PARTY.md"];

/// Builds the engine into `web/js/engine`; from then on `npm pack` works in `web/js`.
pub fn engine(workspace: &Workspace) -> Fallible<()> {
    compile(workspace)?;
    let bindgen = install::wasm_bindgen(workspace)?;
    let module = workspace.target_folder()?.join(WASM).join("release/refvlm_web.wasm");
    let fresh = workspace.path(&format!("{ENGINE}.tmp"));
    remove(&fresh)?;
    let args = ["--target", "web", "--no-typescript", "--remove-name-section", "--out-name"];
    let mut command = workspace.tool(&bindgen, &args);
    succeed(command.arg("refvlm").arg("--out-dir").arg(&fresh).arg(&module))?;
    optimise(workspace, &fresh.join("refvlm_bg.wasm"), "-O3")?;
    for file in LICENCES {
        copy(&workspace.path(file), &fresh.join(file))?;
    }
    replace(&fresh, &workspace.path(ENGINE))
}

/// Compiles the engine, and with it whatever the page's side uses of ours.
pub fn compile(workspace: &Workspace) -> Fallible<()> {
    workspace.need_wasm_target()?;
    let args = ["build", "--release", "--locked", "-p", "refvlm-web", "--lib", "--target", WASM];
    succeed(workspace.cargo(&args).args(["--config", &wasm_flags(workspace)?]))
}

/// How everything is compiled for WebAssembly; other flags would build every dependency again.
pub fn wasm_flags(workspace: &Workspace) -> Fallible<String> {
    Ok(format!("target.{WASM}.rustflags={}", rustflags(workspace)?))
}

/// Builds everything into `out`, which any static host can serve, under any path.
pub fn site(workspace: &Workspace, out: &Path) -> Fallible<()> {
    let out = &std::path::absolute(out).map_err(|e| format!("{}: {e}", out.display()))?;
    // What stands there is replaced, so it must be a site.
    if fs::read_dir(out).is_ok_and(|mut files| files.next().is_some()) && !out.join(ENTRY).is_file()
    {
        return Err(format!("{}: holds other files; give a new folder", out.display()));
    }
    engine(workspace)?;
    let fresh = out.with_extension("tmp");
    remove(&fresh)?;
    page(workspace, &fresh)?;
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
    let kept = |file: &PathBuf| {
        let licence = LICENCES.iter().any(|licence| file.ends_with(licence));
        *file != path && !file.starts_with(site.join("models")) && !licence
    };
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

/// The page by trunk, where there is one.
fn page(workspace: &Workspace, out: &Path) -> Fallible<()> {
    if !workspace.path("www/index.html").is_file() {
        return Ok(());
    }
    let trunk = install::trunk(workspace)?;
    // Trunk would fetch a wasm-bindgen of its own if it did not find one.
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&folders).chain([install::bin_folder(workspace)?]);
    let path = std::env::join_paths(folders).map_err(|e| format!("PATH: {e}"))?;
    let mut command = workspace.tool(&trunk, &["build", "--release", "--offline", "--dist"]);
    succeed(command.arg(out).current_dir(workspace.path("www")).env("PATH", path))?;
    for file in files_in(out)? {
        if file.extension().is_some_and(|extension| extension == "wasm") {
            optimise(workspace, &file, "-Oz")?;
        }
    }
    Ok(())
}

/// Makes a module smaller, where the tool can be had.
fn optimise(workspace: &Workspace, module: &Path, level: &str) -> Fallible<()> {
    let Some(tool) = install::wasm_opt(workspace)? else {
        println!("neither wasm-opt nor npm is installed: {} stays larger", module.display());
        return Ok(());
    };
    let mut command = workspace.tool(&tool, &[level, "-o"]);
    succeed(command.arg(module).arg(module).args(FEATURES))
}

/// SIMD, which the engine checks for before it starts, and no paths of the machine that builds.
fn rustflags(workspace: &Workspace) -> Fallible<String> {
    let root = workspace.path("");
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from).or_else(|| {
        let home = std::env::var_os("HOME").or_else(|| std::env::var_os("USERPROFILE"))?;
        Some(PathBuf::from(home).join(".cargo"))
    });
    let sysroot = capture(&mut workspace.tool("rustc", &["--print", "sysroot"]))?;
    let mut flags = vec!["-Ctarget-feature=+simd128".to_string()];
    let folders = [(Some(root), "refvlm"), (home, "cargo"), (Some(sysroot.trim().into()), "rust")];
    for (folder, name) in folders {
        let Some(folder) = folder else { continue };
        let folder = folder.display().to_string();
        flags.push(format!("--remap-path-prefix={}={name}", folder.trim_end_matches('/')));
    }
    serde_json::to_string(&flags).map_err(|e| e.to_string())
}

/// FNV-1a over names and contents: it tells builds apart, and guards nothing.
fn hash_of(folder: &Path, files: &[PathBuf]) -> Fallible<String> {
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    for file in files {
        let bytes = fs::read(file).map_err(|e| format!("{}: {e}", file.display()))?;
        let name = file.strip_prefix(folder).unwrap_or(file).to_string_lossy().into_owned();
        for byte in name.bytes().chain([0]).chain(bytes) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    Ok(format!("{hash:016x}"))
}

/// Every file below a folder, in order of their names.
fn files_in(folder: &Path) -> Fallible<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(|e| format!("{}: {e}", folder.display()))?.path();
        if path.is_dir() { files.extend(files_in(&path)?) } else { files.push(path) }
    }
    files.sort();
    Ok(files)
}

/// A file or a whole folder; nothing happens where there is none.
fn copy(from: &Path, to: &Path) -> Fallible<()> {
    if from.is_dir() {
        for file in files_in(from)? {
            let name = file.strip_prefix(from).unwrap_or(&file);
            copy(&file, &to.join(name))?;
        }
    } else if from.is_file() {
        let bytes = fs::read(from).map_err(|e| format!("{}: {e}", from.display()))?;
        write(to, &bytes)?;
    }
    Ok(())
}

fn write(path: &Path, bytes: &[u8]) -> Fallible<()> {
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    fs::write(path, bytes).map_err(|e| format!("{}: {e}", path.display()))
}

fn remove(folder: &Path) -> Fallible<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(format!("{}: {error}", folder.display()))
        }
        _ => Ok(()),
    }
}

/// Puts a complete folder in the place of an old one.
fn replace(fresh: &Path, old: &Path) -> Fallible<()> {
    remove(old)?;
    fs::rename(fresh, old).map_err(|e| format!("{}: {e}", old.display()))
}
