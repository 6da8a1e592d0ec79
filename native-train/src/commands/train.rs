//! `refvlm train`.

use super::Outcome;
use super::import::local;
use burn::module::Module;
use burn::tensor::Device;
use clap::ValueEnum;
#[cfg(feature = "cuda")]
use refvlm_collective::Place;
use refvlm_collective::{RankError, join};
use refvlm_data::{Collection, Photo};
use refvlm_model::package::by_name::{load_by_name, visit_named};
use refvlm_model::refvlm::RefVlm;
use refvlm_model::triplet::Tokenizer;
use refvlm_native::import::init_tower;
use refvlm_native::package::Package;
use refvlm_native::train::config::PhotoConfig;
use refvlm_native::train::source::Source;
use refvlm_native::train::source::mix::MixSource;
use refvlm_native::train::source::photos::PhotoSource;
use refvlm_native::train::source::scenes::SceneSource;
use refvlm_native::train::stage::{FullTask, SightTask, Student};
use refvlm_native::train::tower::FrozenTowers;
use refvlm_native::train::{TrainFile, run};
use refvlm_scenes::World;
use std::collections::HashMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Train a model from a configuration file: first to see and point, then to read
/// and write. Resumes from
/// the last checkpoint in the run's folder; Ctrl-C saves one. Several processes train together when
/// they are started by `mpirun` or `srun`, or with RANK, WORLD_SIZE and MASTER_ADDR set.
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
    /// Start from the weights of a package of the same configuration instead of new ones.
    #[arg(long)]
    init: Option<PathBuf>,
    /// What the package of `--init` need not have: parameters whose names begin so are drawn anew,
    /// as `visual_decoder.mask`. May be given several times.
    #[arg(long, value_name = "START", requires = "init")]
    init_new: Vec<String>,
    /// What the package of `--init` has and the configuration has not: parameters whose names begin
    /// so are left out, as `visual_decoder.boxes`. May be given several times.
    #[arg(long, value_name = "START", requires = "init")]
    init_leave: Vec<String>,
    /// Photos to learn from, where the configuration asks for some: a folder in COCO format
    /// (`instances.json` and `images/`), or a folder of such folders.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Folder that caches the maps of frozen towers; without it they are computed each time.
    #[arg(long)]
    cache: Option<PathBuf>,
    /// Largest size of that cache, in GiB.
    #[arg(long, default_value_t = 16)]
    cache_gb: u64,
    /// Stop after the first stage, before the language model is trained.
    #[arg(long)]
    sight_only: bool,
}

/// Where to compute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Compute {
    /// All cores of the processor.
    Cpu,
    /// A CUDA GPU, the first or that of this process's local rank; needs a build with
    /// `--features cuda`.
    Cuda,
}

impl Compute {
    /// The device of a process.
    ///
    /// # Errors
    /// When the program was built without the device, or the environment does not say which of
    /// several processes this is.
    pub fn device(self) -> Result<Device, Box<dyn std::error::Error>> {
        match self {
            Compute::Cpu => Ok(Device::flex()),
            #[cfg(feature = "cuda")]
            Compute::Cuda => Ok(Device::cuda(Place::from_environment()?.local_rank)),
            #[cfg(not(feature = "cuda"))]
            Compute::Cuda => Err("this build has no CUDA; build with `--features cuda`".into()),
        }
    }
}

/// The model with the weights of a package. What is packed is unpacked. Parameters whose names
/// begin with one of `new` may be missing and keep what the seed drew; those that begin with one of
/// `leave` may be too many.
fn initial(
    model: RefVlm,
    package: &Package,
    new: &[String],
    leave: &[String],
) -> Result<RefVlm, String> {
    let mut values = HashMap::new();
    visit_named(&package.model, &mut |name, data| {
        values.insert(name.to_string(), data.convert::<f32>());
    });
    let (model, report) = load_by_name(model, &mut |name, _| values.remove(name));
    let begins =
        |name: &str, starts: &[String]| starts.iter().any(|start| name.starts_with(start.as_str()));
    let (drawn, missing): (Vec<_>, Vec<_>) =
        report.missing.into_iter().partition(|name| begins(name, new));
    if let Some(name) = missing.first() {
        return Err(format!(
            "--init: the package has no {name}, of {} parameters it lacks; use the configuration \
             that it was trained with, or name what is new with --init-new",
            missing.len()
        ));
    }
    for name in drawn {
        println!("new: {name}");
    }
    values.retain(|name, _| !begins(name, leave));
    if let Some(name) = values.keys().min() {
        return Err(format!(
            "--init: the configuration has no {name}, of {} parameters of the package; use the \
             configuration that it was trained with, or name what is left out with --init-leave",
            values.len()
        ));
    }
    if let Some(wrong) = report.mismatched.first() {
        return Err(format!(
            "--init: {} is {:?} in the package, {:?} in the configuration",
            wrong.name, wrong.found, wrong.expected
        ));
    }
    Ok(model)
}

