//! `refvlm data build` and `refvlm data preview`: photos become records, and records a page.

use super::say::{left_out, note, say};
use super::{Outcome, bar};
use clap::{Args, ValueEnum};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use refvlm_data::{Collection, DialogueOptions, Photo, Split, WordingSet, dialogues, judge, split};
use refvlm_native::output::{Staging, check_file, check_folder};
use refvlm_native::picture::Picture;
use refvlm_native::records::{
    RecordWriter, Records, folder_of, load_depths, load_picture, record_file,
};
use refvlm_native::report::{Card, Sheet};
use refvlm_record::{AnswerPart, Record};
use std::path::PathBuf;

/// Build records from the photos of data sets.
#[derive(Debug, Args)]
pub struct Build {
    /// A folder in a known layout (COCO, YOLO, VOC, LabelMe, CVAT, Label Studio), or a folder of
    /// such folders.
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
    /// The largest number of photos; all by default.
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
    /// Random questions of every kind that the labels support.
    Dialogues,
    /// Every thing of at least 1 % of its photo: its mask by box, click, scribble and rough mask,
    /// and its name.
    Judge,
}

impl Build {
    /// Runs the command.
    pub fn run(self) -> Outcome {
        check_folder(&self.out, &[&self.data], self.force)?;
        let collection = Collection::open(&self.data)?;
        left_out(&collection.faults, collection.dropped);
        if collection.conversations > 0 {
            note(format_args!(
                "passed over: {} conversations, of which records are not yet built",
                collection.conversations
            ));
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
        let staging = Staging::begin(&self.out)?;
        let mut writer = RecordWriter::create(&staging.path().join("records.jsonl"))?;
        let bar = bar(photos.len() as u64, "photos");
        let mut count = 0;
        for (number, photo) in photos {
            let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
            rng.set_stream(number as u64);
            let records = self.records(photo, side, &mut rng);
            if !records.is_empty() {
                let image = photo.load()?;
                let picture =
                    Picture { width: photo.width, height: photo.height, rgb: image.into_raw() };
                for record in &records {
                    writer.add(record, &picture)?;
                }
            }
            count += records.len();
            bar.inc(1);
        }
        writer.finish()?;
        staging.finish()?;
        bar.finish_and_clear();
        let path = self.out.join("records.jsonl");
        say!("{}: {}", path.display(), super::say::count(count, "record"));
        Ok(())
    }

    fn records(&self, photo: &Photo, side: Split, rng: &mut ChaCha8Rng) -> Vec<Record> {
        match self.recipe {
            Recipe::Judge => judge::records(photo, rng).into_iter().map(|(_, r)| r).collect(),
            Recipe::Dialogues => {
                let wordings = match (self.wordings, side) {
                    (Some(Wordings::Training), _) | (None, Split::Train) => WordingSet::Training,
                    (Some(Wordings::Unseen), _) | (None, Split::Validation) => WordingSet::HeldOut,
                };
                let turns = self.per_picture;
                let options = DialogueOptions { turns, wordings, ..DialogueOptions::default() };
                dialogues(photo, rng, &options)
                    .map(|dialogue| dialogue.record)
                    .into_iter()
                    .collect()
            }
        }
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
            rows: Vec::new(),
            objects: Vec::new(),
            cards,
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
