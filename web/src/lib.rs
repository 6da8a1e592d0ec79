//! REF-VLM in a browser tab.
//!
//! [`Engine`] is what a dedicated worker holds: a package that is being loaded, the session made
//! of it, and the world that scenes are drawn from. It is ordinary Rust that native tests reach;
//! `exports` hands it to JavaScript, where `js/worker.js` feeds it what it fetches.

#[cfg(target_arch = "wasm32")]
mod backend;
mod engine;
mod error;
#[cfg(target_arch = "wasm32")]
mod exports;
mod scene;
#[cfg(target_arch = "wasm32")]
mod start;

pub use burn::tensor::Device;
pub use engine::{Engine, Loaded, WantedShard};
pub use error::WebError;
pub use scene::Drawn;
