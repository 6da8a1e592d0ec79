//! The kinds of turn.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What a turn asks for. Finer than a task; names are those of the scenes where both have a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The picture in one sentence, as a person wrote it.
    Caption,
    /// What is there, in one sentence whose phrases carry boxes.
    CaptionBoxes,
    /// The same with masks.
    CaptionMasks,
    /// The number of things of a kind, zero included.
    HowMany,
    /// Whether something is there: yes or no.
    Presence,
    /// The name of what is pointed at.
    RegionLabel,
    /// Whether what is pointed at is of a kind: yes or no.
    RegionQuestion,
    /// Boxes of everything.
    DetectAll,
    /// Masks of everything.
    SegmentAll,
    /// Boxes of a class or a group of classes.
    DetectClass,
    /// Masks of a class or a group of classes.
    SegmentClass,
    /// The box of the one thing an expression means.
    ReferBox,
    /// The mask of the one thing an expression means.
    ReferMask,
    /// The box of what is pointed at (never with a box).
    PromptBox,
    /// The mask of what is pointed at.
    PromptMask,
    /// Keypoints of all people.
    Keypoints,
    /// Keypoints of the person pointed at.
    PromptKeypoints,
    /// The box of something that is not there: a sentence that says so.
    AbsentBox,
    /// The mask of something that is not there: a sentence that says so.
    AbsentMask,
}

impl Kind {
    /// Every kind, in the order used wherever kinds are listed.
    pub const ALL: [Kind; 19] = [
        Kind::Caption,
        Kind::CaptionBoxes,
        Kind::CaptionMasks,
        Kind::HowMany,
        Kind::Presence,
        Kind::RegionLabel,
        Kind::RegionQuestion,
        Kind::DetectAll,
        Kind::SegmentAll,
        Kind::DetectClass,
        Kind::SegmentClass,
        Kind::ReferBox,
        Kind::ReferMask,
        Kind::PromptBox,
        Kind::PromptMask,
        Kind::Keypoints,
        Kind::PromptKeypoints,
        Kind::AbsentBox,
        Kind::AbsentMask,
    ];

    /// The name under which scores are reported and weights are configured.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Caption => "caption",
            Kind::CaptionBoxes => "caption_boxes",
            Kind::CaptionMasks => "caption_masks",
            Kind::HowMany => "how_many",
            Kind::Presence => "presence",
            Kind::RegionLabel => "region_label",
            Kind::RegionQuestion => "region_question",
            Kind::DetectAll => "detect_all",
            Kind::SegmentAll => "segment_all",
            Kind::DetectClass => "detect_class",
            Kind::SegmentClass => "segment_class",
            Kind::ReferBox => "refer_box",
            Kind::ReferMask => "refer_mask",
            Kind::PromptBox => "prompt_box",
            Kind::PromptMask => "prompt_mask",
            Kind::Keypoints => "keypoints",
            Kind::PromptKeypoints => "prompt_keypoints",
            Kind::AbsentBox => "absent_box",
            Kind::AbsentMask => "absent_mask",
        }
    }

    /// Default share: pointing, which most photos allow and people do most, is drawn most.
    pub(super) fn weight(self) -> f32 {
        match self {
            Kind::PromptMask | Kind::RegionLabel => 3.0,
            Kind::PromptBox | Kind::PromptKeypoints | Kind::SegmentClass | Kind::DetectClass => 1.5,
            Kind::ReferBox | Kind::ReferMask | Kind::Keypoints => 1.5,
            Kind::DetectAll | Kind::SegmentAll | Kind::CaptionBoxes | Kind::CaptionMasks => 1.0,
            Kind::Caption | Kind::HowMany | Kind::Presence | Kind::RegionQuestion => 0.8,
            Kind::AbsentBox | Kind::AbsentMask => 0.3,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
