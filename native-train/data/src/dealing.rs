//! The nouns of a classifier's classes dealt anew, so that what something is called can be had from
//! the classifier alone.

use crate::photo::{Photo, Thing};
use crate::sources::{known_nouns, related};
use crate::words::imagenet;
use rand::Rng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

/// Share of nouns that are dealt one which photos of this project have, too.
const KNOWN_SHARE: f64 = 0.6;
/// What people wear is what a classifier sees where a person is meant: it keeps its names.
const WORN: &str = "clothing";
/// As people do.
const PERSON: &str = "person";

/// What each noun goes by, and each class counts as.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Dealt {
    names: BTreeMap<&'static str, &'static str>,
    /// For each of [`imagenet`]'s classes the class that it counts as.
    pub classes: Vec<u16>,
}

impl Dealt {
    /// Deals; what is `shown` is the likelier to go by a noun that is known from photos.
    pub fn new(shown: &[&str], rng: &mut ChaCha8Rng) -> Self {
        let olds: Vec<&str> = words().keys().copied().collect();
        let mut news = olds.clone();
        news.shuffle(rng);
        for noun in shown {
            let Ok(at) = olds.binary_search(noun) else { continue };
            if rng.random_bool(KNOWN_SHARE) {
                let places: Vec<usize> = (0..news.len()).filter(|&k| known(news[k])).collect();
                if let Some(&place) = places.choose(rng) {
                    news.swap(at, place);
                }
            }
        }
        let mut classes: Vec<u16> = (0..).take(imagenet().len()).collect();
        let names: BTreeMap<&str, &str> = olds.into_iter().zip(news).collect();
        for (old, new) in &names {
            let (Some(old), Some(new)) = (words().get(old), words().get(new)) else { continue };
            for &class in old {
                if let (Some(place), Some(&counts_as)) =
                    (classes.get_mut(usize::from(class)), new.choose(rng))
                {
                    *place = counts_as;
                }
            }
        }
        Self { names, classes }
    }

    /// What a noun goes by; none where it keeps its name.
    pub fn name(&self, noun: &str) -> Option<&'static str> {
        self.names.get(noun).copied()
    }
}

/// Whether a noun may go by another: the classifier has a class for it.
pub(crate) fn may_be_dealt(noun: &str) -> bool {
    words().contains_key(noun)
}

/// The photo with the nouns of all classes dealt anew, and for each of [`imagenet`]'s classes the
/// class that it counts as. Sentences of people about it are left out.
pub fn renamed(photo: &Photo, rng: &mut ChaCha8Rng) -> (Photo, Vec<u16>) {
    let mut shown: Vec<&str> = photo.things.iter().map(Thing::noun).collect();
    shown.sort_unstable();
    shown.dedup();
    let dealt = Dealt::new(&shown, rng);
    let name = |noun: &str| dealt.name(noun).map_or_else(|| noun.to_string(), str::to_string);
    // What only is not labelled because it goes by a related noun must not be called absent under
    // a name that is related to nothing.
    let there = |noun: &str| shown.contains(&noun) || !shown.iter().any(|s| related(s, noun));
    let complete_for = photo.complete_for.iter().filter(|noun| there(noun));
    let complete_for = Arc::new(complete_for.map(|noun| name(noun)).collect());
    let thing = |thing: &Thing| Thing {
        name: thing.name.as_deref().map(name),
        category: name(&thing.category),
        ..thing.clone()
    };
    let things = photo.things.iter().map(thing).collect();
    let world = Photo { things, complete_for, captions: Vec::new(), ..photo.clone() };
    (world, dealt.classes)
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

fn known(word: &str) -> bool {
    known_nouns().binary_search_by(|noun| noun.as_str().cmp(word)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::Source;
    use rand::SeedableRng;

    fn word(class: u16) -> &'static str {
        imagenet()[usize::from(class)].word
    }

    #[test]
    fn a_word_goes_by_another_one_whole() {
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let mut same = 0;
        for noun in ["dog", "cup", "car"].repeat(50) {
            let dealt = Dealt::new(&[noun], &mut rng);
            same += usize::from(dealt.name(noun) == Some(noun));
            let mut names: BTreeMap<&str, &str> = BTreeMap::new();
            for (class, &counts_as) in (0..).zip(&dealt.classes) {
                let (old, new) = (word(class), word(counts_as));
                assert_eq!(*names.entry(old).or_insert(new), new, "{old}");
                assert_eq!(dealt.name(old).unwrap_or(old), new);
            }
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
        let dealt = Dealt::new(&["giraffe"], &mut ChaCha8Rng::seed_from_u64(5));
        assert_eq!((dealt.name("giraffe"), dealt.name(PERSON)), (None, None));
        assert!(may_be_dealt("dog") && !may_be_dealt(PERSON));
    }

    #[test]
    fn a_renamed_photo_vouches_for_the_new_names() {
        let thing = |name: &str| Thing {
            category: name.into(),
            name: Some(name.into()),
            bbox: [1.0, 1.0, 20.0, 20.0],
            mask: None,
            joints: None,
            crowd: false,
            kept: 1.0,
        };
        let nouns = ["person", "dog", "giraffe", "cup", "couch"].map(String::from);
        let photo = Photo {
            source: Arc::new(Source::known("own")),
            id: "1".into(),
            path: "1.png".into(),
            width: 40,
            height: 40,
            licence: "own".into(),
            things: ["person", "dog", "dog", "giraffe"].map(thing).into(),
            captions: vec!["A dog.".into()],
            complete: true,
            complete_for: Arc::new(nouns.into()),
        };
        let (world, classes) = renamed(&photo, &mut ChaCha8Rng::seed_from_u64(7));
        let of = |noun: &str| {
            let class = imagenet().iter().position(|class| class.word == noun).unwrap();
            word(classes[class])
        };
        let names: Vec<&str> = world.things.iter().map(Thing::noun).collect();
        assert_eq!(names, ["person", of("dog"), of("dog"), "giraffe"]);
        let vouched = ["person", "giraffe", of("dog"), of("cup"), of("couch")].map(String::from);
        assert_eq!(*world.complete_for, vouched.into());
        assert!(world.captions.is_empty() && of("dog") != "dog");
    }
}
