//! The server as its clients meet it: real requests to a real server with the shipped model.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/mod.rs"]
mod support;

#[path = "serve/answers.rs"]
mod answers;
#[path = "serve/load.rs"]
mod load;
#[path = "serve/python.rs"]
mod python;
#[path = "serve/refusals.rs"]
mod refusals;
#[path = "serve/tools.rs"]
mod tools;
