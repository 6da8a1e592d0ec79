//! Nouns to look for in a photo: those of which every thing is labelled, and some that name nothing
//! there.

use crate::photo::{Photo, Thing};
use crate::sources::related;
use rand::seq::{IndexedRandom, SliceRandom};
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;

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
    let mut groups: BTreeMap<&str, Vec<&Thing>> = BTreeMap::new();
    for thing in photo.things.iter().filter(|thing| thing.name.is_some()) {
        groups.entry(thing.noun()).or_default().push(thing);
    }
    let there: Vec<&str> = groups.keys().copied().collect();
    let mut found: Vec<(String, Vec<[f32; 4]>)> = groups
        .iter()
        .filter(|(noun, things)| {
            let beside = |other: &&str| **noun != *other && related(noun, other);
            photo.complete_for.contains(**noun)
                && things.iter().all(|thing| !thing.crowd && thing.kept >= LEAST_KEPT)
                && !there.iter().any(|other| beside(&other))
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
