//! Scenes, drawn as training goes, and what is said about them.

use super::{Drawn, Source};
use crate::config::TrainFile;
use crate::task::Part;
use crate::tower::FrozenTowers;
use rand::seq::IteratorRandom;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use refvlm_model::image::{Frame, Picture};
use refvlm_model::learning::example::{Example, Sought};
use refvlm_model::triplet::Tokenizer;
use refvlm_record::Record;
use refvlm_scenes::dialog::{dialogues, pointing};
use refvlm_scenes::{Scene, SceneOptions, Split, Stream, World, scene_rng};
use std::collections::BTreeMap;
use std::ops::Range;

/// Pictures of the held-out loss of seeing and pointing.
const HELD_OUT_SIGHT: u64 = 32;
/// Pictures of the held-out loss of the whole; `refvlm eval` scores all of them.
const HELD_OUT_FULL: u64 = 16;
/// Classes that a scene does not show and that are looked for all the same.
const ABSENT: usize = 3;

/// A world as a source. A scene's seed is its place in the run, so a step's data follow from its
/// number.
#[derive(Clone, Copy)]
pub struct SceneSource<'a> {
    file: &'a TrainFile,
    world: &'a World,
    tokenizer: &'a Tokenizer,
    first_seed: u64,
    pictures: usize,
    held_out: u64,
    dialogues: bool,
    frozen: Option<Frozen<'a>>,
}

/// Towers that are not trained, and how many scenes there are for them to see.
#[derive(Clone, Copy)]
struct Frozen<'a> {
    towers: &'a FrozenTowers,
    scenes: u64,
}

impl<'a> SceneSource<'a> {
    /// For seeing and pointing: scenes without dialogues. `tokenizer` makes examples of records,
    /// though nothing is read.
    pub fn sight(file: &'a TrainFile, world: &'a World, tokenizer: &'a Tokenizer) -> Self {
        let (first_seed, pictures) = (file.sight.first_seed, file.sight.pictures);
        let (held_out, dialogues) = (HELD_OUT_SIGHT, false);
        Self { file, world, tokenizer, first_seed, pictures, held_out, dialogues, frozen: None }
    }

    /// For the whole model: scenes with dialogues.
    pub fn full(file: &'a TrainFile, world: &'a World, tokenizer: &'a Tokenizer) -> Self {
        let (first_seed, pictures) = (file.train.first_seed, file.train.pictures);
        let (held_out, dialogues) = (HELD_OUT_FULL, true);
        Self { file, world, tokenizer, first_seed, pictures, held_out, dialogues, frozen: None }
    }

    /// The same with frozen towers: `pictures` of them a step, and after `scenes` the first comes
    /// again.
    pub fn with_towers(self, towers: &'a FrozenTowers, pictures: usize, scenes: u64) -> Self {
        Self { pictures, frozen: Some(Frozen { towers, scenes: scenes.max(1) }), ..self }
    }

    /// The same with another number of pictures a step.
    pub fn with_pictures(self, pictures: usize) -> Self {
        Self { pictures, ..self }
    }

    fn of_seeds(&self, seeds: Range<u64>, split: Split) -> Result<Drawn, String> {
        let options = SceneOptions { split, ..self.file.scenes.clone() };
        let draw = |number: u64| {
            // What is asked about a scene that comes again is new.
            let seed = match self.frozen.filter(|_| split == Split::Train) {
                Some(frozen) => self.first_seed + (number - self.first_seed) % frozen.scenes,
                None => number,
            };
            let scene = self.world.scene(seed, &options);
            let mut rng = scene_rng(number, split, Stream::Pointing);
            let record = pointing(&scene, &mut rng);
            let mut pointing = self.example(&scene, split, &record)?;
            if self.file.model.finder.is_some() {
                pointing.sought = self.sought(&scene, &pointing.frame, &mut rng)?;
            }
            let example = match self.dialogues {
                true => {
                    let mut rng = scene_rng(number, split, Stream::Dialogues);
                    let dialogue = dialogues(&scene, &mut rng, &self.file.dialogues);
                    Some(self.example(&scene, split, &dialogue.record)?)
                }
                false => None,
            };
            Ok::<_, String>((scene, (example, pointing)))
        };
        let drawn: Vec<_> = seeds.into_par_iter().map(draw).collect::<Result<_, _>>()?;
        let (scenes, examples): (_, Vec<_>) = drawn.into_iter().unzip();
        let (examples, pointing): (Vec<_>, _) = examples.into_iter().unzip();
        let examples = examples.into_iter().flatten().collect();
        Ok(Drawn { examples, pointing, truth: Some(scenes), ..Drawn::default() })
    }

    /// The classes of a scene with all of their things, and some that it does not show.
    fn sought(
        &self,
        scene: &Scene,
        frame: &Frame,
        rng: &mut ChaCha8Rng,
    ) -> Result<Vec<Sought>, String> {
        let setup = self.file.setup(self.tokenizer);
        let mut things: BTreeMap<&str, Vec<[f32; 4]>> = BTreeMap::new();
        for object in &scene.objects {
            things.entry(object.class).or_default().push(object.bbox);
        }
        let absent = scene.classes.iter().copied().filter(|class| !things.contains_key(class));
        let absent: Vec<&str> = absent.choose_multiple(rng, ABSENT);
        things.extend(absent.into_iter().map(|class| (class, Vec::new())));
        let sought = things.iter().map(|(class, boxes)| setup.sought(class, boxes, frame));
        sought.collect::<Result<_, _>>().map_err(|e| e.to_string())
    }

    fn example(&self, scene: &Scene, split: Split, record: &Record) -> Result<Example, String> {
        let setup = self.file.setup(self.tokenizer);
        let failed = |problem: String| format!("{}: {problem}", record.id);
        if let Some(frozen) = self.frozen {
            let id = format!("scene {split:?} {}", scene.seed);
            let pixels = || Ok(scene.rgb.clone());
            let (frame, look) =
                frozen.towers.look(Some(&id), [scene.width, scene.height], pixels)?;
            let example = setup.example_of(record, frame, look);
            return example.map_err(|e| failed(e.to_string()));
        }
        let picture = Picture::new(scene.width, scene.height, &scene.rgb);
        let picture = picture.map_err(|e| e.to_string())?;
        setup.example(record, picture).map_err(|e| failed(e.to_string()))
    }
}

impl Source for SceneSource<'_> {
    fn draw(&self, step: usize, part: Part) -> Result<Drawn, String> {
        self.of_seeds(part.seeds(self.first_seed, step, self.pictures), Split::Train)
    }

    fn held_out(&self) -> Result<Drawn, String> {
        self.of_seeds(0..self.held_out, Split::HeldOut)
    }
}
