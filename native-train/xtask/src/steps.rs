//! The steps of `cargo xtask test`, cheap ones first.
//!
//! All of them use the release profile: a second profile would mean a second build of every
//! dependency. Clippy and rustdoc ask for the same features, so that they share their metadata; the
//! CUDA build and the kernels for a GPU are among them.

use std::time::Instant;

use crate::tools::{Fallible, Outcome, WASM, Workspace, present, succeed};
use crate::{advisories, arrows, files, install, licences, site, size, wasm, wasm_scenes};

/// Turns on what no program here has by default: CUDA, and the kernels that natively nothing needs.
const DEVICES: [&str; 2] = ["--features", "native-train/cuda,native-train/wgpu,refvlm-tests/wgpu"];

struct Step {
    name: &'static str,
    what: &'static str,
    run: fn(&Workspace) -> Fallible<Outcome>,
}

const STEPS: &[Step] = &[
    Step { name: "files", what: "length, paths, sizes and sources of files", run: files::check },
    Step { name: "format", what: "rustfmt", run: format },
    Step { name: "arrows", what: "no arrow points back", run: arrows::check },
    Step { name: "licences", what: "licences of all dependencies", run: check_licences },
    Step { name: "advisories", what: "yanked and vulnerable dependencies", run: advisories::check },
    Step { name: "clippy", what: "clippy over all targets and devices, also CUDA", run: clippy },
    Step { name: "doc", what: "rustdoc, warnings are errors", run: doc },
    Step { name: "test", what: "all tests", run: test },
    Step { name: "wasm", what: "what the page needs compiles for it", run: engine },
    Step {
        name: "wasm-scenes",
        what: "scenes are the same natively and in WebAssembly",
        run: wasm_scenes::check,
    },
    Step {
        name: "wasm-kernels",
        what: "kernels, and the model on WebGPU, as WebAssembly",
        run: wasm_kernels,
    },
    Step { name: "browser", what: "the site in a real browser", run: browser },
    Step {
        name: "size",
        what: "page, engine and packages keep to their budgets",
        run: size::check,
    },
];

/// Prints the steps.
pub fn list() {
    for step in STEPS {
        println!("{:12} {}", step.name, step.what);
    }
}

/// Runs the named steps, or all where none is named. A failed step does not keep the later ones
/// from running: one run tells everything that is wrong.
pub fn run(workspace: &Workspace, names: &[&str]) -> Fallible<()> {
    if let Some(unknown) = names.iter().find(|name| STEPS.iter().all(|s| s.name != **name)) {
        let known: Vec<_> = STEPS.iter().map(|s| s.name).collect();
        return Err(format!("no step `{unknown}`; there are {}", known.join(", ")));
    }
    let mut summary = Vec::new();
    let mut failed = Vec::new();
    for step in STEPS.iter().filter(|s| names.is_empty() || names.contains(&s.name)) {
        println!("\n== {}: {}", step.name, step.what);
        let started = Instant::now();
        let outcome = match (step.run)(workspace) {
            Ok(Outcome::Passed) => "passed".into(),
            Ok(Outcome::Skipped(reason)) => format!("skipped, {reason}"),
            Err(error) => {
                println!("{error}");
                failed.push(step.name);
                "FAILED".into()
            }
        };
        let line = format!("{:12} {:7.1} s  {outcome}", step.name, started.elapsed().as_secs_f32());
        println!("== {line}");
        summary.push(line);
    }
    println!("\n{}", summary.join("\n"));
    if failed.is_empty() { Ok(()) } else { Err(format!("failed steps: {}", failed.join(", "))) }
}

fn format(workspace: &Workspace) -> Fallible<Outcome> {
    succeed(&mut workspace.cargo(&["fmt", "--all", "--check"]))?;
    Ok(Outcome::Passed)
}

fn check_licences(workspace: &Workspace) -> Fallible<Outcome> {
    licences::check(workspace)?;
    Ok(Outcome::Passed)
}

