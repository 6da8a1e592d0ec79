//! Pictures to maps: the vision towers, the pyramid they form and the projector.

mod class_words;
mod clip_vit;
mod convnext;
mod dinov2;
mod efficientnet;
mod encoder;
mod patch;
mod projector;
mod pyramid;

pub use class_words::{ClassWords, SEEN, SHOWN, SeenWords};
pub use clip_vit::{ClipVit, ClipVitConfig};
pub use convnext::{ConvNext, ConvNextConfig};
pub use dinov2::{Dinov2, Dinov2Config};
pub use efficientnet::{EfficientNet, EfficientNetConfig, EfficientNetStage};
pub use encoder::{VisualEncoder, VisualEncoderConfig};
pub use patch::{PatchEmbed, PatchSpread, tokens_to_map};
pub use projector::{Projector, ProjectorConfig};
pub use pyramid::Pyramid;
