//! A record in the making: the photo's facts, the prompts drawn so far, and small makers of turns.

use crate::english::plural;
use crate::photo::{Photo, Thing};
use crate::prompts::{PromptKind, Shape, draw};
use crate::sources::related;
use crate::wording::{Family, Values, WordingSet};
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;
use refvlm_record::{
    AnswerPart, Image, Mask, Prompt, QuestionPart, Record, Target, Task, Turn, Unit,
};
use std::cell::OnceCell;
use std::collections::HashMap;

/// Most targets of a turn.
pub const MOST_TARGETS: usize = 20;

/// Least side of a box in px to be pointed at.
const LEAST_SIDE_PX: f32 = 3.0;
/// Least area in square px.
const LEAST_AREA_PX: f32 = 16.0;
/// A thing of which other things cover all but this share is not clicked at: the click would mean
/// them.
const LEAST_OWN: f32 = 0.15;

pub(super) struct Draft<'a> {
    pub photo: &'a Photo,
    pub wordings: WordingSet,
    masks: Vec<OnceCell<Option<Mask>>>,
    /// For each pixel one more than the index of the smallest masked thing that covers it.
    owners: OnceCell<Vec<u32>>,
    prompts: Vec<Prompt>,
    targets: Vec<Target>,
    target_of: HashMap<usize, usize>,
}

/// The things of one noun, from left to right.
pub(super) struct Group {
    pub noun: String,
    pub members: Vec<usize>,
}

impl<'a> Draft<'a> {
    pub fn new(photo: &'a Photo, wordings: WordingSet) -> Self {
        Self {
            photo,
            wordings,
            masks: vec![OnceCell::new(); photo.things.len()],
            owners: OnceCell::new(),
            prompts: Vec::new(),
            targets: Vec::new(),
            target_of: HashMap::new(),
        }
    }

