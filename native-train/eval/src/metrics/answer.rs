//! A finished answer, given or true, in the one form that scores and drawings read.

use refvlm_model::event::{Event, Finish, Shape, Timings};
use refvlm_record::reading::Reading;
use refvlm_record::{AnswerPart, Target, Unit, answer};
use serde::{Deserialize, Serialize};

/// A finished answer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// The raw text, tags included.
    pub text: String,
    /// The triplets in order.
    pub triplets: Vec<AnswerTriplet>,
    /// Whether the text followed the grammar to its end.
    pub parsed: bool,
}

/// A triplet with its decoded targets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AnswerTriplet {
    /// The phrase.
    pub concept: String,
    /// The unit it names.
    pub unit: Unit,
    /// Confidence and shape of each target.
    pub shapes: Vec<(f32, Shape)>,
}

impl Answer {
    /// Collects the events of one answer; parsed is what [is whole](answer::Answer::is_whole).
    pub fn from_events(events: &[Event]) -> Self {
        let said: answer::Answer = events.iter().cloned().collect();
        let parsed = said.is_whole();
        let triplets = said.triplets.into_iter().map(|triplet| AnswerTriplet {
            concept: triplet.concept,
            unit: triplet.unit,
            shapes: triplet.found.into_iter().map(|f| (f.confidence, f.shape)).collect(),
        });
        Self { triplets: triplets.collect(), text: said.raw, parsed }
    }

    /// The true answer of a turn. Hidden joints get visibility 0.5, visible ones 1. Targets that
    /// lack what the unit needs are left out; a checked record has none of these.
    pub fn from_truth(parts: &[AnswerPart], targets: &[Target], [width, height]: [u32; 2]) -> Self {
        let mut answer = Answer { parsed: true, ..Answer::default() };
        for part in parts {
            match part {
                AnswerPart::Text(text) => answer.text.push_str(text),
                AnswerPart::Triplet { concept, unit, targets: indices } => {
                    let refs: String = (0..indices.len()).map(|k| format!("[{k}]<REF>")).collect();
                    answer.text.push_str(&format!(
                        "<Phrase>{concept}</Phrase>(<Unit>{unit}</Unit>{refs})"
                    ));
                    let shapes = indices
                        .iter()
                        .filter_map(|&k| shape(targets.get(k)?, *unit, [width, height]))
                        .map(|shape| (1.0, shape))
                        .collect();
                    let concept = concept.clone();
                    answer.triplets.push(AnswerTriplet { concept, unit: *unit, shapes });
                }
            }
        }
        answer
    }

    /// The events that make this answer, for drawing.
    pub fn events(&self) -> Vec<Event> {
        let mut events = vec![Event::Token { id: 0, text: self.text.clone(), forced: false }];
        for (triplet, t) in self.triplets.iter().enumerate() {
            let (concept, unit, count) = (t.concept.clone(), t.unit, t.shapes.len());
            events.push(Event::Triplet { triplet, concept, unit, count });
            events.extend(t.shapes.iter().enumerate().map(|(index, (confidence, shape))| {
                let (confidence, shape) = (*confidence, shape.clone());
                Event::Unit { triplet, index, confidence, shape }
            }));
        }
        events.push(Event::Done { timings: Timings::default(), reason: Finish::End });
        events
    }

    /// The readable words.
    pub fn words(&self) -> String {
        Reading::new(&self.text).words()
    }
}

fn shape(target: &Target, unit: Unit, [width, height]: [u32; 2]) -> Option<Shape> {
    Some(match unit {
        Unit::Box => Shape::Box { bbox: target.bbox? },
        Unit::Mask => Shape::mask(&target.mask.as_ref()?.to_mask().ok()?),
        Unit::Keypoint => {
            let joints = target.keypoints.as_ref()?;
            let keypoints = joints.iter().map(|[x, y, v]| [*x, *y, v / 2.0]).collect();
            Shape::Keypoint { bbox: target.bbox?, keypoints }
        }
        Unit::Depth => {
            Shape::Depth { width, height, metres: target.depth.as_ref()?.metres.clone() }
        }
    })
}
