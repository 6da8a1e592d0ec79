//! `refvlm train`.

use super::Outcome;
use super::import::local;
use burn::module::Module;
use burn::tensor::Device;
use clap::ValueEnum;
#[cfg(feature = "cuda")]
use refvlm_collective::Place;
use refvlm_collective::{RankError, join};
use refvlm_data::{Collection, Photo, RecordSet};
use refvlm_model::layers::is_lora;
use refvlm_model::package::TOKENIZER_FILE;
use refvlm_model::package::by_name::load_by_name;
use refvlm_model::refvlm::RefVlm;
use refvlm_model::triplet::Tokenizer;
use refvlm_native::import::init_tower;
use refvlm_native::package::{Package, begins, values_of};
use refvlm_native::train::ahead::ahead;
use refvlm_native::train::checkpoint::Base;
use refvlm_native::train::config::{PhotoConfig, Setting};
use refvlm_native::train::judge::{Examiner, Questions};
use refvlm_native::train::lock::RunLock;
use refvlm_native::train::resolved::keep;
use refvlm_native::train::source::Source;
use refvlm_native::train::source::mix::MixSource;
use refvlm_native::train::source::photos::PhotoSource;
use refvlm_native::train::source::records::RecordSource;
use refvlm_native::train::source::scenes::SceneSource;
use refvlm_native::train::stage::{FullTask, SightTask, Student};
use refvlm_native::train::tower::FrozenTowers;
use refvlm_native::train::{TrainFile, run};
use refvlm_scenes::World;
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
    /// A value in place of the file's, as train.loop.optim.lr=2e-5: a key of the file with dots, and a
    /// value as TOML writes it. May be given several times.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<Setting>,
    /// Folder of the run: checkpoints and log.
    #[arg(long, default_value = "runs/scenes")]
    run: PathBuf,
    /// Vocabulary; `refvlm tokenizer` makes one. Without it that of `--init`'s package, else
    /// `configs/scenes-tokenizer.json`.
    #[arg(long)]
    tokenizer: Option<PathBuf>,
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
    /// What is not taken from the package of `--init`, because the configuration has it not or of
    /// another size: parameters whose names begin so are left out, as `visual_decoder.boxes`. May be
    /// given several times.
    #[arg(long, value_name = "START", requires = "init")]
    init_leave: Vec<String>,
    /// Photos to learn from, where the configuration asks for some: a folder in COCO format
    /// (`instances.json` and `images/`), or a folder of such folders.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Records to learn from: a folder or file that `refvlm data build` or `refvlm data shard` made, or
    /// one of your own. May be given several times. Pictures that shards only refer to are below
    /// `--data`.
    #[arg(long, value_name = "FOLDER")]
    records: Vec<PathBuf>,
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
/// begin with one of `leave` are left out; those that begin with one of `new` may be missing and keep
/// what the seed drew.
fn initial(
    model: RefVlm,
    package: &Package,
    new: &[String],
    leave: &[String],
) -> Result<RefVlm, String> {
    let mut values = values_of(&package.model);
    values.retain(|name, _| !begins(name, leave));
    let (model, report) = load_by_name(model, &mut |name, _| values.remove(name));
    // Adapters that are to be trained add nothing yet.
    let missing = report.missing.into_iter().filter(|name| !is_lora(name));
    let (drawn, missing): (Vec<_>, Vec<_>) = missing.partition(|name| begins(name, new));
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
    if let Some(name) = values.keys().min() {
        return Err(format!(
            "--init: the configuration has no {name}, of {} parameters of the package; use the \
             configuration that it was trained with, or name what is left out with --init-leave",
            values.len()
        ));
    }
    if let Some(wrong) = report.mismatched.first() {
        return Err(format!(
            "--init: {0} is {1:?} in the package, {2:?} in the configuration; use the configuration \
             that it was trained with, or leave it out by --init-leave {0} and draw it anew by \
             --init-new {0}",
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
        let package = self.init.as_ref().map(|folder| Package::read(folder, &Device::flex()));
        let package = package.transpose()?;
        let base = package.as_ref().map(|package| &package.config);
        let file = TrainFile::read_with(&self.config, base, &self.set)?;
        let device = self.device.device()?.autodiff();
        let ranks = join(Box::new(end_without))?;
        let world = World::new()?;
        let stop = Arc::new(AtomicBool::new(false));
        let raised = stop.clone();
        ctrlc::set_handler(move || raised.store(true, Ordering::Relaxed))?;

        let vocabulary = match (&self.tokenizer, &self.init) {
            (Some(path), _) => path.clone(),
            (None, Some(package)) => package.join(TOKENIZER_FILE),
            (None, None) => PathBuf::from("configs/scenes-tokenizer.json"),
        };
        let json =
            std::fs::read(&vocabulary).map_err(|e| format!("{}: {e}", vocabulary.display()))?;
        let tokenizer = Tokenizer::from_json(&json)?;
        let file = file.with_words(&tokenizer)?;
        let mut student = Student::fresh(&file.model, file.seed, &device)?;
        // Held as long as the run goes on.
        let mut lock = None;
        if ranks.rank() == 0 {
            lock = Some(RunLock::take(&self.run)?);
            println!("{} parameters", student.model.num_params());
            let stages = [("sight", &file.sight.run), ("full", &file.train.run)];
            ahead(&self.run, &stages)?.iter().for_each(|line| println!("{line}"));
            for change in keep(&self.run, &file, &json)? {
                println!("changed since the last start: {change}");
            }
        }
        if let Some(package) = &package {
            student.model = initial(student.model, package, &self.init_new, &self.init_leave)?;
        } else if let Some(pinned) = &file.tower {
            student.model = init_tower(student.model, Path::new(&local(pinned)?))?;
        }
        let photos = file.photos.as_ref().map(|config| self.photos(config)).transpose()?;
        let root = self.data.as_deref();
        let records = self.records.iter().map(|path| RecordSet::open(path, root));
        let records = records.collect::<Result<Vec<_>, _>>()?;
        for (path, set) in self.records.iter().zip(&records).filter(|_| ranks.rank() == 0) {
            println!("{}: {} records", path.display(), set.len());
        }
        // A classifier that is trained on would no longer say what its classes are.
        let frozen = photos.is_some() || file.model.visual_encoder.classes().is_some();
        let towers = frozen.then(|| {
            let (model, limit) = (student.valid().model, self.cache_gb << 30);
            FrozenTowers::new(&model, &file.model, self.cache.clone(), limit)
        });
        let towers = towers.transpose()?;
        let sources = Sources { file: &file, tokenizer: &tokenizer, photos, records, towers };

        let (mut sight, mut full) = (file.adapted(&file.sight.run), file.adapted(&file.train.run));
        // Where rules may train other parts in the first stage, checkpoints hold everything.
        // So they do where the package has not everything.
        let alone = file.sight.run.steps == 0 || file.sight.run.parts.is_empty();
        let alone = alone && self.init_new.is_empty();
        if let Some(folder) = self.init.as_ref().filter(|_| alone && !file.train.lora.is_empty()) {
            let base = Base::of(folder)?;
            (sight.base, full.base) = (Some(base.clone()), Some(base));
        }
        let (first, pictures) = (file.sight.first_seed, file.sight.pictures);
        let drawn = SceneSource::sight(&file, &world, &tokenizer);
        let source = sources.beside(drawn, (first, pictures), false)?;
        let page = Examiner::new(&self.run, &file, &tokenizer, Questions::default());
        let task = SightTask::new(&file, &tokenizer, &*source)?.with_judge(&page);
        let (dir, place) = (self.run.join("sight"), (&device, &*ranks));
        let (student, done) = run(&task, student, &sight, &dir, place, &stop)?;
        if !done || self.sight_only {
            return Ok(ranks.leave()?);
        }
        let (first, pictures) = (file.train.first_seed, file.train.pictures);
        let drawn = SceneSource::full(&file, &world, &tokenizer);
        let source = sources.beside(drawn, (first, pictures), true)?;
        let photos = sources.photos.as_ref().map_or(&[][..], |photos| &photos.photos);
        let questions = match ranks.rank() {
            0 => Questions::new(&file, &world, &sources.records, photos),
            _ => Questions::default(),
        };
        let judge = Examiner::new(&self.run, &file, &tokenizer, questions);
        let task = FullTask::new(&file, &tokenizer, &*source)?.with_judge(&judge);
        let dir = self.run.join("full");
        let (_, done) = run(&task, student, &full, &dir, place, &stop)?;
        if done && ranks.rank() == 0 {
            let shown = self.run.display();
            println!("next: refvlm export --run {shown} --out {shown}-package");
        }
        drop(lock);
        Ok(ranks.leave()?)
    }

    /// The photos of `--data`.
    fn photos<'a>(
        &self,
        config: &'a PhotoConfig,
    ) -> Result<Photos<'a>, Box<dyn std::error::Error>> {
        let folder = self.data.as_ref();
        let folder =
            folder.ok_or("the configuration asks for photos; name their folder with --data")?;
        let collection = Collection::open(folder)?;
        for fault in &collection.faults {
            eprintln!("left out: {fault}");
        }
        Ok(Photos { config, photos: collection.photos })
    }
}

