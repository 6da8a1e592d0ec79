//! What a scene is: a picture and everything that is known about it.

use crate::classes::{CLASSES, Family};
use refvlm_record::Mask;
use serde::{Deserialize, Serialize};

/// Which side of the training / held-out border a scene is drawn from. The border runs through
/// the seeds and through the (class, colour) combinations: a held-out combination never appears
/// in a training scene.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Split {
    /// Seen in training.
    Train,
    /// Never seen in training.
    HeldOut,
}

/// How scenes are drawn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SceneOptions {
    /// Longest side of the picture in px; the other side is drawn from a few aspect ratios.
    pub side_px: u32,
    /// Fewest and most objects (people included).
    pub objects: [usize; 2],
    /// Share of scenes that hold people.
    pub people_share: f32,
    /// Shortest longer side of an object's visible box, as a share of the picture's longer side.
    pub least_side: f32,
    /// Classes to draw from, by name; all when empty.
    #[serde(default)]
    pub classes: Vec<String>,
    /// Which side of the border.
    pub split: Split,
}

/// What the embedded model was trained on: fewer and larger things than the world holds, because
/// it had to be learned on two processor cores.
const EMBEDDED_CLASSES: [&str; 26] = [
    "person",
    "dog",
    "cat",
    "horse",
    "elephant",
    "penguin",
    "duck",
    "butterfly",
    "apple",
    "banana",
    "pizza",
    "cake",
    "car",
    "bus",
    "bicycle",
    "airplane",
    "sailboat",
    "palm",
    "cactus",
    "sunflower",
    "umbrella",
    "balloon",
    "guitar",
    "clock",
    "ball",
    "chair",
];

impl SceneOptions {
    /// The first class that the world does not have.
    pub fn unknown_class(&self) -> Option<&str> {
        let known = |name: &String| CLASSES.iter().any(|class| class.name == name);
        self.classes.iter().find(|name| !known(name)).map(String::as_str)
    }

    /// The part of the world that the embedded model knows; `configs/scenes.toml` says the same.
    pub fn embedded(split: Split) -> Self {
        Self {
            objects: [1, 4],
            people_share: 0.35,
            least_side: 0.2,
            classes: EMBEDDED_CLASSES.map(String::from).to_vec(),
            split,
            ..Self::default()
        }
    }
}

impl Default for SceneOptions {
    fn default() -> Self {
        Self {
            side_px: 128,
            objects: [1, 6],
            people_share: 0.4,
            least_side: 0.15,
            classes: Vec::new(),
            split: Split::Train,
        }
    }
}

/// One object of a scene. Coordinates are px of the picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Object {
    /// Class name in singular: `dog`.
    pub class: &'static str,
    /// Class name in plural: `dogs`.
    pub plural: &'static str,
    /// Family of the class.
    pub family: Family,
    /// Colour name where the class comes in several: the tint of a thing, the shirt of a person.
    pub colour: Option<&'static str>,
    /// Tight rectangle around the visible pixels, `[x, y, w, h]`.
    pub bbox: [f32; 4],
    /// Visible pixels.
    pub mask: Mask,
    /// Visible share of the object's own pixels inside the picture, 0..1.
    pub visible: f32,
    /// Distance in metres: all pixels of an object share it.
    pub depth_m: f32,
    /// Real height in metres, which together with `depth_m` fixes the drawn size.
    pub height_m: f32,
    /// People only: 17 COCO joints `[x, y, v]`, v 0 outside the picture, 1 hidden, 2 visible.
    pub keypoints: Option<[[f32; 3]; 17]>,
}

/// A picture with its exact labels.
#[derive(Debug, Clone, PartialEq)]
pub struct Scene {
    /// The seed that made it.
    pub seed: u64,
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// `width * height * 3` bytes, row-major RGB.
    pub rgb: Vec<u8>,
    /// Distance of every pixel in metres, row-major.
    pub depth_m: Vec<f32>,
    /// Background as it is spoken of: `a beach`.
    pub background: &'static str,
    /// Classes that it could hold; questions about what is absent name these.
    pub classes: Vec<&'static str>,
    /// The objects, from left to right by the centre of their boxes. Each is visible enough to be
    /// asked about.
    pub objects: Vec<Object>,
}
