//! How everything is compiled for WebAssembly, and made smaller.

use std::path::{Path, PathBuf};

use crate::install;
use crate::tools::{Fallible, WASM, Workspace, announce, capture, succeed};

/// How much time goes into making WebAssembly smaller and faster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Optimise {
    /// None: the compiler's output as it is, for a look at the page.
    Not,
    /// The quick passes of wasm-opt, for tests: they run what wasm-opt writes, not its best.
    Quick,
    /// Every pass, for what is published.
    Full,
}

impl Optimise {
    /// Its name in the site's note on how it was built.
    pub fn name(self) -> &'static str {
        match self {
            Self::Not => "not",
            Self::Quick => "quick",
            Self::Full => "full",
        }
    }

    /// What can be done here: nothing without wasm-opt, nor npm to fetch it by.
    pub fn within_reach(self, workspace: &Workspace) -> Fallible<Self> {
        if self == Self::Not || install::wasm_opt(workspace)?.is_some() {
            return Ok(self);
        }
        println!("neither wasm-opt nor npm is installed: the engine and the page stay larger");
        Ok(Self::Not)
    }

    /// The level of wasm-opt for the engine, which has to be fast.
    pub fn engine(self) -> Option<&'static str> {
        match self {
            Self::Not => None,
            Self::Quick => Some("-O1"),
            Self::Full => Some("-O3"),
        }
    }

    /// The level for the page, which has to arrive soon: what the quick passes write is smaller on
    /// the way (335,608 bytes by `brotli -q 11` of binaryen 132) than that of `-Oz` (364,782), and
    /// than the compiler's own (338,000).
    pub fn page(self) -> Option<&'static str> {
        (self != Self::Not).then_some("-O1")
    }
}

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

/// How the engine and all that shares its dependencies is compiled for WebAssembly: with SIMD,
/// which is asked for before the engine is fetched.
pub fn flags(workspace: &Workspace) -> Fallible<String> {
    let flags = [vec!["-Ctarget-feature=+simd128".into()], rustflags(workspace)?].concat();
    setting(&flags)
}

/// How the page is compiled: without SIMD, since it has to tell those whose browser lacks it.
pub fn page_flags(workspace: &Workspace) -> Fallible<String> {
    setting(&rustflags(workspace)?)
}

fn setting(flags: &[String]) -> Fallible<String> {
    let flags = serde_json::to_string(flags).map_err(|e| e.to_string())?;
    Ok(format!("target.{WASM}.rustflags={flags}"))
}

/// Makes a module smaller and faster, where the tool can be had.
pub fn optimise(workspace: &Workspace, module: &Path, level: Option<&str>) -> Fallible<()> {
    let Some(level) = level else { return Ok(()) };
    let Some(tool) = install::wasm_opt(workspace)? else { return Ok(()) };
    let minutes = if level == "-O3" { "4 minutes" } else { "1 minute" };
    announce(&format!("wasm-opt {level} on {}", module.display()), minutes);
    let mut command = workspace.tool(&tool, &[level, "-o"]);
    succeed(command.arg(module).arg(module).args(FEATURES))
}

/// No paths of the machine that builds.
fn rustflags(workspace: &Workspace) -> Fallible<Vec<String>> {
    let root = workspace.path("");
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from).or_else(|| {
        let home = std::env::var_os("HOME").or_else(|| std::env::var_os("USERPROFILE"))?;
        Some(PathBuf::from(home).join(".cargo"))
    });
    let sysroot = capture(&mut workspace.tool("rustc", &["--print", "sysroot"]))?;
    let mut flags = Vec::new();
    let folders = [(Some(root), "refvlm"), (home, "cargo"), (Some(sysroot.trim().into()), "rust")];
    for (folder, name) in folders {
        let Some(folder) = folder else { continue };
        let folder = folder.display().to_string();
        flags.push(format!("--remap-path-prefix={}={name}", folder.trim_end_matches('/')));
    }
    Ok(flags)
}
