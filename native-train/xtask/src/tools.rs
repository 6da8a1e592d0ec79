//! Running the tools that the steps are made of.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A result whose error is a text for the person at the terminal.
pub type Fallible<T> = Result<T, String>;

/// How a check that found nothing wrong ended.
pub enum Outcome {
    /// Everything was looked at.
    Passed,
    /// A tool that not every machine has is missing.
    Skipped(String),
}

/// The target of the page's engine.
pub const WASM: &str = "wasm32-unknown-unknown";

/// The checkout that is checked.
pub struct Workspace {
    root: PathBuf,
}

impl Workspace {
    /// The workspace around the current folder. Asked at run time, because one target folder may
    /// serve several checkouts.
    pub fn find() -> Fallible<Self> {
        let here = std::env::current_dir().map_err(|e| format!("no current folder: {e}"))?;
        here.ancestors()
            .find(|folder| folder.join("Cargo.lock").is_file())
            .map(|root| Self { root: root.into() })
            .ok_or_else(|| format!("no Cargo.lock in or above {}", here.display()))
    }

    /// A file of the workspace.
    pub fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    /// The text of a file of the workspace.
    pub fn read(&self, relative: &str) -> Fallible<String> {
        fs::read_to_string(self.path(relative)).map_err(|e| format!("{relative}: {e}"))
    }

    /// A tool that runs in the root of the workspace.
    pub fn tool(&self, program: impl Into<OsString>, args: &[&str]) -> Command {
        let mut command = Command::new(program.into());
        command.args(args).current_dir(&self.root);
        command
    }

    /// The cargo that runs this program.
    pub fn cargo(&self, args: &[&str]) -> Command {
        self.tool(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()), args)
    }

    /// Where cargo puts what it builds.
    pub fn target_folder(&self) -> Fallible<PathBuf> {
        let text =
            capture(&mut self.cargo(&["metadata", "--no-deps", "--locked", "--format-version=1"]))?;
        serde_json::from_str::<serde_json::Value>(&text)
            .ok()
            .and_then(|metadata| Some(PathBuf::from(metadata.get("target_directory")?.as_str()?)))
            .ok_or_else(|| "`cargo metadata` names no target_directory".into())
    }

    /// Makes sure that the standard library for the page is installed.
    pub fn need_wasm_target(&self) -> Fallible<()> {
        let sysroot = capture(&mut self.tool("rustc", &["--print", "sysroot"]))?;
        if Path::new(sysroot.trim()).join("lib/rustlib").join(WASM).is_dir() {
            return Ok(());
        }
        succeed(&mut self.tool("rustup", &["target", "add", WASM]))
    }
}

/// Runs a tool with its output on the terminal.
pub fn succeed(command: &mut Command) -> Fallible<()> {
    println!("$ {}", line_of(command));
    let status = command.status().map_err(|e| format!("`{}`: {e}", line_of(command)))?;
    if status.success() { Ok(()) } else { Err(format!("`{}`: {status}", line_of(command))) }
}

/// Runs a tool and returns what it wrote to its standard output.
pub fn capture(command: &mut Command) -> Fallible<String> {
    let output = command.output().map_err(|e| format!("`{}`: {e}", line_of(command)))?;
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        return Err(format!("`{}`: {}\n{errors}", line_of(command), output.status));
    }
    String::from_utf8(output.stdout)
        .map_err(|_| format!("`{}` wrote something that is not UTF-8", line_of(command)))
}

/// Says what comes next and how long it takes where nothing was built before, so that nobody takes
/// a long step for one that hangs.
pub fn announce(what: &str, minutes: &str) {
    println!("\n{what}: about {minutes} on two cores the first time");
}

/// Whether a tool can be started at all.
pub fn present(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success())
}

fn line_of(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or_default();
    let words = std::iter::once(program).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
