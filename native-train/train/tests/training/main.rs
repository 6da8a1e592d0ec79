//! The training loop on a model of a few thousand parameters. One program, since each would compile
//! the loop anew.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../support/mod.rs"]
mod support;

mod checkpoints;
mod interrupted;
mod records;
mod run;
mod several_ranks;
