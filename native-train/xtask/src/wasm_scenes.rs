//! Scenes are the same natively and in WebAssembly, byte for byte.

use std::collections::BTreeSet;

use crate::tools::{Fallible, Outcome, WASM, Workspace, capture, present, succeed};
use crate::wasm;

/// Enough to meet scenes with and without people, and the ends of the range.
const SEEDS: &[&str] =
    &["0", "1", "2", "3", "5", "8", "13", "21", "34", "55", "4294967296", "18446744073709551615"];

const PACKAGE: &str = "refvlm-scene-hash";

/// Builds the hash of a scene for both and compares.
pub fn check(workspace: &Workspace) -> Fallible<Outcome> {
    if !present("node") {
        return Ok(Outcome::Skipped("node is not installed".into()));
    }
    workspace.need_wasm_target()?;
    // With the flags of the page, whose scenes these are.
    let args = ["build", "--release", "--locked", "--lib", "--target", WASM, "-p", PACKAGE];
    succeed(workspace.cargo(&args).args(["--config", &wasm::flags(workspace)?]))?;
    // Over the workspace, for the features that the tests have built everything with.
    let args = ["build", "--release", "--locked", "--workspace", "--bin", PACKAGE];
    succeed(&mut workspace.cargo(&args))?;
    let target = workspace.target_folder()?;
    let module = target.join(WASM).join("release/refvlm_scene_hash.wasm");
    let program =
        target.join("release").join(PACKAGE).with_extension(std::env::consts::EXE_EXTENSION);
    let native = capture(workspace.tool(program, &[]).args(SEEDS))?;
    let wasm = capture(
        workspace.tool("node", &["native-train/xtask/scene-hash/run.mjs"]).arg(module).args(SEEDS),
    )?;
    compare(&native, &wasm)?;
    println!("{} scenes are equal", SEEDS.len());
    Ok(Outcome::Passed)
}

fn compare(native: &str, wasm: &str) -> Fallible<()> {
    let (native, wasm): (Vec<_>, Vec<_>) = (native.lines().collect(), wasm.lines().collect());
    if native.len() != SEEDS.len() || wasm.len() != SEEDS.len() {
        let (n, w) = (native.len(), wasm.len());
        return Err(format!("{n} native and {w} wasm hashes for {} seeds", SEEDS.len()));
    }
    if native.iter().collect::<BTreeSet<_>>().len() != SEEDS.len() {
        return Err(format!("different seeds share a hash:\n{}", native.join("\n")));
    }
    let different: Vec<_> = SEEDS
        .iter()
        .zip(native.iter().zip(&wasm))
        .filter(|(_, (n, w))| n != w)
        .map(|(seed, (n, w))| format!("seed {seed}: {n} natively, {w} in wasm"))
        .collect();
    if different.is_empty() { Ok(()) } else { Err(different.join("\n")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_names_its_seed_and_a_missing_line_is_one() {
        let lines: Vec<String> = (10..10 + SEEDS.len()).map(|line| line.to_string()).collect();
        let same = lines.join("\n");
        assert_eq!(compare(&same, &same), Ok(()));
        let error = compare(&same, &same.replacen("10", "99", 1)).unwrap_err();
        assert_eq!(error, format!("seed {}: 10 natively, 99 in wasm", SEEDS[0]));
        assert!(compare(&same, "10\n").is_err());
        assert!(compare("", "").is_err());
    }

    #[test]
    fn a_hash_that_ignores_the_seed_is_no_hash() {
        let constant = "00\n".repeat(SEEDS.len());
        assert!(compare(&constant, &constant).is_err());
    }
}
