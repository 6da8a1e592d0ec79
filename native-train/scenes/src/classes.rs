//! What a scene can hold.

use crate::tint::{ALL_COLOURS, Colour, PLAIN_COLOURS};
use serde::{Deserialize, Serialize};

/// Families that questions can speak of ("an animal").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    /// Cats, dogs, birds, ...
    Animal,
    /// Fruit and dishes.
    Food,
    /// What drives, flies or sails.
    Vehicle,
    /// Trees and flowers.
    Plant,
    /// Things people use.
    Thing,
    /// Articulated people.
    Person,
}

/// Where objects of a class belong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// On any ground.
    Ground,
    /// On the ground, but not in a room.
    Outdoors,
    /// On water.
    Water,
    /// High in the sky.
    Sky,
    /// A little above any ground.
    Hovering,
}

/// One kind of object.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Class {
    /// Singular: `dog`.
    pub name: &'static str,
    /// Plural: `dogs`.
    pub plural: &'static str,
    /// Family.
    pub family: Family,
    /// Typical height in metres, in a compressed range: an apple must be seen beside a bus.
    pub height_m: f32,
    /// Where it belongs.
    pub place: Place,
    /// Colours that it comes in; empty when its colour is not spoken of.
    pub colours: &'static [Colour],
    /// WebP of the icon; none for people, who are drawn from their joints.
    pub(crate) icon: Option<&'static [u8]>,
}

impl Class {
    /// Whether this is the class of articulated people.
    pub fn is_person(&self) -> bool {
        self.icon.is_none()
    }
}

macro_rules! class {
    ($file:literal, $name:literal, $plural:literal, $family:ident, $height:literal, $place:ident) => {
        class!($file, $name, $plural, $family, $height, $place, &[])
    };
    ($file:literal, $name:literal, $plural:literal, $family:ident, $height:literal, $place:ident,
     $colours:expr) => {
        Class {
            name: $name,
            plural: $plural,
            family: Family::$family,
            height_m: $height,
            place: Place::$place,
            colours: $colours,
            icon: Some(include_bytes!(concat!("../assets/icons/", $file, ".webp"))),
        }
    };
}

