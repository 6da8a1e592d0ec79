//! Photos with labels: views of them, what is pointed at and what is asked.

use super::{Drawn, Source};
use crate::config::{PhotoConfig, TrainFile};
use crate::task::Part;
use crate::tower::FrozenTowers;
use image::RgbImage;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use refvlm_data::{
    DialogueOptions, Kind, Photo, Split, View, dialogues, exercises, paste, pointing, renamed,
    sought, split,
};
use refvlm_model::learning::example::Example;
use refvlm_model::triplet::Tokenizer;
use refvlm_record::Record;
use std::collections::BTreeMap;

/// Pictures of the held-out loss that the log follows.
const HELD_OUT: u64 = 48;
/// Photos whose things may be pasted into another one.
const DONORS: usize = 2;
/// Draws of a photo until one offers something to ask about.
const TRIES: u64 = 8;

/// Photos as a source. Which photo, view and question a picture of a step is follows from its
/// number alone.
pub struct PhotoSource<'a> {
    file: &'a TrainFile,
    config: &'a PhotoConfig,
    tokenizer: &'a Tokenizer,
    towers: &'a FrozenTowers,
    train: Groups<'a>,
    held_out: Groups<'a>,
    first_seed: u64,
    pictures: usize,
    dialogues: bool,
}

/// Photos by source, and how likely each source is: the cumulated weights.
struct Groups<'a>(Vec<(f64, Vec<&'a Photo>)>);

impl<'a> Groups<'a> {
    fn new(photos: &'a [Photo], side: Split, config: &PhotoConfig) -> Self {
        let mut by_source: BTreeMap<&str, Vec<&Photo>> = BTreeMap::new();
        for photo in photos.iter().filter(|photo| split::of(photo) == side) {
            by_source.entry(&photo.source.name).or_default().push(photo);
        }
        let mut sum = 0.0;
        let groups = by_source.into_iter().map(|(name, photos)| {
            let weight = config.sources.get(name).copied().unwrap_or(1.0).max(0.0);
            sum += weight * photos.len() as f64;
            (sum, photos)
        });
        Self(groups.collect())
    }

    fn draw(&self, rng: &mut ChaCha8Rng) -> Option<&'a Photo> {
        let sum = self.0.last().map(|(sum, _)| *sum).filter(|sum| *sum > 0.0)?;
        let at = rng.random_range(0.0..sum);
        let (_, photos) = self.0.iter().find(|(until, _)| at < *until)?;
        photos.get(rng.random_range(0..photos.len())).copied()
    }
}

impl<'a> PhotoSource<'a> {
    /// Photos for a stage that takes `pictures` of them a step, with dialogues where it reads
    /// words.
    ///
    /// # Errors
    /// When no photo may be learned from.
    pub fn new(
        file: &'a TrainFile,
        config: &'a PhotoConfig,
        photos: &'a [Photo],
        (tokenizer, towers): (&'a Tokenizer, &'a FrozenTowers),
        (first_seed, pictures): (u64, usize),
        dialogues: bool,
    ) -> Result<Self, String> {
        let train = Groups::new(photos, Split::Train, config);
        let held_out = Groups::new(photos, Split::Validation, config);
        if train.0.last().is_none_or(|(sum, _)| *sum <= 0.0) {
            return Err("no photo to learn from; name another folder in --data".into());
        }
        Ok(Self {
            file,
            config,
            tokenizer,
            towers,
            train,
            held_out,
            first_seed,
            pictures,
            dialogues,
        })
    }

    fn of_seeds(&self, seeds: std::ops::Range<u64>, side: Split) -> Result<Drawn, String> {
        let draw = |seed| (0..TRIES).find_map(|n| self.picture(seed, n, side).transpose());
        let drawn: Vec<_> = seeds.into_par_iter().filter_map(draw).collect::<Result<_, _>>()?;
        let (examples, pointing): (Vec<_>, _) = drawn.into_iter().unzip();
        let examples = examples.into_iter().flatten().collect();
        Ok(Drawn { examples, pointing, ..Drawn::default() })
    }

