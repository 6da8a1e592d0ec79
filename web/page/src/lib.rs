//! The page: pictures, visual prompts, questions and answers in a browser tab.
//!
//! What can be thought without a browser is plain Rust with tests of its own: [`geometry`],
//! [`raster`], [`marks`], [`tools`] and [`history`] for the canvas, [`answer`], [`truth`],
//! [`question`] and [`live`] for the conversation, [`coco`], [`archive`] and [`transcript`] for
//! what is taken home. The application itself exists in WebAssembly only; it talks to the engine's
//! worker by the messages of `refvlm-protocol` and knows nothing else of it.

pub mod answer;
pub mod archive;
pub mod coco;
pub mod geometry;
pub mod history;
pub mod labels;
pub mod live;
pub mod marks;
pub mod palette;
pub mod question;
pub mod raster;
pub mod tools;
pub mod transcript;
pub mod truth;

#[cfg(target_arch = "wasm32")]
mod app;