/// Every class, people first.
pub(crate) const CLASSES: &[Class] = &[
    Class {
        name: "person",
        plural: "people",
        family: Family::Person,
        height_m: 1.7,
        place: Place::Ground,
        colours: ALL_COLOURS,
        icon: None,
    },
    class!("dog", "dog", "dogs", Animal, 1.1, Ground),
    class!("cat", "cat", "cats", Animal, 1.0, Ground),
    class!("cow", "cow", "cows", Animal, 1.5, Outdoors),
    class!("horse", "horse", "horses", Animal, 1.8, Outdoors),
    class!("elephant", "elephant", "elephants", Animal, 2.2, Outdoors),
    class!("penguin", "penguin", "penguins", Animal, 1.1, Ground),
    class!("pig", "pig", "pigs", Animal, 1.1, Ground),
    class!("sheep", "sheep", "sheep", Animal, 1.2, Ground),
    class!("rabbit", "rabbit", "rabbits", Animal, 0.9, Ground),
    class!("giraffe", "giraffe", "giraffes", Animal, 2.6, Outdoors),
    class!("tiger", "tiger", "tigers", Animal, 1.2, Ground),
    class!("monkey", "monkey", "monkeys", Animal, 1.1, Ground),
    class!("rooster", "rooster", "roosters", Animal, 1.0, Ground),
    class!("duck", "duck", "ducks", Animal, 0.9, Ground),
    class!("owl", "owl", "owls", Animal, 0.9, Ground),
    class!("turtle", "turtle", "turtles", Animal, 0.8, Ground),
    class!("dinosaur", "dinosaur", "dinosaurs", Animal, 2.3, Outdoors),
    class!("whale", "whale", "whales", Animal, 1.9, Water),
    class!("fish", "fish", "fish", Animal, 1.3, Water),
    class!("dolphin", "dolphin", "dolphins", Animal, 1.6, Water),
    class!("butterfly", "butterfly", "butterflies", Animal, 0.8, Hovering),
    class!("bee", "bee", "bees", Animal, 0.8, Hovering),
    class!("bird", "bird", "birds", Animal, 0.9, Ground, PLAIN_COLOURS),
    class!("camel", "camel", "camels", Animal, 1.9, Outdoors),
    class!("zebra", "zebra", "zebras", Animal, 1.6, Outdoors),
    class!("snail", "snail", "snails", Animal, 0.8, Ground),
    class!("apple", "apple", "apples", Food, 0.8, Ground),
    class!("banana", "banana", "bananas", Food, 0.8, Ground),
    class!("pizza", "pizza", "pizzas", Food, 0.9, Ground),
    class!("cake", "cake", "cakes", Food, 0.9, Ground),
    class!("hamburger", "hamburger", "hamburgers", Food, 0.8, Ground),
    class!("strawberry", "strawberry", "strawberries", Food, 0.8, Ground),
    class!("watermelon", "watermelon", "watermelons", Food, 0.85, Ground),
    class!("pineapple", "pineapple", "pineapples", Food, 1.0, Ground),
    class!("ice-cream", "ice cream", "ice creams", Food, 1.0, Ground),
    class!("donut", "donut", "donuts", Food, 0.8, Ground),
    class!("carrot", "carrot", "carrots", Food, 0.85, Ground),
    class!("pear", "pear", "pears", Food, 0.85, Ground),
    class!("lemon", "lemon", "lemons", Food, 0.8, Ground),
    class!("car", "car", "cars", Vehicle, 1.4, Outdoors, ALL_COLOURS),
    class!("bus", "bus", "buses", Vehicle, 1.9, Outdoors),
    class!("truck", "truck", "trucks", Vehicle, 1.8, Outdoors, PLAIN_COLOURS),
    class!("bicycle", "bicycle", "bicycles", Vehicle, 1.2, Ground, PLAIN_COLOURS),
    class!("motorcycle", "motorcycle", "motorcycles", Vehicle, 1.2, Ground, PLAIN_COLOURS),
    class!("airplane", "airplane", "airplanes", Vehicle, 2.4, Sky),
    class!("helicopter", "helicopter", "helicopters", Vehicle, 2.1, Sky),
    class!("sailboat", "sailboat", "sailboats", Vehicle, 2.4, Water),
    class!("ship", "ship", "ships", Vehicle, 2.6, Water),
    class!("train", "train", "trains", Vehicle, 2.1, Outdoors),
    class!("tractor", "tractor", "tractors", Vehicle, 1.8, Outdoors),
    class!("rocket", "rocket", "rockets", Vehicle, 2.2, Sky),
    class!("tree", "tree", "trees", Plant, 2.8, Outdoors),
    class!("fir", "fir", "firs", Plant, 2.7, Outdoors),
    class!("palm", "palm", "palms", Plant, 2.8, Outdoors),
    class!("cactus", "cactus", "cacti", Plant, 1.6, Ground),
    class!("sunflower", "sunflower", "sunflowers", Plant, 1.4, Ground),
    class!("tulip", "tulip", "tulips", Plant, 1.1, Ground, PLAIN_COLOURS),
    class!("mushroom", "mushroom", "mushrooms", Plant, 0.8, Ground),
    class!("potted-plant", "potted plant", "potted plants", Plant, 1.1, Ground),
    class!("umbrella", "umbrella", "umbrellas", Thing, 1.3, Ground, ALL_COLOURS),
    class!("balloon", "balloon", "balloons", Thing, 1.1, Hovering, ALL_COLOURS),
    class!("guitar", "guitar", "guitars", Thing, 1.1, Ground),
    class!("clock", "clock", "clocks", Thing, 0.9, Ground),
    class!("book", "book", "books", Thing, 0.9, Ground, ALL_COLOURS),
    class!("ball", "ball", "balls", Thing, 0.8, Ground),
    class!("chair", "chair", "chairs", Thing, 1.2, Ground),
    class!("kite", "kite", "kites", Thing, 1.5, Sky),
    class!("gift", "gift", "gifts", Thing, 0.9, Ground),
    class!("backpack", "backpack", "backpacks", Thing, 1.0, Ground, ALL_COLOURS),
    class!("cap", "cap", "caps", Thing, 0.7, Ground, ALL_COLOURS),
    class!("house", "house", "houses", Thing, 2.8, Outdoors),
    class!("tent", "tent", "tents", Thing, 1.6, Outdoors, PLAIN_COLOURS),
    class!("key", "key", "keys", Thing, 0.9, Ground),
    class!("bell", "bell", "bells", Thing, 0.9, Ground),
    class!("drum", "drum", "drums", Thing, 0.9, Ground),
    class!("trophy", "trophy", "trophies", Thing, 1.0, Ground),
    class!("bucket", "bucket", "buckets", Thing, 0.9, Ground, ALL_COLOURS),
    class!("snowman", "snowman", "snowmen", Thing, 1.5, Ground),
    class!("teddy-bear", "teddy bear", "teddy bears", Thing, 1.0, Ground),
    class!("robot", "robot", "robots", Thing, 1.0, Ground),
    class!("camera", "camera", "cameras", Thing, 0.8, Ground),
    class!("dress", "dress", "dresses", Thing, 1.3, Ground, ALL_COLOURS),
    class!("television", "television", "televisions", Thing, 1.0, Ground),
    class!("ladder", "ladder", "ladders", Thing, 1.8, Ground),
];
