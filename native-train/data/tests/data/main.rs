//! Readers, views, dialogues, recipes and shards, on files of a few lines.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "a part of the support is for other programs")]

mod annotators;
mod coco;
mod conversations;
mod convert;
mod damage;
mod dialogues;
mod published;
mod recipes;
mod shards;
#[path = "../support/mod.rs"]
mod support;
mod views;
