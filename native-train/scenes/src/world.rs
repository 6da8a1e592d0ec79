//! The world: all sprites, and the scenes that can be drawn from them.

use crate::border::{is_held_out, is_held_out_on};
use crate::classes::{CLASSES, Class};
use crate::layout::Layout;
use crate::render::{Rendered, render};
use crate::scene::{Scene, SceneOptions};
use crate::sprite::{SceneError, Sprites};

/// Decoded sprites of every class. Made once; drawing only reads it.
pub struct World {
    pub(crate) sprites: Sprites,
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

    /// Decodes the icons of these classes only, which is faster; all icons when the list is empty.
    /// Scenes must be drawn with [`SceneOptions::classes`] among them.
    ///
    /// # Errors
    /// When an embedded icon is damaged.
    pub fn of(classes: &[String]) -> Result<Self, SceneError> {
        Ok(Self { sprites: Sprites::of(classes)? })
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
        let layout = Layout::sample(&self.sprites, seed, options);
        render(&self.sprites, seed, &layout, options.side_px.clamp(SIDE_PX[0], SIDE_PX[1]))
    }
}