    /// One picture; none where nothing can be asked about it.
    fn picture(
        &self,
        seed: u64,
        attempt: u64,
        side: Split,
    ) -> Result<Option<(Option<Example>, Example)>, String> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(attempt + if side == Split::Train { 0 } else { TRIES });
        let groups = if side == Split::Train { &self.train } else { &self.held_out };
        let Some(photo) = groups.draw(&mut rng) else { return Ok(None) };
        let number = match side {
            Split::Train => rng.random_range(0..self.config.views.max(1)),
            Split::Validation => 0,
        };
        let longest = self.file.model.visual_encoder.image_size() as u32;
        let view = View::numbered(number, photo).scaled_to(longest);
        let place = |problem: String| format!("{}: {problem}", photo.path.display());
        let pasted =
            side == Split::Train && self.config.pasted > 0.0 && rng.random_bool(self.config.pasted);
        let (seen, pasted) = match pasted {
            true => {
                let (seen, picture) = self.pasted(photo, &view, &mut rng)?;
                (seen, Some(picture))
            }
            false => (view.photo(photo), None),
        };
        let Some(record) = pointing(&seen, self.config.pointed, &mut rng) else { return Ok(None) };
        let renaming = (self.dialogues && rng.random_bool(self.config.renamed))
            .then(|| renamed(&seen, &mut rng));
        let asked = renaming.as_ref().map_or(&seen, |(world, _)| world);
        let dialogue = match self.dialogues {
            true => dialogues(asked, &mut rng, &self.config.dialogues),
            false => None,
        };
        if self.dialogues && dialogue.is_none() {
            return Ok(None);
        }
        // What is seen, not only its number: how views are drawn may change.
        let id = format!("{} {} {view:?}", photo.source.name, photo.stem());
        let id = pasted.is_none().then_some(id.as_str());
        let pixels = || match pasted {
            Some(picture) => Ok(picture.into_raw()),
            None => {
                let picture = photo.load().map_err(|e| e.to_string())?;
                Ok(view.picture(photo, &picture).into_raw())
            }
        };
        let looked = self.towers.look(id, [seen.width, seen.height], pixels);
        let (frame, look) = looked.map_err(place)?;
        let setup = self.file.setup(self.tokenizer);
        let example = |record: &Record| {
            let made = setup.example_of(record, frame, look.clone());
            made.map_err(|e| place(e.to_string()))
        };
        let mut words = dialogue.as_ref().map(|dialogue| example(&dialogue.record)).transpose()?;
        if let (Some(words), Some((world, classes))) = (&mut words, renaming) {
            // What is there and what is not can be had from the picture's row alone.
            let presence = DialogueOptions {
                turns: 2 * self.config.exercises,
                weights: [(Kind::Presence, 1.0)].into(),
                ..DialogueOptions::default()
            };
            let more = (self.config.exercises > 0).then(|| dialogues(&world, &mut rng, &presence));
            if let Some(more) = more.flatten() {
                words.append(example(&more.record)?);
            }
            words.renamed = vec![classes.clone(); words.regions.len()];
            words.renamed_picture = classes;
        } else if let Some(words) = &mut words
            && let Some(made) = exercises(&seen, self.config.exercises, &mut rng)
        {
            words.append(Example { renamed: made.renamed, ..example(&made.record)? });
        }
        let mut pointing = example(&record)?;
        if self.file.model.finder.is_some() {
            let looked_for = sought(&seen, groups.draw(&mut rng), &mut rng).into_iter();
            let looked_for = looked_for.map(|(noun, boxes)| setup.sought(&noun, &boxes, &frame));
            let looked_for = looked_for.collect::<Result<_, _>>();
            pointing.sought = looked_for.map_err(|e| place(e.to_string()))?;
        }
        Ok(Some((words, pointing)))
    }

    /// A view of a photo with things of other photos in it.
    fn pasted(
        &self,
        photo: &Photo,
        view: &View,
        rng: &mut ChaCha8Rng,
    ) -> Result<(Photo, RgbImage), String> {
        let load = |photo: &Photo| photo.load().map_err(|e| e.to_string());
        let (base, picture) = view.apply(photo, &load(photo)?);
        let donors: Vec<&Photo> = (0..DONORS).filter_map(|_| self.train.draw(rng)).collect();
        let loaded: Vec<RgbImage> =
            donors.iter().map(|donor| load(donor)).collect::<Result<_, _>>()?;
        let donors: Vec<_> = donors.into_iter().zip(&loaded).collect();
        Ok(paste((&base, &picture), &donors, rng))
    }
}

impl Source for PhotoSource<'_> {
    fn draw(&self, step: usize, part: Part) -> Result<Drawn, String> {
        self.of_seeds(part.seeds(self.first_seed, step, self.pictures), Split::Train)
    }

    fn held_out(&self) -> Result<Drawn, String> {
        self.of_seeds(0..HELD_OUT, Split::Validation)
    }
}
