//! Storing and loading modules.

pub mod by_name;
