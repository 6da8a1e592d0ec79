//! The page: pictures, visual prompts, questions and answers in a browser tab.
//!
//! What can be thought without a browser is plain Rust with tests of its own: [`canvas`], then
//! [`conversation`], then [`take_home`], each of which may use the ones before; [`models`], which
//! says which of the two models answers, uses none of them. The application
//! itself exists in WebAssembly only; it talks to the engine's worker by the messages of
//! `refvlm-protocol` and knows nothing else of it.

pub mod canvas;
pub mod conversation;
pub mod models;
pub mod take_home;

#[cfg(target_arch = "wasm32")]
mod app;