/// Ends this process because a rank is lost. Where the rank is waited for, the error comes by that
/// way first; where a long step is computed, nothing else would say it.
fn end_without(loss: &RankError) {
    std::thread::sleep(Duration::from_secs(1));
    let _ = writeln!(std::io::stderr(), "error: {loss}");
    std::process::exit(1);
}

impl Train {
    /// Runs the command.
    pub fn run(self) -> Outcome {
        let file = TrainFile::read(&self.config)?;
        let device = self.device.device()?.autodiff();
        let ranks = join(Box::new(end_without))?;
        let world = World::new()?;
        let stop = Arc::new(AtomicBool::new(false));
        let raised = stop.clone();
        ctrlc::set_handler(move || raised.store(true, Ordering::Relaxed))?;

        let json = std::fs::read(&self.tokenizer)
            .map_err(|e| format!("{}: {e}", self.tokenizer.display()))?;
        let tokenizer = Tokenizer::from_json(&json)?;
        let mut student = Student::fresh(&file.model, file.seed, &device)?;
        if ranks.rank() == 0 {
            println!("{} parameters", student.model.num_params());
        }
        if let Some(folder) = &self.init {
            let package = Package::read(folder, &Device::flex())?;
            student.model = initial(student.model, &package, &self.init_new, &self.init_leave)?;
        } else if let Some(pinned) = &file.tower {
            student.model = init_tower(student.model, Path::new(&local(pinned)?))?;
        }
        let photos = file.photos.as_ref().map(|config| self.photos(config, &file, &student));
        let sources = Sources { file: &file, tokenizer: &tokenizer, photos: photos.transpose()? };

        let (first, pictures) = (file.sight.first_seed, file.sight.pictures);
        let drawn = SceneSource::sight(&file, &world, &tokenizer);
        let source = sources.beside(drawn, (first, pictures), false)?;
        let task = SightTask::new(&file, &tokenizer, &*source)?;
        let (dir, place) = (self.run.join("sight"), (&device, &*ranks));
        let (student, done) = run(&task, student, &file.sight.run, &dir, place, &stop)?;
        if !done || self.sight_only {
            return Ok(ranks.leave()?);
        }
        let (first, pictures) = (file.train.first_seed, file.train.pictures);
        let drawn = SceneSource::full(&file, &world, &tokenizer);
        let source = sources.beside(drawn, (first, pictures), true)?;
        let task = FullTask::new(&file, &tokenizer, &*source)?;
        run(&task, student, &file.train.run, &self.run.join("full"), place, &stop)?;
        Ok(ranks.leave()?)
    }

    /// The photos of `--data`, and the student's towers, which stay as they are.
    fn photos<'a>(
        &self,
        config: &'a PhotoConfig,
        file: &TrainFile,
        student: &Student,
    ) -> Result<Photos<'a>, Box<dyn std::error::Error>> {
        let folder = self.data.as_ref();
        let folder =
            folder.ok_or("the configuration asks for photos; name their folder with --data")?;
        let collection = Collection::open(folder)?;
        for fault in &collection.faults {
            eprintln!("left out: {fault}");
        }
        let (model, limit) = (student.valid().model, self.cache_gb << 30);
        let towers = FrozenTowers::new(&model, &file.model, self.cache.clone(), limit)?;
        Ok(Photos { config, photos: collection.photos, towers })
    }
}

/// What stages learn from.
struct Sources<'a> {
    file: &'a TrainFile,
    tokenizer: &'a Tokenizer,
    photos: Option<Photos<'a>>,
}

struct Photos<'a> {
    config: &'a PhotoConfig,
    photos: Vec<Photo>,
    towers: FrozenTowers,
}

impl Sources<'_> {
    /// The source of a stage that takes `pictures` a step from seed `first` on: photos beside the
    /// scenes where there are photos, else the scenes alone.
    fn beside<'s>(
        &'s self,
        drawn: SceneSource<'s>,
        (first, pictures): (u64, usize),
        dialogues: bool,
    ) -> Result<Box<dyn Source + 's>, String> {
        let Some(Photos { config, photos, towers }) = &self.photos else {
            return Ok(Box::new(drawn));
        };
        let some = (pictures as f64 * config.share).round() as usize;
        let shared = (self.tokenizer, towers);
        let seen = PhotoSource::new(self.file, config, photos, shared, (first, some), dialogues)?;
        let drawn = drawn.with_towers(towers, pictures - some, config.scenes);
        Ok(Box::new(MixSource { sources: vec![Box::new(seen), Box::new(drawn)] }))
    }
}