fn clippy(workspace: &Workspace) -> Fallible<Outcome> {
    let args = ["clippy", "--release", "--locked", "--workspace", "--all-targets", "--keep-going"];
    succeed(workspace.cargo(&args).args(DEVICES).args(["--", "-D", "warnings"]))?;
    Ok(Outcome::Passed)
}

fn doc(workspace: &Workspace) -> Fallible<Outcome> {
    let args = ["doc", "--release", "--locked", "--workspace", "--no-deps"];
    succeed(workspace.cargo(&args).args(DEVICES).env("RUSTDOCFLAGS", "-D warnings"))?;
    Ok(Outcome::Passed)
}

fn test(workspace: &Workspace) -> Fallible<Outcome> {
    let args = ["test", "--release", "--locked", "--workspace", "--no-fail-fast"];
    succeed(&mut workspace.cargo(&args))?;
    Ok(Outcome::Passed)
}

fn engine(workspace: &Workspace) -> Fallible<Outcome> {
    site::compile(workspace)?;
    Ok(Outcome::Passed)
}

fn wasm_kernels(workspace: &Workspace) -> Fallible<Outcome> {
    if !present("node") {
        return Ok(Outcome::Skipped("node is not installed".into()));
    }
    workspace.need_wasm_target()?;
    let runner = install::wasm_bindgen(workspace)?.with_file_name("wasm-bindgen-test-runner");
    let runner = format!("target.{WASM}.runner={:?}", runner.display().to_string());
    let flags = wasm::flags(workspace)?;
    let test = |test: &str| {
        // Beside the engine, for its features: a smaller set would build burn once more.
        let mut command = workspace.cargo(&["test", "--release", "--locked"]);
        command.args(["-p", "refvlm-web", "-p", "refvlm-shaders", "-p", "refvlm-model"]);
        command.args(["-p", "refvlm-tests", "--features", "refvlm-tests/wgpu"]);
        command.args(["--test", test, "--target", WASM]);
        command.args(["--config", &flags, "--config", &runner]);
        command
    };
    succeed(&mut test("packed"))?;
    let Some(driver) = chromedriver() else {
        return Ok(Outcome::Skipped(
            "chromedriver is not installed; those in WGSL did not run".into(),
        ));
    };
    // A browser without a graphics card compiles and runs shaders on the processor. The kernels
    // first, then the shipped model's parts, then the modules of the reference.
    for name in ["kernels", "shipped", "webgpu"] {
        let variables = [("CHROMEDRIVER", driver.as_str()), ("WASM_BINDGEN_TEST_TIMEOUT", "600")];
        succeed(test(name).envs(variables))?;
    }
    Ok(Outcome::Passed)
}

/// The driver of the browser, where one is installed.
fn chromedriver() -> Option<String> {
    let driver = std::env::var("CHROMEDRIVER").unwrap_or_else(|_| "chromedriver".into());
    present(&driver).then_some(driver)
}

fn browser(workspace: &Workspace) -> Fallible<Outcome> {
    if chromedriver().is_none() {
        return Ok(Outcome::Skipped("chromedriver is not installed".into()));
    }
    let out = workspace.target_folder()?.join("site");
    site::site(workspace, &out, wasm::Optimise::Quick)?;
    // Over the workspace, for its features: a smaller set would build burn once more. One at a
    // time, since each test keeps a browser busy.
    let args = ["test", "--release", "--locked", "--workspace", "--test", "browser", "--"];
    let mut command = workspace.cargo(&args);
    command.args(["--test-threads", "1", "--nocapture"]).env("REFVLM_SITE", out);
    match install::axe(workspace) {
        Ok(Some(script)) => drop(command.env("REFVLM_AXE", script)),
        // The test says that it was skipped.
        Ok(None) => {}
        Err(error) => println!("axe-core cannot be installed: {error}"),
    }
    succeed(&mut command)?;
    Ok(Outcome::Passed)
}
