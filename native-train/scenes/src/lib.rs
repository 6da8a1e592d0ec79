//! The world the embedded model knows: pictures composed of named sprites and articulated people
//! under a simple perspective, with exact labels, and dialogues about them.
//!
//! One seed decides everything, byte for byte, on every platform: no threads, no clock, no
//! platform mathematics (transcendental functions come from `libm`).

pub mod dialog;
mod scene;

pub use scene::{Family, Object, Scene, SceneOptions, Split};
