//! `refvlm train`.

use super::Outcome;
use burn::module::Module;
use burn::tensor::Device;
use clap::ValueEnum;
use refvlm_model::refvlm::RefVlm;
use refvlm_model::triplet::Tokenizer;
use refvlm_native::train::checkpoint::Checkpoint;
use refvlm_native::train::dense::{DenseHeads, Legend};
use refvlm_native::train::full::{FullTask, Student};
use refvlm_native::train::towers::TowersTask;
use refvlm_native::train::{TrainFile, run};
use refvlm_scenes::World;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Train a model from a configuration file: first its vision towers, then the whole. Resumes from
/// the last checkpoint in the run's folder; Ctrl-C saves one.
#[derive(Debug, clap::Args)]
pub struct Train {
    /// Configuration file, such as configs/scenes.toml.
    config: PathBuf,
    /// Folder of the run: checkpoints and log.
    #[arg(long, default_value = "runs/scenes")]
    run: PathBuf,
    /// Vocabulary; `refvlm tokenizer` makes one.
    #[arg(long, default_value = "configs/scenes-tokenizer.json")]
    tokenizer: PathBuf,
    /// Where to compute.
    #[arg(long, value_enum, default_value_t = Compute::Cpu)]
    device: Compute,
    /// Stop after the vision towers.
    #[arg(long)]
    towers_only: bool,
}

/// Where to compute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Compute {
    /// All cores of the processor.
    Cpu,
    /// The first CUDA GPU; needs a build with `--features cuda`.
    Cuda,
}

impl Compute {
    /// The device.
    ///
    /// # Errors
    /// When the program was built without it.
    pub fn device(self) -> Result<Device, String> {
        match self {
            Compute::Cpu => Ok(Device::flex()),
            #[cfg(feature = "cuda")]
            Compute::Cuda => Ok(Device::cuda(0)),
            #[cfg(not(feature = "cuda"))]
            Compute::Cuda => {
                Err("this build has no CUDA; build with `--features cuda`".to_string())
            }
        }
    }
}

impl Train {
    /// Runs the command.
    pub fn run(self) -> Outcome {
        let file = TrainFile::read(&self.config)?;
        let device = self.device.device()?.autodiff();
        let world = World::new()?;
        let stop = Arc::new(AtomicBool::new(false));
        let raised = stop.clone();
        ctrlc::set_handler(move || raised.store(true, Ordering::Relaxed))?;

        let (task, towers) = TowersTask::new(&file, &world, &device);
        let towers_dir = self.run.join("towers");
        let (towers, done) = run(&task, towers, &file.towers.run, &towers_dir, &device, &stop)?;
        if !done || self.towers_only {
            return Ok(());
        }

        let json = std::fs::read(&self.tokenizer)
            .map_err(|e| format!("{}: {e}", self.tokenizer.display()))?;
        let tokenizer = Tokenizer::from_json(&json)?;
        let task = FullTask::new(&file, &world, &tokenizer)?;
        let dir = self.run.join("full");
        let mut student = Student {
            model: RefVlm::new(&file.model, &device)?,
            heads: DenseHeads::new(&file.model.pyramid_channels(), &Legend::new(), &device),
        };
        if Checkpoint::latest(&dir)?.is_none() {
            student.model.visual_encoder = towers.visual_encoder;
            student.model.visual_tower = towers.visual_tower;
            student.heads = towers.heads;
        }
        println!("{} parameters", student.model.num_params());
        run(&task, student, &file.train.run, &dir, &device, &stop)?;
        Ok(())
    }
}
