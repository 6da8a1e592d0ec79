//! Files in and out: bytes that are whole or absent, pictures, distance maps, folders of records.

pub mod distance;
pub mod files;
pub mod output;
pub mod picture;
pub mod records;

mod unfinished;
