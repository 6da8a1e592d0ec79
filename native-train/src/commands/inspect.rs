//! `refvlm inspect`.

use super::Outcome;
use super::say::{note, say};
use clap::Args;
use indicatif::{BinaryBytes, HumanCount};
use refvlm_native::inspect::{Inspection, Memory, sha256};
use refvlm_native::presets;
use std::path::PathBuf;

/// Print what a checkpoint, a package or a preset holds.
#[derive(Debug, Args)]
pub struct Inspect {
    /// A file of weights, a folder with them, or a package.
    #[arg(required_unless_present_any = ["preset", "config"])]
    path: Option<PathBuf>,
    /// Name of a preset, instead of a path.
    #[arg(long, conflicts_with_all = ["path", "config"])]
    preset: Option<String>,
    /// A configuration file, instead of a path.
    #[arg(long, conflicts_with = "path")]
    config: Option<PathBuf>,
    /// List every tensor.
    #[arg(long)]
    all: bool,
    /// Read the files and print their sha-256; for a package, compare them with the manifest.
    #[arg(long)]
    hash: bool,
}

impl Inspect {
    /// Runs the command.
    pub fn run(self) -> Outcome {
        let found = match (&self.path, &self.preset, &self.config) {
            (Some(path), ..) => Inspection::of_path(path)?,
            (None, Some(name), _) => Inspection::of_config(&presets::preset(name)?)?,
            (None, None, Some(path)) => Inspection::of_config(&presets::read(path)?)?,
            (None, None, None) => return Err("give a path, --preset or --config".into()),
        };
        say!("{}", found.kind);
        for (key, value) in &found.settings {
            say!("  {key}: {value}");
        }
        if self.all {
            for entry in &found.entries {
                say!("{:8} {:?} {}", entry.dtype.unwrap_or("-"), entry.shape, entry.name);
            }
        }
        if found.entries.is_empty() {
            note("note: it holds no weights");
        }
        print_modules(&found)?;
        print_memory(&found)?;
        for file in &found.files {
            let length = BinaryBytes(file.bytes);
            let hash = match (&file.sha256, self.hash) {
                (listed, true) => {
                    let hash = sha256(&file.path)?;
                    if listed.as_ref().is_some_and(|listed| !listed.eq_ignore_ascii_case(&hash)) {
                        let path = &file.path;
                        return Err(format!("{path}: sha-256 is {hash}, not the manifest's").into());
                    }
                    hash
                }
                (Some(listed), false) => listed.clone(),
                (None, false) => "--hash prints its sha-256".into(),
            };
            say!("{} {length} {hash}", file.path);
        }
        Ok(())
    }
}

fn print_modules(found: &Inspection) -> std::io::Result<()> {
    let modules = found.modules();
    say!("\n{:<28} {:>16} {:>8} {:>12}  stored as", "module", "parameters", "tensors", "bytes");
    let (mut parameters, mut tensors, mut bytes) = (0, 0, 0);
    for (name, module) in &modules {
        let dtypes: Vec<&str> = module.dtypes.iter().copied().collect();
        say!(
            "{name:<28} {:>16} {:>8} {:>12}  {}",
            HumanCount(module.parameters).to_string(),
            module.tensors,
            BinaryBytes(module.bytes).to_string(),
            dtypes.join(" ")
        );
        parameters += module.parameters;
        tensors += module.tensors;
        bytes += module.bytes;
    }
    say!(
        "{:<28} {:>16} {tensors:>8} {:>12}\n",
        "all",
        HumanCount(parameters).to_string(),
        BinaryBytes(bytes).to_string()
    );
    Ok(())
}

fn print_memory(found: &Inspection) -> std::io::Result<()> {
    say!("{:<6} {:>12} {:>12} {:>12} {:>12}", "as", "files", "on CPU", "on WebGPU", "on CUDA");
    for Memory { quantisation, files, cpu, webgpu, cuda } in found.memory() {
        let form = format!("{quantisation:?}").to_lowercase();
        let [files, cpu, webgpu, cuda] =
            [files, cpu, webgpu, cuda].map(|bytes| BinaryBytes(bytes).to_string());
        say!("{form:<6} {files:>12} {cpu:>12} {webgpu:>12} {cuda:>12}");
    }
    if let Some((positions, bytes)) = found.cache_bytes() {
        say!("and {} for keys and values of {positions} positions", BinaryBytes(bytes));
    }
    say!("");
    Ok(())
}
