//! Whether a checkpoint is whole: its files are those that were written, by their hashes.

use super::state::State;
use refvlm_files::files::sha256;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

pub(crate) const MODEL: &str = "model.bpk";
pub(crate) const AVERAGE: &str = "average.bpk";
pub(crate) const OPTIM: &str = "optim.bpk";
pub(crate) const STATE: &str = "state.json";
/// Name and sha-256 of each of the others.
pub(super) const FILES: &str = "files.json";

/// What is wrong with a checkpoint of a step, where something is. One without a list of files is of
/// an older version: its files must be there.
pub(super) fn problem(dir: &Path, step: usize) -> Option<String> {
    check(dir, step).err()
}

fn check(dir: &Path, step: usize) -> Result<(), String> {
    let read = |name: &str| std::fs::read(dir.join(name)).map_err(|e| format!("{name}: {e}"));
    if dir.join(FILES).exists() {
        let files: BTreeMap<String, String> =
            serde_json::from_slice(&read(FILES)?).map_err(|e| format!("{FILES}: {e}"))?;
        for (name, wanted) in &files {
            let file = File::open(dir.join(name)).map_err(|e| format!("{name}: {e}"))?;
            let found = sha256(BufReader::new(file)).map_err(|e| format!("{name}: {e}"))?;
            if found != *wanted {
                return Err(format!("{name} is not what was written"));
            }
        }
        if let Some(name) = [MODEL, OPTIM, STATE].into_iter().find(|&n| !files.contains_key(n)) {
            return Err(format!("{FILES} does not list {name}"));
        }
    }
    for name in [MODEL, OPTIM] {
        match std::fs::metadata(dir.join(name)) {
            Ok(data) if data.len() == 0 => return Err(format!("{name} is empty")),
            Ok(_) => {}
            Err(error) => return Err(format!("{name}: {error}")),
        }
    }
    let state: State =
        serde_json::from_slice(&read(STATE)?).map_err(|e| format!("{STATE}: {e}"))?;
    match state.step == step {
        true => Ok(()),
        false => Err(format!("{STATE} is of step {}", state.step)),
    }
}
