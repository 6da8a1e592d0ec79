//! Tasks, units and the Task Command they declare.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// What the targets of a triplet are decoded to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// An axis-aligned rectangle.
    Box,
    /// A binary mask.
    Mask,
    /// A box with 17 named points (COCO order) and their visibility.
    Keypoint,
    /// A dense map of distances.
    Depth,
}

impl Unit {
    /// Every unit, in the order used wherever units are listed.
    pub const ALL: [Unit; 4] = [Unit::Box, Unit::Mask, Unit::Keypoint, Unit::Depth];

    /// The word that stands between `<Unit>` and `</Unit>`.
    pub fn name(self) -> &'static str {
        match self {
            Unit::Box => "box",
            Unit::Mask => "mask",
            Unit::Keypoint => "keypoint",
            Unit::Depth => "depth",
        }
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that is not one of the known ones.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown {kind} '{name}': use one of {known}")]
pub struct UnknownName {
    /// What was looked up: `unit` or `task`.
    pub kind: &'static str,
    /// The name that was given.
    pub name: String,
    /// The names that exist.
    pub known: String,
}

impl FromStr for Unit {
    type Err = UnknownName;
    fn from_str(name: &str) -> Result<Self, UnknownName> {
        Self::ALL.into_iter().find(|u| u.name() == name).ok_or_else(|| UnknownName {
            kind: "unit",
            name: name.into(),
            known: Self::ALL.map(Unit::name).join(", "),
        })
    }
}

/// What an answer is made of, as the Task Command names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Element {
    /// Whole sentences.
    Sentence,
    /// Phrases that carry units.
    Phrase,
}

/// A task a person can choose. Its name and elements are those of the original; `keypoint_*`,
/// `depth` and `mixed` complete what the original left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// A question, a caption, a region question: words only.
    Vqa,
    /// Boxes of everything.
    Detection,
    /// Masks of everything.
    Segmentation,
    /// Boxes of what the question names or points at.
    GroundingDetection,
    /// Masks of what the question names or points at.
    GroundingSegmentation,
    /// A caption whose phrases carry boxes.
    GcgDetection,
    /// A caption whose phrases carry masks.
    GcgSegmentation,
    /// Keypoints of every person.
    KeypointDetection,
    /// Keypoints of the person that the question names or points at.
    GroundingKeypoints,
    /// The distance of every pixel.
    Depth,
    /// An answer whose phrases carry different units.
    Mixed,
}

/// The lines of the Task Command that precede a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskCommand {
    /// Name on the first line.
    pub name: String,
    /// Elements on the second line, without the trailing `unit`.
    pub elements: Vec<Element>,
    /// Units on the third line; none means the answer is words only.
    pub units: Vec<Unit>,
}

impl Task {
    /// Every task, in the order in which they are offered.
    pub const ALL: [Task; 11] = [
        Task::Vqa,
        Task::Detection,
        Task::Segmentation,
        Task::GroundingDetection,
        Task::GroundingSegmentation,
        Task::GcgDetection,
        Task::GcgSegmentation,
        Task::KeypointDetection,
        Task::GroundingKeypoints,
        Task::Depth,
        Task::Mixed,
    ];

    /// The name on the first line of the Task Command.
    pub fn name(self) -> &'static str {
        match self {
            Task::Vqa => "vqa",
            Task::Detection => "detection",
            Task::Segmentation => "segmentation",
            Task::GroundingDetection => "grounding_detection",
            Task::GroundingSegmentation => "grounding_segmentation",
            Task::GcgDetection => "gcg_detection",
            Task::GcgSegmentation => "gcg_segmentation",
            Task::KeypointDetection => "keypoint_detection",
            Task::GroundingKeypoints => "grounding_keypoints",
            Task::Depth => "depth",
            Task::Mixed => "mixed",
        }
    }

    /// The units an answer to this task may carry.
    pub fn units(self) -> &'static [Unit] {
        match self {
            Task::Vqa => &[],
            Task::Detection | Task::GroundingDetection | Task::GcgDetection => &[Unit::Box],
            Task::Segmentation | Task::GroundingSegmentation | Task::GcgSegmentation => {
                &[Unit::Mask]
            }
            Task::KeypointDetection | Task::GroundingKeypoints => &[Unit::Keypoint],
            Task::Depth => &[Unit::Depth],
            Task::Mixed => &Unit::ALL,
        }
    }

    /// What the answer is made of.
    pub fn elements(self) -> &'static [Element] {
        match self {
            Task::Vqa => &[Element::Sentence],
            Task::GcgDetection | Task::GcgSegmentation | Task::Mixed => {
                &[Element::Phrase, Element::Sentence]
            }
            _ => &[Element::Phrase],
        }
    }

    /// The Task Command of this task.
    pub fn command(self) -> TaskCommand {
        TaskCommand {
            name: self.name().into(),
            elements: self.elements().to_vec(),
            units: self.units().to_vec(),
        }
    }
}

impl FromStr for Task {
    type Err = UnknownName;
    fn from_str(name: &str) -> Result<Self, UnknownName> {
        Self::ALL.into_iter().find(|t| t.name() == name).ok_or_else(|| UnknownName {
            kind: "task",
            name: name.into(),
            known: Self::ALL.map(Task::name).join(", "),
        })
    }
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
