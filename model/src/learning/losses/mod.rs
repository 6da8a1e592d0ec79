//! What trains the model: a loss per unit, the assignment of targets inside a triplet, and the
//! cross-entropy of the text.
//!
//! Functions on tensors ([`l1`], [`giou`], [`focal`], ...) hold one formula each; [`box_loss`],
//! [`mask_loss`], [`pose_loss`] and [`depth_loss`] take a decoder's output and host targets,
//! match, and add the terms up with the weights of a [`LossConfig`].

mod boxes;
mod depth;
mod joints;
mod keypoints;
mod masks;
mod matcher;
mod middles;
mod proposals;
mod targets;
mod text;
mod unit_loss;
mod units;

pub use boxes::{BoxOverlap, box_cost, giou, host_giou, l1};
pub use depth::{log_l1, silog, within_factor};
pub use joints::joint_map_loss;
pub use keypoints::{keypoint_l1, oks, visibility_focal};
pub use masks::{MaskCosts, dice, focal, hard_iou};
pub use matcher::match_groups;
pub use middles::{MiddleLoss, middle_loss};
pub use targets::{DenseTarget, DenseTargets, LossConfig, PoseTarget, TargetError, nearest};
pub use text::{IGNORE, confidence, cross_entropy};
pub use unit_loss::UnitLoss;
pub use units::{box_loss, depth_loss, mask_loss, pose_loss};
