//! `refvlm data build` and `refvlm data preview`: data sets become records, and records a page.

use super::say::{left_out, note, say};
use super::{Outcome, bar, counter};
use clap::{Args, ValueEnum};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use refvlm_data::{Collection, Photo, Split, build, judge, recipe, split};
use refvlm_native::output::{Staging, check_file, check_folder};
use refvlm_native::picture::Picture;
use refvlm_native::records::{
    RecordWriter, Records, folder_of, load_depths, load_picture, record_file,
};
use refvlm_native::report::{Card, Sheet};
use refvlm_record::{AnswerPart, Record};
use std::error::Error;
use std::path::{Path, PathBuf};

/// Build a folder of records from data sets.
#[derive(Debug, Args)]
pub struct Build {
    /// A folder in a known layout (COCO, YOLO, VQAv2, GRIT and others), or a folder of such folders.
    #[arg(long, value_name = "FOLDER")]
    data: PathBuf,
    /// Write `records.jsonl` and `pictures` into this folder.
    #[arg(short, long, value_name = "DIR")]
    out: PathBuf,
    /// Write into the folder though it is not empty.
    #[arg(long)]
    force: bool,
    /// Which photos: those for training or those kept for validation.
    #[arg(long, value_enum, default_value = "train")]
    split: Side,
    /// What is asked.
    #[arg(long, value_enum, default_value = "dialogues")]
    recipe: Recipe,
    /// Seed of the random numbers.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// The largest number of records, or of photos for the judge; all by default.
    #[arg(long)]
    limit: Option<usize>,
    /// Questions per photo (dialogues only).
    #[arg(long, default_value_t = 4)]
    per_picture: usize,
    /// How it is asked (dialogues only): in the words of the training, or in those kept out of it.
    /// By default photos for training are asked in the former, others in the latter.
    #[arg(long, value_enum)]
    wordings: Option<Wordings>,
}

/// Which words a question is asked in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Wordings {
    /// Those that training asks in.
    Training,
    /// Those that it never sees.
    Unseen,
}

/// A side of the split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Side {
    /// Photos for training.
    Train,
    /// Photos kept for validation.
    Validation,
}

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Recipe {
    /// Random questions of every kind that the labels support, and the source's own.
    Dialogues,
    /// Every thing of at least 1 % of its photo: its mask by box, click, scribble and rough mask,
    /// and its name.
    Judge,
}

impl Build {
    /// Runs the command.
    pub fn run(self) -> Outcome {
        check_folder(&self.out, &[&self.data], self.force)?;
        let staging = Staging::begin(&self.out)?;
        let count = match self.recipe {
            Recipe::Dialogues => self.dialogues(staging.path())?,
            Recipe::Judge => self.judge(staging.path())?,
        };
        staging.finish()?;
        let path = self.out.join("records.jsonl");
        say!("{}: {}", path.display(), super::say::count(count, "record"));
        Ok(())
    }

    fn dialogues(&self, out: &Path) -> Result<usize, Box<dyn Error>> {
        let (side, usual) = match self.split {
            Side::Train => (recipe::Side::Train, recipe::Wordings::Training),
            Side::Validation => (recipe::Side::Validation, recipe::Wordings::Unseen),
        };
        let wordings = self.wordings.map_or(usual, |wordings| match wordings {
            Wordings::Training => recipe::Wordings::Training,
            Wordings::Unseen => recipe::Wordings::Unseen,
        });
        let recipe = recipe::Recipe::of_folder(self.seed, side, wordings, self.per_picture);
        let build = build::Build::open(recipe, &self.data, build::Part::WHOLE)?;
        let limit = self.limit.map_or(u64::MAX, |limit| limit as u64);
        let bar = counter("records");
        let state = build::write_folder(build, out, limit, &mut |count| bar.set_position(count))?;
        bar.finish_and_clear();
        let mut count = 0;
        for source in &state.sources {
            note(&source.tally);
            left_out(&source.tally.faults, source.tally.faults.len());
            count += source.tally.records as usize;
        }
        Ok(count.min(self.limit.unwrap_or(usize::MAX)))
    }

    fn judge(&self, out: &Path) -> Result<usize, Box<dyn Error>> {
        let collection = Collection::open(&self.data)?;
        left_out(&collection.faults, collection.dropped);
        if collection.conversations > 0 {
            note(format_args!("passed over: {} conversations", collection.conversations));
        }
        let side = match self.split {
            Side::Train => Split::Train,
            Side::Validation => Split::Validation,
        };
        let photos = collection.photos.iter().enumerate();
        let photos: Vec<(usize, &Photo)> = photos
            .filter(|(_, photo)| split::of(photo) == side)
            .take(self.limit.unwrap_or(usize::MAX))
            .collect();
        let mut writer = RecordWriter::create(&out.join("records.jsonl"))?;
        let bar = bar(photos.len() as u64, "photos");
        let mut count = 0;
        for (number, photo) in photos {
            let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
            rng.set_stream(number as u64);
            let records = judge::records(photo, &mut rng);
            if !records.is_empty() {
                let image = photo.load()?;
                let picture =
                    Picture { width: photo.width, height: photo.height, rgb: image.into_raw() };
                for (_, record) in &records {
                    writer.add(record, &picture)?;
                }
            }
            count += records.len();
            bar.inc(1);
        }
        writer.finish()?;
        bar.finish_and_clear();
        Ok(count)
    }
}

/// Make a page that shows records with every target drawn.
#[derive(Debug, Args)]
pub struct Preview {
    /// The JSON Lines file, or its folder.
    #[arg(long, value_name = "FILE")]
    records: PathBuf,
    /// The page.
    #[arg(short, long, value_name = "PAGE.html")]
    out: PathBuf,
    /// Replace the page.
    #[arg(long)]
    force: bool,
    /// First record.
    #[arg(long, default_value_t = 0)]
    skip: usize,
    /// Number of records.
    #[arg(long, default_value_t = 48)]
    count: usize,
}

impl Preview {
    /// Runs the command.
    pub fn run(self) -> Outcome {
        let file = record_file(&self.records);
        check_file(&self.out, &[&file], self.force)?;
        let folder = folder_of(&file);
        let mut cards = Vec::new();
        for line in Records::open(&file)?.skip(self.skip).take(self.count) {
            let (_, mut record) = line?;
            load_depths(folder, &mut record)?;
            let picture = load_picture(folder, &record)?;
            cards.push(Card::of_record(&picture, &record, &names(&record)));
        }
        let sheet = Sheet {
            title: "Records".into(),
            subtitle: format!("{}, {} from {}", self.records.display(), cards.len(), self.skip),
            cards,
            ..Sheet::default()
        };
        sheet.write(&self.out)?;
        say!("{}", self.out.display());
        Ok(())
    }
}

/// What the turns call each target.
fn names(record: &Record) -> Vec<String> {
    let mut names = vec![String::from("object"); record.targets.len()];
    for part in record.turns.iter().flat_map(|turn| &turn.answer) {
        let AnswerPart::Triplet { concept, targets, .. } = part else { continue };
        for &target in targets {
            if let Some(name) = names.get_mut(target) {
                name.clone_from(concept);
            }
        }
    }
    names
}
