//! `cargo xtask`: the checks and chores of the workspace.
//!
//! It depends on next to nothing, so that it is there seconds after a clone and can name every
//! step that fails, also when the workspace itself does not build.

mod advisories;
mod arrows;
mod english;
mod files;
mod folder;
mod install;
mod licences;
mod page;
mod serve;
mod site;
mod size;
mod spdx;
mod steps;
mod tools;
mod wasm;
mod wasm_scenes;

use std::path::Path;
use std::process::ExitCode;

use tools::{Fallible, Workspace};
use wasm::Optimise;

const USAGE: &str = "\
cargo xtask test                 every check; what CI runs
cargo xtask test --list          the names of the steps
cargo xtask test --only STEP...  these steps alone
cargo xtask licences             check the licences of all dependencies and their table
cargo xtask licences --write     the same, writing the table into THIRD_PARTY.md
cargo xtask arrows               check which way crates, rooms and files use each other
cargo xtask arrows --write       renew the pictures of that in ARCHITECTURE.md and docs
cargo xtask demo                 build the site and serve it on this machine
cargo xtask demo --optimise      the same, as small and fast as it is published
cargo xtask site --out FOLDER    build the site for a static host
cargo xtask size FOLDER          hold a site that was built so to its budgets
cargo xtask engine               build the engine into web/js, for `npm pack` there";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match command(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn command(args: &[&str]) -> Fallible<()> {
    match args {
        ["test"] => steps::run(&Workspace::find()?, &[]),
        ["test", "--list"] => {
            steps::list();
            Ok(())
        }
        ["test", "--only", names @ ..] if !names.is_empty() => {
            steps::run(&Workspace::find()?, names)
        }
        ["licences"] => licences::check(&Workspace::find()?),
        ["licences", "--write"] => licences::write(&Workspace::find()?),
        ["arrows"] => arrows::check(&Workspace::find()?).map(drop),
        ["arrows", "--write"] => arrows::write(&Workspace::find()?),
        ["demo"] => demo(Optimise::Not),
        ["demo", "--optimise"] => demo(Optimise::Full),
        ["site", "--out", out] => site::site(&Workspace::find()?, Path::new(out), Optimise::Full),
        ["size", folder] => size::site(&Workspace::find()?, Path::new(folder)),
        ["engine"] => {
            let workspace = Workspace::find()?;
            site::engine(&workspace, Optimise::Full.within_reach(&workspace)?)
        }
        _ => Err(USAGE.into()),
    }
}

fn demo(level: Optimise) -> Fallible<()> {
    let workspace = Workspace::find()?;
    let out = workspace.target_folder()?.join("site");
    site::site(&workspace, &out, level)?;
    serve::serve(&out)
}
