//! The world the embedded model knows: pictures composed of named sprites and articulated people
//! under a simple perspective, with exact labels, and dialogues about them.
//!
//! One seed decides everything, byte for byte, on every platform: no threads, no clock, no
//! platform mathematics (transcendental functions come from `libm`).

mod background;
mod camera;
mod classes;
pub mod dialog;
mod figure;
mod fingerprint;
mod indoors;
mod layer;
mod layout;
mod noise;
mod outdoors;
mod person;
mod render;
mod rng;
mod scene;
mod sprite;
#[cfg(test)]
mod tests;
mod tint;
mod world;

pub use classes::{Class, Place};
pub use fingerprint::GOLDEN_SCENES;
pub use rng::scene_rng;
pub use scene::{Family, Object, Scene, SceneOptions, Split};
pub use tint::Colour;
pub use world::{SceneError, World};
