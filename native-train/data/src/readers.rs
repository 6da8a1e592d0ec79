//! Records that other programs wrote.

pub mod reference;
