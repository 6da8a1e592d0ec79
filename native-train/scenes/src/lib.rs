//! The world the embedded model knows: pictures composed of named sprites and articulated people
//! under a simple perspective, with exact labels, and dialogues about them.
//!
//! One seed decides everything, byte for byte, on every platform: no threads, no clock, no
//! platform mathematics (transcendental functions come from `libm`).

mod background;
mod border;
mod camera;
mod canvas;
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
mod placement;
mod render;
mod rng;
mod scene;
mod sprite;
#[cfg(test)]
mod tests;
mod tint;
mod world;

pub use classes::{Class, Family, Place};
pub use fingerprint::GOLDEN_SCENES;
pub use rng::{Stream, scene_rng};
pub use scene::{Object, Scene, SceneOptions, Split};
pub use sprite::SceneError;
pub use tint::Colour;
pub use world::World;
