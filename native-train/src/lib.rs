//! Everything around the model that needs files: pictures, records, drawing, scores.

pub mod body;
pub mod draw;
pub mod files;
pub mod picture;
pub mod train;
