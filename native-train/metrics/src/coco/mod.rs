//! COCO's average precision and recall of boxes, masks and keypoints.

pub mod confusion;
mod curve;
pub mod detection;
pub mod files;
pub mod region;
pub mod shape;

pub use confusion::Confusion;
pub use detection::{Detection, Found, Picture, Settings};
pub use region::Region;
pub use shape::{Joints, Shape, Truth};
