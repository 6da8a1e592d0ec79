//! Names beyond those of the objects in a scene: of what is not there, of what is painted into the
//! background, and of what goes by two names.

use super::facts::{Facts, Noun};
use crate::Object;
use crate::classes::CLASSES;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

/// A class that the scene does not show.
pub(super) fn absent(facts: &Facts, rng: &mut ChaCha8Rng) -> Option<Noun> {
    let absent: Vec<Noun> = CLASSES
        .iter()
        .filter(|class| facts.scene.classes.contains(&class.name))
        .map(|class| Noun { singular: class.name, plural: class.plural })
        .filter(|noun| {
            let names = |object: &Object| {
                object.class == noun.singular || broader(object.class) == Some(noun.singular)
            };
            let painted = scenery(facts.scene.background).contains(&noun.singular);
            !painted && !facts.objects().iter().any(names)
        })
        .collect();
    absent.choose(rng).copied()
}

/// A colour in which the scene does not show the object's class, though it could.
pub(super) fn absent_colour(
    facts: &Facts,
    object: &Object,
    rng: &mut ChaCha8Rng,
) -> Option<&'static str> {
    let class = CLASSES.iter().find(|class| class.name == object.class)?;
    let shown = |colour: &str| {
        let same = |other: &Object| other.class == object.class && other.colour == Some(colour);
        facts.objects().iter().any(same)
    };
    let names = class.colours.iter().map(|colour| colour.name);
    let absent: Vec<&'static str> = names.filter(|colour| !shown(colour)).collect();
    absent.choose(rng).copied()
}

/// The class that this one is also called by.
pub(super) fn broader(class: &str) -> Option<&'static str> {
    match class {
        "duck" | "owl" | "penguin" | "rooster" => Some("bird"),
        "fir" | "palm" => Some("tree"),
        _ => None,
    }
}

/// Classes that are painted into a background, so that their number and presence is a matter of
/// taste.
pub(super) fn scenery(background: &str) -> &'static [&'static str] {
    match background {
        "a forest" | "a snowy field" | "a lake" | "a mountain valley" | "a playground"
        | "an autumn field" => &["tree", "fir"],
        "a street" | "a city at night" => &["house"],
        _ => &[],
    }
}
