//! Weights from elsewhere, imported by the program.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "a part of the support is for other programs")]

mod efficientnet;
mod import;
mod layouts;
mod lora;
#[path = "../support/mod.rs"]
mod support;
