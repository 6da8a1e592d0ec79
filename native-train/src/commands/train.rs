//! `refvlm train`.

use super::Outcome;
use burn::module::Module;
use burn::tensor::Device;
use clap::ValueEnum;
use refvlm_model::triplet::Tokenizer;
use refvlm_native::train::source::scenes::SceneSource;
use refvlm_native::train::stage::{FullTask, SightTask, Student};
use refvlm_native::train::{TrainFile, run};
use refvlm_scenes::World;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Train a model from a configuration file: first to see and point, then to read
/// and write. Resumes from
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
    /// Stop before the language model joins in.
    #[arg(long)]
    sight_only: bool,
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

        let json = std::fs::read(&self.tokenizer)
            .map_err(|e| format!("{}: {e}", self.tokenizer.display()))?;
        let tokenizer = Tokenizer::from_json(&json)?;
        let student = Student::fresh(&file.model, file.seed, &device)?;
        println!("{} parameters", student.model.num_params());
        let source = SceneSource::sight(&file, &world, &tokenizer);
        let task = SightTask::new(&file, &tokenizer, &source)?;
        let dir = self.run.join("sight");
        let (student, done) = run(&task, student, &file.sight.run, &dir, &device, &stop)?;
        if !done || self.sight_only {
            return Ok(());
        }
        let source = SceneSource::full(&file, &world, &tokenizer);
        let task = FullTask::new(&file, &tokenizer, &source)?;
        run(&task, student, &file.train.run, &self.run.join("full"), &device, &stop)?;
        Ok(())
    }
}
