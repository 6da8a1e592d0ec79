//! Reference states become units: boxes, masks, keypoints, depth.
//!
//! A decoder takes the maps it selected from the vision pyramid, the reference states of the
//! answer and the [`QueryLayout`] that says which of them form a triplet. All coordinates are in
//! the unit square of the padded picture.

mod boxes;
mod config;
mod depth;
mod detr;
mod finder;
mod fpn;
mod mask;
mod mask_unit;
mod pose;
mod prompted;
mod queries;
mod sam_unit;
mod vd_adapter;
mod visual;

pub use boxes::{BoxDecoder, BoxOutput};
pub(crate) use config::check_channels;
pub use config::{DecoderConfig, DecoderConfigError, Positions, QueryMask};
pub use depth::{DepthDecoder, DepthOutput};
pub use detr::{DetrDecoder, DetrLayer};
pub(crate) use finder::overlap;
pub use finder::{Finder, FinderConfig, FoundThing, Middles, peaks};
pub use fpn::{Fpn, FpnLayer, PixelDecoder};
pub use mask::{MaskDecoder, MaskOutput, Proposals};
pub use mask_unit::MaskUnit;
pub use pose::{KeypointDecoder, PoseDecoder, PoseOutput};
pub use prompted::{
    NeckConfig, Pointed, PromptMaps, PromptedConfig, PromptedDecoder, STROKE_KINDS, Told,
};
pub use queries::{Queries, QueryLayout};
pub use sam_unit::{SamUnit, SamUnitConfig};
pub use vd_adapter::{AdapterGroup, AdapterOutput, VdAdapter, VdAdapterConfig};
pub use visual::{LevelProjection, Memory, sine_position};
