//! Exercises in reading what a classifier says: questions about a region that is said to show
//! something, whatever the photo shows there.
//!
//! A small language model learns from a few thousand photos to know the few things that they show.
//! A classifier of a thousand classes knows far more, and what it says is read in the same way for
//! all of them. So each exercise points somewhere, says what the classifier is to have found there,
//! as unsure as classifiers are, and asks for its name.

use crate::dialogues::{Kind, dialogue_of};
use crate::photo::{Photo, Thing};
use crate::sources::known_nouns;
use crate::wording::WordingSet;
use crate::words::{ClassWords, imagenet};
use rand::Rng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand_chacha::ChaCha8Rng;
use refvlm_record::{QuestionPart, Record};
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// Share of exercises about things that photos of this project name, too.
const KNOWN_SHARE: f64 = 0.6;
/// Share of yes-or-no questions.
const QUESTION_SHARE: f64 = 0.25;
/// Least share of the classifier's certainty that falls on what is named.
const LEAST_SURE: f32 = 0.35;
/// Classes of one word among which certainty is shared, such as breeds of dogs.
const MOST_CLASSES: usize = 4;
/// Classes of other words that get the rest.
const MOST_OTHERS: usize = 8;
/// Share of these that are things of the same kind.
const SAME_KIND: f64 = 0.6;
/// What people wear is what a classifier sees where a person is meant.
const WORN: &str = "clothing";

/// Questions about one photo, of one prompt each, in the order of the prompts.
#[derive(Debug, Clone, PartialEq)]
pub struct Exercises {
    /// Prompts and turns; no targets.
    pub record: Record,
    /// For each prompt the probabilities of [`imagenet`]'s classes.
    pub said: Vec<Vec<f32>>,
}

/// `count` exercises in the photo's frame; none when `count` is 0.
pub fn exercises(photo: &Photo, count: usize, rng: &mut ChaCha8Rng) -> Option<Exercises> {
    let mut made: Option<Exercises> = None;
    for _ in 0..count {
        let (word, said) = draw(rng)?;
        let kind =
            if rng.random_bool(QUESTION_SHARE) { Kind::RegionQuestion } else { Kind::RegionLabel };
        let shown = Photo { things: vec![somewhere(photo, word, rng)], ..photo.clone() };
        let Some(dialogue) = dialogue_of(kind, &shown, rng, WordingSet::Training) else { continue };
        let mut record = dialogue.record;
        record.targets.clear();
        match &mut made {
            Some(made) => made.add(record, said),
            None => made = Some(Exercises { said: vec![said; record.prompts.len()], record }),
        }
    }
    made
}

impl Exercises {
    fn add(&mut self, mut record: Record, said: Vec<f32>) {
        let before = self.record.prompts.len();
        for part in record.turns.iter_mut().flat_map(|turn| &mut turn.question) {
            if let QuestionPart::Prompt { prompt } = part {
                *prompt += before;
            }
        }
        self.said.extend(vec![said; record.prompts.len()]);
        self.record.prompts.append(&mut record.prompts);
        self.record.turns.append(&mut record.turns);
    }
}

/// Something of 5 to 70 % of each side, anywhere.
fn somewhere(photo: &Photo, word: &str, rng: &mut ChaCha8Rng) -> Thing {
    let mut along = |limit: u32| {
        let limit = limit as f32;
        let length = (limit * rng.random_range(0.05f32..=0.7)).max(4.0).min(limit);
        (rng.random_range(0.0..=1.0) * (limit - length), length)
    };
    let ((x, w), (y, h)) = (along(photo.width), along(photo.height));
    Thing {
        category: word.into(),
        name: Some(word.into()),
        bbox: [x, y, w, h],
        mask: None,
        joints: None,
        crowd: false,
        kept: 1.0,
    }
}

/// The classes of a word, as indices.
type Words = BTreeMap<&'static str, Vec<usize>>;

/// A word and the probabilities that stand for it.
fn draw(rng: &mut ChaCha8Rng) -> Option<(&'static str, Vec<f32>)> {
    static WORDS: LazyLock<[Words; 2]> = LazyLock::new(|| {
        let mut all = Words::new();
        for (index, class) in imagenet().iter().enumerate().filter(|(_, c)| c.kind != WORN) {
            all.entry(class.word).or_default().push(index);
        }
        let known = |word: &str| known_nouns().iter().any(|noun| noun == word);
        let known = all.iter().filter(|(word, _)| known(word));
        let known = known.map(|(word, classes)| (*word, classes.clone())).collect();
        [known, all]
    });
    let words = &WORDS[usize::from(!rng.random_bool(KNOWN_SHARE))];
    let at = rng.random_range(0..words.len().max(1));
    let (word, classes) = words.iter().nth(at)?;
    let mut said = vec![0.0; imagenet().len()];
    let sure = rng.random_range(LEAST_SURE..=1.0);
    let mut own = classes.clone();
    own.shuffle(rng);
    own.truncate(rng.random_range(1..=MOST_CLASSES));
    share(&mut said, &own, sure, rng);
    let others: Vec<usize> = (0..rng.random_range(1..=MOST_OTHERS))
        .filter_map(|_| other(imagenet().get(*classes.first()?)?, rng))
        .collect();
    share(&mut said, &others, 1.0 - sure, rng);
    Some((word, said))
}

/// A class of another word, more often one of the same kind.
fn other(class: &ClassWords, rng: &mut ChaCha8Rng) -> Option<usize> {
    let alike = rng.random_bool(SAME_KIND);
    let fits =
        |other: &ClassWords| other.word != class.word && (!alike || other.kind == class.kind);
    let fitting: Vec<usize> =
        (0..).zip(imagenet()).filter(|(_, other)| fits(other)).map(|(index, _)| index).collect();
    fitting.choose(rng).copied()
}

/// Spreads `sum` over classes in random parts.
fn share(said: &mut [f32], classes: &[usize], sum: f32, rng: &mut ChaCha8Rng) {
    // Exponential numbers, so that one class mostly gets more than the others.
    let parts: Vec<f32> = classes.iter().map(|_| -rng.random_range(1e-3f32..=0.999).ln()).collect();
    let total: f32 = parts.iter().sum();
    for (&class, part) in classes.iter().zip(parts) {
        if let Some(said) = said.get_mut(class) {
            *said += sum * part / total;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn what_is_said_is_mostly_what_is_named() {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let mut most = 0;
        for _ in 0..500 {
            let (word, said) = draw(&mut rng).unwrap();
            assert!(
                (said.iter().sum::<f32>() - 1.0).abs() < 1e-4 || said.iter().sum::<f32>() < 1.0
            );
            let mut of: BTreeMap<&str, f32> = BTreeMap::new();
            for (class, share) in imagenet().iter().zip(&said) {
                *of.entry(class.word).or_default() += share;
            }
            assert!(of[word] >= LEAST_SURE - 1e-4, "{word}");
            let best = of.iter().max_by(|a, b| a.1.total_cmp(b.1)).unwrap();
            most += usize::from(*best.0 == word);
        }
        assert!(most > 430, "{most} of 500");
    }
}
