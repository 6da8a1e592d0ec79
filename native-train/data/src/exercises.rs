//! Exercises in reading what a classifier says: questions about a thing whose class goes by another
//! name.
//!
//! A small language model learns from a few thousand photos to know the few things that they show,
//! and then calls a giraffe by the name that its photos have for what stands on grass. A classifier
//! of a thousand classes knows far more, and what it says is read in the same way for all of them.
//! So each exercise deals the nouns of all classes anew, and asks for the new name of a thing: it
//! can be had from the classifier's row only, which is as unsure, and as often wrong, as it is
//! about that thing.

use crate::dealing::{Dealt, may_be_dealt};
use crate::dialogues::{Kind, dialogue_of};
use crate::photo::{Photo, Thing};
use crate::wording::WordingSet;
use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;
use refvlm_record::{QuestionPart, Record};

/// Share of yes-or-no questions.
const QUESTION_SHARE: f64 = 0.25;

/// Questions about one photo, of one prompt each, in the order of the prompts.
#[derive(Debug, Clone, PartialEq)]
pub struct Exercises {
    /// Prompts and turns; no targets.
    pub record: Record,
    /// For each prompt which class each of [`crate::words::imagenet`]'s classes counts as.
    pub renamed: Vec<Vec<u16>>,
}

/// At most `count` exercises about things of the photo that the classifier has a word for.
pub fn exercises(photo: &Photo, count: usize, rng: &mut ChaCha8Rng) -> Option<Exercises> {
    let known = |thing: &&Thing| !thing.crowd && may_be_dealt(thing.noun());
    let things: Vec<&Thing> = photo.things.iter().filter(known).collect();
    let mut made: Option<Exercises> = None;
    for _ in 0..count {
        let thing = *things.choose(rng)?;
        let dealt = Dealt::new(&[thing.noun()], rng);
        let category = dealt.name(thing.noun())?.to_string();
        let renamed = dealt.classes;
        let kind =
            if rng.random_bool(QUESTION_SHARE) { Kind::RegionQuestion } else { Kind::RegionLabel };
        let thing = Thing { name: Some(category.clone()), category, ..thing.clone() };
        let shown = Photo { things: vec![thing], ..photo.clone() };
        let Some(dialogue) = dialogue_of(kind, &shown, rng, WordingSet::Training) else { continue };
        let mut record = dialogue.record;
        record.targets.clear();
        match &mut made {
            Some(made) => made.add(record, renamed),
            None => {
                made = Some(Exercises { renamed: vec![renamed; record.prompts.len()], record });
            }
        }
    }
    made
}

impl Exercises {
    fn add(&mut self, mut record: Record, renamed: Vec<u16>) {
        let before = self.record.prompts.len();
        for part in record.turns.iter_mut().flat_map(|turn| &mut turn.question) {
            if let QuestionPart::Prompt { prompt } = part {
                *prompt += before;
            }
        }
        self.renamed.extend(vec![renamed; record.prompts.len()]);
        self.record.prompts.append(&mut record.prompts);
        self.record.turns.append(&mut record.turns);
    }
}
