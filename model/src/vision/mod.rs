//! Pictures to maps: the vision towers, the pyramid they form and the projector.

mod projector;

pub use projector::{Projector, ProjectorConfig};
