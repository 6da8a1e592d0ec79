//! Everything around the model that needs files: pictures, records, drawing, scores.

pub mod body;
pub mod data;
pub mod distance;
pub mod draw;
pub mod files;
pub mod metrics;
pub mod picture;
pub mod train;
pub mod sheet;
