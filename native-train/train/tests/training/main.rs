//! The training loop on models of a few thousand parameters, and what decides it. One program, since
//! each would compile the loop anew.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../support/mod.rs"]
mod support;

mod checkpoints;
mod interrupted;
mod plan;
mod records;
mod run;
mod settings;
mod several_ranks;
mod stages;
mod tuned;