    pub fn thing(&self, index: usize) -> Option<&'a Thing> {
        self.photo.things.get(index)
    }

    fn mask(&self, index: usize) -> Option<&Mask> {
        let decoded = || self.thing(index).and_then(Thing::decoded);
        self.masks.get(index)?.get_or_init(decoded).as_ref()
    }

    fn owners(&self) -> &[u32] {
        self.owners.get_or_init(|| {
            let mut masked: Vec<(u64, usize)> = (0..self.photo.things.len())
                .filter_map(|index| Some((self.mask(index)?.area(), index)))
                .collect();
            masked.sort_unstable_by(|a, b| b.cmp(a));
            let mut owners = vec![0; self.photo.width as usize * self.photo.height as usize];
            for (_, index) in masked {
                let Some(mask) = self.mask(index) else { continue };
                for (owner, &pixel) in owners.iter_mut().zip(&mask.pixels) {
                    if pixel != 0 {
                        *owner = index as u32 + 1;
                    }
                }
            }
            owners
        })
    }

    /// The pixels of a thing that no smaller thing covers; none when these are few.
    fn own(&self, index: usize) -> Option<Mask> {
        let mask = self.mask(index)?;
        let number = index as u32 + 1;
        let pixels = self.owners().iter().map(|&owner| u8::from(owner == number)).collect();
        let own = Mask { width: mask.width, height: mask.height, pixels };
        (own.area() as f32 >= LEAST_OWN * mask.area() as f32).then_some(own)
    }

    /// Indices of what can be pointed at: no crowds, nothing that is hardly there.
    pub fn pointable(&self) -> Vec<usize> {
        let things = self.photo.things.iter().enumerate();
        things.filter(|(_, thing)| pointable(thing)).map(|(index, _)| index).collect()
    }

    /// Draws a prompt of one of `kinds` on a thing; none when none of them fits it.
    pub fn point_at(
        &mut self,
        index: usize,
        kinds: &[PromptKind],
        rng: &mut ChaCha8Rng,
    ) -> Option<usize> {
        let thing = self.thing(index).filter(|thing| pointable(thing))?;
        let mask = self.mask(index);
        let own = mask.and_then(|_| self.own(index));
        let hidden = mask.is_some() && own.is_none();
        let shape = Shape {
            size: [self.photo.width, self.photo.height],
            bbox: thing.bbox,
            mask,
            own: own.as_ref(),
            joints: thing.joints.as_ref(),
        };
        let fits = |kind: &&PromptKind| match kind {
            PromptKind::Box => true,
            PromptKind::Mask => mask.is_some(),
            PromptKind::Point => !hidden,
            PromptKind::Scribble => own.is_some() || mask.is_none() && thing.joints.is_some(),
        };
        let mut fitting: Vec<PromptKind> = kinds.iter().filter(fits).copied().collect();
        // Where there is only a box, its middle may lie beside the thing: it is boxed more often.
        if mask.is_none() && thing.joints.is_none() && fitting.len() > 1 {
            fitting.push(PromptKind::Box);
            fitting.retain(|kind| kinds.contains(kind));
        }
        let prompt = fitting.choose(rng).and_then(|kind| draw(*kind, &shape, rng))?;
        self.prompts.push(prompt);
        Some(self.prompts.len() - 1)
    }

    /// The target that stands for a thing.
    pub fn target(&mut self, index: usize) -> Option<usize> {
        if let Some(&target) = self.target_of.get(&index) {
            return Some(target);
        }
        let thing = self.thing(index)?;
        self.targets.push(Target {
            bbox: Some(thing.bbox),
            mask: thing.mask.clone(),
            keypoints: thing.joints.map(|joints| joints.to_vec()),
            depth: None,
        });
        self.target_of.insert(index, self.targets.len() - 1);
        Some(self.targets.len() - 1)
    }

    /// A concept with its targets.
    pub fn triplet(&mut self, concept: &str, unit: Unit, things: &[usize]) -> Option<AnswerPart> {
        let targets: Option<Vec<usize>> = things.iter().map(|&index| self.target(index)).collect();
        Some(AnswerPart::Triplet { concept: concept.into(), unit, targets: targets? })
    }

    /// Named things by noun, each group by its leftmost member.
    pub fn groups(&self) -> Vec<Group> {
        let mut order: Vec<usize> = (0..self.photo.things.len()).collect();
        let left = |index: usize| self.photo.things[index].bbox[0];
        order.sort_by(|&a, &b| left(a).total_cmp(&left(b)));
        let mut groups: Vec<Group> = Vec::new();
        for index in order {
            let Some(name) = &self.photo.things[index].name else { continue };
            match groups.iter_mut().find(|group| group.noun == *name) {
                Some(group) => group.members.push(index),
                None => groups.push(Group { noun: name.clone(), members: vec![index] }),
            }
        }
        groups
    }

    /// Whether every one of a group carries the unit and none is several in one.
    pub fn all_carry(&self, members: &[usize], unit: Unit) -> bool {
        members.iter().all(|&index| {
            self.thing(index).is_some_and(|thing| !thing.crowd && carries(thing, unit))
        })
    }

    /// Whether every instance of the noun in the picture is among the things.
    pub fn complete_for(&self, noun: &str) -> bool {
        self.photo.complete_for.contains(noun)
    }

    /// A noun of which nothing is there, nor anything that some would call so.
    pub fn absent(&self, rng: &mut ChaCha8Rng) -> Option<&'a str> {
        let there = |noun: &str| self.photo.things.iter().any(|thing| related(thing.noun(), noun));
        let absent: Vec<&str> =
            self.photo.complete_for.iter().map(String::as_str).filter(|n| !there(n)).collect();
        absent.choose(rng).copied()
    }

    /// The noun, or now and then another one for the same.
    pub fn said(&self, noun: &str, rng: &mut ChaCha8Rng) -> String {
        use rand::Rng;
        let also = self.photo.source.also(noun).choose(rng);
        also.filter(|_| rng.random_bool(0.25)).map_or_else(|| noun.to_string(), String::clone)
    }

    pub fn ask(&self, family: Family, values: &Values, rng: &mut ChaCha8Rng) -> Vec<QuestionPart> {
        family.ask(self.wordings, values, rng)
    }

    /// The record. Its picture is named after source and file.
    pub fn into_record(self, turns: Vec<Turn>) -> Record {
        let photo = self.photo;
        let id = format!("{}-{}", photo.source.name, photo.stem());
        Record {
            source: photo.source.name.clone(),
            licence: photo.licence.clone(),
            image: Image {
                path: format!("pictures/{id}.png"),
                width: photo.width,
                height: photo.height,
            },
            id,
            targets: self.targets,
            prompts: self.prompts,
            turns,
        }
    }
}

fn pointable(thing: &Thing) -> bool {
    let [_, _, w, h] = thing.bbox;
    !thing.crowd && w.min(h) >= LEAST_SIDE_PX && w * h >= LEAST_AREA_PX
}

pub(super) fn carries(thing: &Thing, unit: Unit) -> bool {
    match unit {
        Unit::Box => true,
        Unit::Mask => thing.mask.is_some(),
        Unit::Keypoint => thing.joints.is_some(),
        Unit::Depth => false,
    }
}

/// What a phrase calls so many of a noun: `a dog`, `two dogs`, `hair`.
pub(super) fn counted(noun: &str, count: usize) -> String {
    match (crate::english::number(noun), count) {
        (crate::english::Number::Count, 2..) => {
            format!("{} {}", crate::english::number_word(count), plural(noun))
        }
        _ => crate::english::indefinite(noun),
    }
}

/// A turn whose answer is words.
pub(super) fn spoken(question: Vec<QuestionPart>, answer: String) -> Turn {
    Turn { task: Task::Vqa, question, answer: vec![AnswerPart::Text(answer)] }
}

/// Triplets separated by commas and closed by a full stop.
pub(super) fn listed(triplets: Vec<AnswerPart>) -> Vec<AnswerPart> {
    let last = triplets.len();
    let separated = triplets.into_iter().enumerate().flat_map(|(k, part)| {
        let after = if k + 1 == last { "." } else { ", " };
        [part, AnswerPart::Text(after.into())]
    });
    separated.collect()
}
