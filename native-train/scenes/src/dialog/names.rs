//! Names to ask for what is not there.

use super::facts::{Facts, Noun};
use crate::Object;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

/// Colours that things and shirts come in.
pub(super) const COLOURS: [&str; 9] =
    ["red", "orange", "yellow", "green", "blue", "purple", "pink", "white", "black"];

const NAMES: [(&str, &str); 85] = [
    ("person", "people"),
    ("dog", "dogs"),
    ("cat", "cats"),
    ("cow", "cows"),
    ("horse", "horses"),
    ("elephant", "elephants"),
    ("penguin", "penguins"),
    ("pig", "pigs"),
    ("sheep", "sheep"),
    ("rabbit", "rabbits"),
    ("giraffe", "giraffes"),
    ("tiger", "tigers"),
    ("monkey", "monkeys"),
    ("rooster", "roosters"),
    ("duck", "ducks"),
    ("owl", "owls"),
    ("turtle", "turtles"),
    ("dinosaur", "dinosaurs"),
    ("whale", "whales"),
    ("fish", "fish"),
    ("dolphin", "dolphins"),
    ("butterfly", "butterflies"),
    ("bee", "bees"),
    ("bird", "birds"),
    ("camel", "camels"),
    ("zebra", "zebras"),
    ("snail", "snails"),
    ("apple", "apples"),
    ("banana", "bananas"),
    ("pizza", "pizzas"),
    ("cake", "cakes"),
    ("hamburger", "hamburgers"),
    ("strawberry", "strawberries"),
    ("watermelon", "watermelons"),
    ("pineapple", "pineapples"),
    ("ice cream", "ice creams"),
    ("donut", "donuts"),
    ("carrot", "carrots"),
    ("pear", "pears"),
    ("lemon", "lemons"),
    ("car", "cars"),
    ("bus", "buses"),
    ("truck", "trucks"),
    ("bicycle", "bicycles"),
    ("motorcycle", "motorcycles"),
    ("airplane", "airplanes"),
    ("helicopter", "helicopters"),
    ("sailboat", "sailboats"),
    ("ship", "ships"),
    ("train", "trains"),
    ("tractor", "tractors"),
    ("rocket", "rockets"),
    ("tree", "trees"),
    ("fir", "firs"),
    ("palm", "palms"),
    ("cactus", "cacti"),
    ("sunflower", "sunflowers"),
    ("tulip", "tulips"),
    ("mushroom", "mushrooms"),
    ("potted plant", "potted plants"),
    ("umbrella", "umbrellas"),
    ("balloon", "balloons"),
    ("guitar", "guitars"),
    ("clock", "clocks"),
    ("book", "books"),
    ("ball", "balls"),
    ("chair", "chairs"),
    ("kite", "kites"),
    ("gift", "gifts"),
    ("backpack", "backpacks"),
    ("cap", "caps"),
    ("house", "houses"),
    ("tent", "tents"),
    ("key", "keys"),
    ("bell", "bells"),
    ("drum", "drums"),
    ("trophy", "trophies"),
    ("bucket", "buckets"),
    ("snowman", "snowmen"),
    ("teddy bear", "teddy bears"),
    ("robot", "robots"),
    ("camera", "cameras"),
    ("dress", "dresses"),
    ("television", "televisions"),
    ("ladder", "ladders"),
];

/// A class that the scene does not show.
pub(super) fn absent(facts: &Facts, rng: &mut ChaCha8Rng) -> Option<Noun> {
    let absent: Vec<Noun> = NAMES
        .iter()
        .map(|&(singular, plural)| Noun { singular, plural })
        .filter(|noun| {
            let names = |object: &Object| {
                object.class == noun.singular || broader(object.class) == Some(noun.singular)
            };
            !facts.objects().iter().any(names)
        })
        .collect();
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
