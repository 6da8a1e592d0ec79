//! Exercises in reading what a classifier says: questions about a thing whose class goes by another
//! name.
//!
//! A small language model learns from a few thousand photos to know the few things that they show,
//! and then calls a giraffe by the name that its photos have for what stands on grass. A classifier
//! of a thousand classes knows far more, and what it says is read in the same way for all of them.
//! So each exercise deals the nouns of all classes anew, and asks for the new name of a thing: it
//! can be had from the classifier's row only, which is as unsure, and as often wrong, as it is
//! about that thing.

use crate::dialogues::{Kind, dialogue_of};
use crate::photo::{Photo, Thing};
use crate::sources::known_nouns;
use crate::wording::WordingSet;
use crate::words::imagenet;
use rand::Rng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand_chacha::ChaCha8Rng;
use refvlm_record::{QuestionPart, Record};
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// Share of exercises whose new name is of a thing that photos of this project name, too.
const KNOWN_SHARE: f64 = 0.6;
/// Share of yes-or-no questions.
const QUESTION_SHARE: f64 = 0.25;
/// What people wear is what a classifier sees where a person is meant: it keeps its names.
const WORN: &str = "clothing";
/// As people do.
const PERSON: &str = "person";

/// Questions about one photo, of one prompt each, in the order of the prompts.
#[derive(Debug, Clone, PartialEq)]
pub struct Exercises {
    /// Prompts and turns; no targets.
    pub record: Record,
    /// For each prompt which class each of [`imagenet`]'s classes counts as.
    pub renamed: Vec<Vec<u16>>,
}

/// At most `count` exercises about things of the photo that the classifier has a word for.
pub fn exercises(photo: &Photo, count: usize, rng: &mut ChaCha8Rng) -> Option<Exercises> {
    let known = |thing: &&Thing| !thing.crowd && words().contains_key(thing.noun());
    let things: Vec<&Thing> = photo.things.iter().filter(known).collect();
    let mut made: Option<Exercises> = None;
    for _ in 0..count {
        let thing = *things.choose(rng)?;
        let (word, renamed) = deal(thing.noun(), rng)?;
        let kind =
            if rng.random_bool(QUESTION_SHARE) { Kind::RegionQuestion } else { Kind::RegionLabel };
        let category = word.to_string();
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

/// The classes of each word that may go by another, as indices.
fn words() -> &'static BTreeMap<&'static str, Vec<u16>> {
    static WORDS: LazyLock<BTreeMap<&str, Vec<u16>>> = LazyLock::new(|| {
        let mut words: BTreeMap<&str, Vec<u16>> = BTreeMap::new();
        for (index, class) in (0..).zip(imagenet()) {
            words.entry(class.word).or_default().push(index);
        }
        for class in imagenet().iter().filter(|class| class.kind == WORN || class.word == PERSON) {
            words.remove(class.word);
        }
        words
    });
    &WORDS
}

/// Deals the words anew: the one that `noun` goes by, and the class that each class counts as.
fn deal(noun: &str, rng: &mut ChaCha8Rng) -> Option<(&'static str, Vec<u16>)> {
    let olds: Vec<&str> = words().keys().copied().collect();
    let mut news = olds.clone();
    news.shuffle(rng);
    let at = olds.iter().position(|&word| word == noun)?;
    if rng.random_bool(KNOWN_SHARE) {
        let known =
            |word: &str| known_nouns().binary_search_by(|noun| noun.as_str().cmp(word)).is_ok();
        let places: Vec<usize> =
            (0..news.len()).filter(|&place| news.get(place).is_some_and(|w| known(w))).collect();
        news.swap(at, *places.choose(rng)?);
    }
    let mut renamed: Vec<u16> = (0..).take(imagenet().len()).collect();
    for (old, new) in olds.iter().zip(&news) {
        for &class in words().get(old)? {
            if let Some(place) = renamed.get_mut(usize::from(class)) {
                *place = *words().get(new)?.choose(rng)?;
            }
        }
    }
    Some((news.get(at)?, renamed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn a_word_goes_by_another_one_whole() {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let of = |class: u16| imagenet()[usize::from(class)].word;
        let mut same = 0;
        for noun in ["dog", "cup", "car"].repeat(50) {
            let (word, renamed) = deal(noun, &mut rng).unwrap();
            same += usize::from(word == noun);
            let mut names: BTreeMap<&str, &str> = BTreeMap::new();
            for (class, &counts_as) in (0..).zip(&renamed) {
                let (old, new) = (of(class), of(counts_as));
                assert_eq!(*names.entry(old).or_insert(new), new, "{old}");
            }
            assert_eq!(names[noun], word);
            assert_eq!(names[PERSON], PERSON);
            let mut news: Vec<&str> = names.values().copied().collect();
            news.sort_unstable();
            news.dedup();
            assert_eq!(news.len(), names.len());
        }
        assert!(same < 10, "{same} of 150");
    }

    #[test]
    fn what_the_classifier_has_no_word_for_is_not_dealt() {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        assert_eq!(deal("giraffe", &mut rng), None);
        assert_eq!(deal(PERSON, &mut rng), None);
    }
}
