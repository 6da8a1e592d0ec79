//! What tests of several crates need.

mod counting;
mod folder;

pub use counting::{Counting, Held};
pub use folder::Folder;
