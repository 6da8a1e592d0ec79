//! Held-out questions, always the same ones: of records, else of photos, else of scenes.

use crate::config::{ScoreConfig, TrainFile};
use crate::source::records::is_held_out;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use refvlm_data::{Photo, RecordSet, Split as Side, View, dialogues, split};
use refvlm_eval::evaluate::{Sample, TABLE_KINDS, scene_samples, turns_of};
use refvlm_files::picture::Picture;
use refvlm_scenes::{SceneOptions, Split, World};
use std::collections::BTreeSet;

/// The name of the mean over all questions.
pub const SCORE: &str = "score";

/// Stream of the random numbers that questions about photos are drawn with.
const STREAM: u64 = 1 << 32;

/// Questions by picture.
#[derive(Debug, Clone, Default)]
pub struct Questions {
    /// Pictures with what is asked about each.
    pub(super) groups: Vec<(Picture, Vec<Sample>)>,
    /// Titles of those that the page shows.
    pub(super) shown: BTreeSet<String>,
}

impl Questions {
    /// The held-out questions of the first source that there is. What cannot be read is passed over:
    /// the source says so when it is learned from.
    pub fn new(file: &TrainFile, world: &World, records: &[RecordSet], photos: &[Photo]) -> Self {
        let config = &file.scores;
        let groups = match () {
            () if config.pictures == 0 => Vec::new(),
            () if !records.is_empty() => of_records(records, file),
            () if !photos.is_empty() => of_photos(photos, file),
            () => of_scenes(world, file),
        };
        let shown = shown(&groups, config);
        Self { groups, shown }
    }

    /// Whether nothing is asked.
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }
}

/// One question of each of the first pictures, of another kind each where there are such.
fn shown(groups: &[(Picture, Vec<Sample>)], config: &ScoreConfig) -> BTreeSet<String> {
    let mut kinds = BTreeSet::new();
    let pick = |(_, samples): &(Picture, Vec<Sample>)| {
        let new = samples.iter().find(|sample| !kinds.contains(&sample.kind));
        let sample = new.or(samples.first())?;
        kinds.insert(sample.kind.clone());
        Some(sample.title())
    };
    groups.iter().filter_map(pick).take(config.shown).collect()
}

fn of_scenes(world: &World, file: &TrainFile) -> Vec<(Picture, Vec<Sample>)> {
    let options = SceneOptions { split: Split::HeldOut, ..file.scenes.clone() };
    let scene = |seed: usize| {
        // Each picture begins with another kind, so that a few questions of each show all kinds.
        let mut kinds = TABLE_KINDS;
        kinds.rotate_left(seed * file.scores.questions % TABLE_KINDS.len());
        let (picture, mut samples) = scene_samples(world, seed as u64, &options, &kinds);
        samples.truncate(file.scores.questions);
        (picture, samples)
    };
    (0..file.scores.pictures).map(scene).collect()
}

fn of_records(sets: &[RecordSet], file: &TrainFile) -> Vec<(Picture, Vec<Sample>)> {
    let mut groups: Vec<(Picture, Vec<Sample>)> = Vec::new();
    let mut paths: Vec<(String, String)> = Vec::new();
    let mut ids = BTreeSet::new();
    for (set, index) in sets.iter().flat_map(|set| (0..set.len()).map(move |index| (set, index))) {
        let Ok(mut record) = set.record(index) else { continue };
        if !is_held_out(&record, file.records.held_out) || !ids.insert(record.id.clone()) {
            continue;
        }
        let key = (record.source.clone(), record.image.path.clone());
        let known = paths.iter().position(|path| *path == key);
        let full = match known {
            Some(at) => groups[at].1.len() >= file.scores.questions,
            None => groups.len() >= file.scores.pictures,
        };
        if full || set.fill_depths(index, &mut record).is_err() {
            continue;
        }
        let at = match known {
            Some(at) => at,
            None => {
                let Ok(picture) = set.picture(index, &record) else { continue };
                groups.push((picture, Vec::new()));
                paths.push(key);
                groups.len() - 1
            }
        };
        groups[at].1.extend(turns_of(record, |_| true));
        groups[at].1.truncate(file.scores.questions);
    }
    groups
}

fn of_photos(photos: &[Photo], file: &TrainFile) -> Vec<(Picture, Vec<Sample>)> {
    let Some(config) = &file.photos else { return Vec::new() };
    let mut held_out: Vec<&Photo> =
        photos.iter().filter(|photo| split::of(photo) == Side::Validation).collect();
    held_out.sort_by_key(|photo| (photo.source.name.clone(), photo.stem()));
    // Spread over all sources.
    let stride = (held_out.len() / file.scores.pictures.max(1)).max(1);
    let mut options = config.dialogues.clone();
    options.turns = file.scores.questions;
    let longest = file.model.visual_encoder.image_size() as u32;
    let one = |(number, photo): (usize, &Photo)| {
        let mut rng = ChaCha8Rng::seed_from_u64(number as u64);
        rng.set_stream(STREAM);
        let view = View::numbered(0, photo).scaled_to(longest);
        let seen = view.photo(photo);
        let dialogue = dialogues(&seen, &mut rng, &options)?;
        let rgb = view.picture(photo, &photo.load().ok()?).into_raw();
        let picture = Picture { width: seen.width, height: seen.height, rgb };
        let mut record = dialogue.record;
        record.id = format!("{}/{}", photo.source.name, photo.stem());
        Some((picture, turns_of(record, |_| true)))
    };
    let chosen = held_out.into_iter().step_by(stride).enumerate();
    chosen.filter_map(one).take(file.scores.pictures).collect()
}
