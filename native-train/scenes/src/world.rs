//! The world: all sprites, and the scenes that can be drawn from them.

use crate::camera::Camera;
use crate::classes::{CLASSES, Class, Place};
use crate::layer::Layer;
use crate::layout::{Layout, Placement, picture_size};
use crate::render::{Rendered, render};
use crate::sprite::{Pose, Sprite};
use crate::{Scene, SceneOptions};

/// Why the world cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SceneError {
    /// An embedded icon is not a picture.
    #[error("icon of {name}: {why}; run native-train/scenes/fetch-icons.sh to make it again")]
    Icon {
        /// Its class.
        name: &'static str,
        /// What is wrong.
        why: String,
    },
}

/// Decoded sprites of every class. Made once; drawing only reads it.
pub struct World {
    /// One per class; none for people.
    sprites: Vec<Option<Sprite>>,
}

/// Smallest and largest longest side that is drawn.
const SIDE_PX: [u32; 2] = [16, 4096];

impl World {
    /// Decodes the embedded icons.
    ///
    /// # Errors
    /// When an embedded icon is damaged.
    pub fn new() -> Result<Self, SceneError> {
        Self::of(&[])
    }

    /// Decodes the icons of these classes alone, which is sooner done; all when there are none.
    /// Scenes must be drawn with [`SceneOptions::classes`] among them.
    ///
    /// # Errors
    /// When an embedded icon is damaged.
    pub fn of(classes: &[String]) -> Result<Self, SceneError> {
        let wanted =
            |class: &Class| classes.is_empty() || classes.iter().any(|name| name == class.name);
        let decode = |class: &Class| {
            let icon = class.icon.filter(|_| wanted(class));
            icon.map(|icon| Sprite::decode(class.name, icon)).transpose()
        };
        Ok(Self { sprites: CLASSES.iter().map(decode).collect::<Result<_, _>>()? })
    }

    /// Every class, people first.
    pub fn classes() -> &'static [Class] {
        CLASSES
    }

    /// Whether training never shows this class in this colour.
    pub fn is_held_out(class: &str, colour: &str) -> bool {
        is_held_out(class, colour)
    }

    /// Whether training never shows this class before this background.
    pub fn is_held_out_on(class: &str, background: &str) -> bool {
        CLASSES.iter().any(|c| c.name == class && is_held_out_on(c, background))
    }

    /// The scene of a seed. The same seed, split, object counts and people share give the same
    /// layout at every size. `side_px` is kept within 16..=4096 and the counts within 16; a
    /// crowded scene may hold fewer objects than the fewest asked for, since each must be
    /// visible.
    pub fn scene(&self, seed: u64, options: &SceneOptions) -> Scene {
        let mut scene = self.rendered(seed, options).scene;
        let known = |class: &&Class| {
            options.classes.is_empty() || options.classes.iter().any(|name| name == class.name)
        };
        scene.classes = CLASSES.iter().filter(known).map(|class| class.name).collect();
        scene
    }

    pub(crate) fn rendered(&self, seed: u64, options: &SceneOptions) -> Rendered {
        let layout = Layout::sample(self, seed, options);
        render(self, seed, &layout, options.side_px.clamp(SIDE_PX[0], SIDE_PX[1]))
    }

    /// The sprite of a class; none for people.
    pub(crate) fn sprite(&self, class: usize) -> Option<&Sprite> {
        self.sprites.get(class)?.as_ref()
    }

    /// Draws one object alone.
    pub(crate) fn layer(&self, camera: &Camera, placement: &Placement, side_px: u32) -> Layer {
        let size = picture_size(camera, side_px);
        let side = side_px as f32;
        let height = placement.height * side;
        match (&placement.figure, self.sprite(placement.class)) {
            (Some(figure), _) => figure.draw(placement.ground.map(|v| v * side), height, size),
            (None, Some(sprite)) => {
                let pose = Pose {
                    centre: [placement.ground[0] * side, placement.base_y * side - height * 0.5],
                    height,
                    angle: placement.angle,
                    flip: placement.flip,
                    colour: placement.colour,
                };
                sprite.draw(&pose, size)
            }
            (None, None) => Layer::clipped([0.0; 4], size),
        }
    }
}

/// Share of combinations that only held-out scenes contain, in 1/256.
const HELD_OUT: u32 = 31;

/// FNV-1a over both names, well mixed.
fn held_out_hash(class: &str, other: &str) -> u32 {
    let bytes = class.bytes().chain([b'/']).chain(other.bytes());
    let fnv = bytes.fold(0x811c_9dc5u32, |h, b| (h ^ u32::from(b)).wrapping_mul(0x0100_0193));
    crate::noise::hash(fnv as i32, 0, 0)
}

pub(crate) fn is_held_out(class: &str, colour: &str) -> bool {
    held_out_hash(class, colour) & 255 < HELD_OUT
}

/// People are everywhere, and few backgrounds have water: what lives on it must be seen on each.
pub(crate) fn is_held_out_on(class: &Class, background: &str) -> bool {
    !class.is_person()
        && class.place != Place::Water
        && held_out_hash(class.name, background) & 255 < HELD_OUT
}
