//! Checkpoint files as they are published, damaged, and changed at random.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod adapters;
#[path = "../common/mod.rs"]
mod common;
mod damaged;
mod formats;
mod mutations;
mod wrapped;
