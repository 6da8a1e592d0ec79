//! Points, boxes, scribbles and masks to tokens.
//!
//! A prompt becomes a region over the grid of a visual map ([`region`]), and the region gathers
//! what the map says there into a few tokens ([`vpt`]).

pub mod region;
pub mod vpt;

pub use region::{PromptError, Radius, RegionConfig, RegionMode, Shape};
pub use vpt::{Layout, MaskToken, Strategy, VptConfig, VptEncoder};
