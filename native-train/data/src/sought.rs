//! Nouns to look for in a photo: those of which every thing is labelled, and some that name nothing
//! there.

use crate::photo::{Photo, Thing};
use crate::sources::related;
use rand::seq::{IndexedRandom, SliceRandom};
use rand_chacha::ChaCha8Rng;

/// Most nouns of either kind.
const MOST: usize = 4;
/// A thing whose box covers less of the photo is not looked for.
const LEAST_SHARE: f32 = 0.0008;
/// A thing of which a view has left less is no longer what its noun says.
const LEAST_KEPT: f32 = 0.3;

/// Nouns with the boxes of their things, `[x, y, w, h]` in px. Of nouns that name nothing, half are
/// those of another photo: what is often there is often wrongly seen.
pub fn sought(
    photo: &Photo,
    other: Option<&Photo>,
    rng: &mut ChaCha8Rng,
) -> Vec<(String, Vec<[f32; 4]>)> {
    let groups = photo.by_noun();
    let there: Vec<&str> = groups.keys().copied().collect();
    let mut found: Vec<(String, Vec<[f32; 4]>)> = groups
        .iter()
        .filter(|(noun, things)| {
            photo.complete_for.contains(**noun)
                && things.iter().all(|thing| !thing.crowd && thing.kept >= LEAST_KEPT)
                && !there.iter().any(|other| *noun != other && related(noun, other))
        })
        .map(|(noun, things)| {
            let large = |thing: &&&Thing| thing.box_area() >= LEAST_SHARE * photo.area();
            let boxes = things.iter().filter(large).map(|thing| thing.bbox);
            (noun.to_string(), boxes.collect::<Vec<_>>())
        })
        .filter(|(_, boxes)| !boxes.is_empty())
        .collect();
    found.shuffle(rng);
    found.truncate(MOST);
    let absent = |noun: &str| !there.iter().any(|shown| related(shown, noun));
    let vouched = photo.complete_for.iter().map(String::as_str);
    let all: Vec<&str> = vouched.filter(|noun| absent(noun)).collect();
    let elsewhere = other.into_iter().flat_map(|photo| &photo.things);
    let elsewhere: Vec<&str> = elsewhere
        .filter_map(|thing| thing.name.as_deref())
        .filter(|noun| all.binary_search(noun).is_ok())
        .collect();
    let draws = [all.choose(rng), elsewhere.choose(rng), all.choose(rng), elsewhere.choose(rng)];
    let mut nothing: Vec<&str> = draws.into_iter().flatten().copied().collect();
    nothing.sort_unstable();
    nothing.dedup();
    found.extend(nothing.into_iter().map(|noun| (noun.to_string(), Vec::new())));
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::Source;
    use rand::SeedableRng;
    use std::sync::Arc;

    fn photo(nouns: &[&str], complete_for: &[&str]) -> Photo {
        let thing = |noun: &&str| Thing {
            category: noun.to_string(),
            name: Some(noun.to_string()),
            bbox: [1.0, 2.0, 20.0, 20.0],
            mask: None,
            joints: None,
            crowd: false,
            kept: 1.0,
        };
        Photo {
            source: Arc::new(Source::known("own")),
            id: "1".into(),
            path: "1.png".into(),
            width: 100,
            height: 100,
            licence: "own".into(),
            things: nouns.iter().map(thing).collect(),
            captions: Vec::new(),
            complete: false,
            complete_for: Arc::new(complete_for.iter().map(|noun| noun.to_string()).collect()),
        }
    }

    #[test]
    fn only_what_is_surely_there_or_surely_not_is_sought() {
        let known = ["dog", "cat", "cup", "couch", "pizza"];
        let photo = photo(&["dog", "dog", "cup", "zebra"], &known);
        let mut cup = photo.clone();
        cup.things[2].crowd = true;
        let other = self::photo(&["pizza", "zebra"], &[]);
        for seed in 0..20 {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let found = sought(&photo, Some(&other), &mut rng);
            let things = |noun: &str| found.iter().find(|(n, _)| n == noun).map(|(_, b)| b.len());
            assert_eq!([things("dog"), things("cup")], [Some(2), Some(1)]);
            assert_eq!(things("zebra"), None, "not all of them may be labelled");
            assert_eq!(things("pizza"), Some(0), "it is in the other photo");
            assert!(found.iter().all(|(noun, _)| known.contains(&noun.as_str())));
            // Several in one label are no boxes to learn from, and not absent either.
            let found = sought(&cup, None, &mut rng);
            assert!(found.iter().all(|(noun, _)| noun != "cup"));
        }
    }
}