/// What stages learn from.
struct Sources<'a> {
    file: &'a TrainFile,
    tokenizer: &'a Tokenizer,
    photos: Option<Photos<'a>>,
    records: Vec<RecordSet>,
    /// Towers that stay as they are.
    towers: Option<FrozenTowers>,
}

/// How many scenes there are for frozen towers where the configuration has no photos to say so.
const FROZEN_SCENES: u64 = 1500;

struct Photos<'a> {
    config: &'a PhotoConfig,
    photos: Vec<Photo>,
}

impl Sources<'_> {
    /// The source of a stage that takes `pictures` a step from seed `first` on: records, beside them
    /// photos, and scenes for the rest.
    fn beside<'s>(
        &'s self,
        drawn: SceneSource<'s>,
        (first, pictures): (u64, usize),
        dialogues: bool,
    ) -> Result<Box<dyn Source + 's>, String> {
        let some = |of: usize, share: f64| (of as f64 * share.clamp(0.0, 1.0)).round() as usize;
        let mut sources: Vec<Box<dyn Source + 's>> = Vec::new();
        let mut left = pictures;
        if !self.records.is_empty() {
            let config = &self.file.records;
            let count = some(left, config.share);
            let shared = (self.tokenizer, self.towers.as_ref());
            let stage = (first, count);
            let records = &self.records;
            let source = RecordSource::new(self.file, config, records, shared, stage, dialogues);
            sources.push(Box::new(source));
            left -= count;
        }
        if let (Some(Photos { config, photos }), Some(towers)) = (&self.photos, &self.towers) {
            let count = some(left, config.share);
            let shared = (self.tokenizer, towers);
            let stage = (first, count);
            let source = PhotoSource::new(self.file, config, photos, shared, stage, dialogues)?;
            sources.push(Box::new(source));
            left -= count;
        }
        let scenes = self.photos.as_ref().map_or(FROZEN_SCENES, |photos| photos.config.scenes);
        let drawn = match &self.towers {
            Some(towers) => drawn.with_towers(towers, left, scenes),
            None => drawn.with_pictures(left),
        };
        if sources.is_empty() {
            return Ok(Box::new(drawn));
        }
        sources.push(Box::new(drawn));
        Ok(Box::new(MixSource { sources }))
    }
}
