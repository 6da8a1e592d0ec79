//! The kinds of dialogue.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What a turn asks for. Finer than a task: evaluation scores each kind by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The picture in one sentence.
    Caption,
    /// The same sentence, each phrase with its boxes.
    CaptionBoxes,
    /// The same sentence, each phrase with its masks.
    CaptionMasks,
    /// What something described is, or where the scene plays.
    What,
    /// The number of things of a kind, zero included.
    HowMany,
    /// The third of the picture in which something is.
    Where,
    /// Whether two things stand in a relation: yes or no.
    Relation,
    /// Which of two things is nearer or farther.
    Nearer,
    /// The colour of something named.
    Colour,
    /// Whether something is there: yes or no.
    Presence,
    /// The name of what is pointed at.
    RegionLabel,
    /// A description of what is pointed at.
    RegionCaption,
    /// Colour, place, identity or relation of what is pointed at.
    RegionQuestion,
    /// Boxes of everything.
    DetectAll,
    /// Masks of everything.
    SegmentAll,
    /// Boxes of a named class or family.
    DetectClass,
    /// Masks of a named class or family.
    SegmentClass,
    /// The box of the one thing an expression refers to.
    ReferBox,
    /// The mask of the one thing an expression refers to.
    ReferMask,
    /// The box of what is pointed at (never with a box).
    PromptBox,
    /// The mask of what is pointed at.
    PromptMask,
    /// Keypoints of all people.
    Keypoints,
    /// Keypoints of the person pointed at or referred to.
    PromptKeypoints,
    /// The depth map.
    Depth,
    /// Several units in one answer.
    Mixed,
}

impl Kind {
    /// Every kind, in the order used wherever kinds are listed.
    pub const ALL: [Kind; 25] = [
        Kind::Caption,
        Kind::CaptionBoxes,
        Kind::CaptionMasks,
        Kind::What,
        Kind::HowMany,
        Kind::Where,
        Kind::Relation,
        Kind::Nearer,
        Kind::Colour,
        Kind::Presence,
        Kind::RegionLabel,
        Kind::RegionCaption,
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
        Kind::Depth,
        Kind::Mixed,
    ];

    /// The name under which scores are reported and weights are configured.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Caption => "caption",
            Kind::CaptionBoxes => "caption_boxes",
            Kind::CaptionMasks => "caption_masks",
            Kind::What => "what",
            Kind::HowMany => "how_many",
            Kind::Where => "where",
            Kind::Relation => "relation",
            Kind::Nearer => "nearer",
            Kind::Colour => "colour",
            Kind::Presence => "presence",
            Kind::RegionLabel => "region_label",
            Kind::RegionCaption => "region_caption",
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
            Kind::Depth => "depth",
            Kind::Mixed => "mixed",
        }
    }

    /// Default share: answers with targets teach the decoders and are drawn most.
    pub(super) fn weight(self) -> f32 {
        match self {
            Kind::DetectAll | Kind::SegmentAll | Kind::ReferBox | Kind::ReferMask => 1.5,
            Kind::PromptMask | Kind::Keypoints | Kind::Mixed | Kind::CaptionMasks => 1.5,
            Kind::PromptBox | Kind::PromptKeypoints | Kind::DetectClass | Kind::SegmentClass => 1.0,
            Kind::CaptionBoxes | Kind::RegionLabel | Kind::Depth => 1.0,
            Kind::Caption | Kind::What | Kind::HowMany | Kind::Where | Kind::Relation => 0.6,
            Kind::Nearer | Kind::Colour | Kind::Presence => 0.6,
            Kind::RegionCaption | Kind::RegionQuestion => 0.8,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
