//! A finished answer, given or true, in the one form that scores and drawings read.

use refvlm_draw::body;
use refvlm_model::event::{Event, Finish, Shape, Timings};
use refvlm_record::{AnswerPart, Target, Unit};

/// A finished answer.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Answer {
    /// The raw text, tags included.
    pub text: String,
    /// The triplets in order.
    pub triplets: Vec<AnswerTriplet>,
    /// Whether the text followed the grammar to its end.
    pub parsed: bool,
}

/// A triplet with its decoded targets.
#[derive(Debug, Clone, PartialEq)]
pub struct AnswerTriplet {
    /// The phrase.
    pub concept: String,
    /// The unit it names.
    pub unit: Unit,
    /// Confidence and shape of each target.
    pub shapes: Vec<(f32, Shape)>,
}

impl Answer {
    /// Collects the events of one answer. Parsed means: ended by the model, without failure, with
    /// all announced targets, and every phrase of the text with its triplet.
    pub fn from_events(events: &[Event]) -> Self {
        let mut answer = Answer::default();
        let (mut ended, mut failed, mut announced) = (false, false, Vec::new());
        for event in events {
            match event {
                Event::Status { .. } => {}
                Event::Token { text, .. } => answer.text.push_str(text),
                Event::Triplet { concept, unit, count, .. } => {
                    let (concept, unit) = (concept.clone(), *unit);
                    answer.triplets.push(AnswerTriplet { concept, unit, shapes: Vec::new() });
                    announced.push(*count);
                }
                Event::Unit { triplet, confidence, shape, .. } => {
                    match answer.triplets.get_mut(*triplet) {
                        Some(triplet) => triplet.shapes.push((*confidence, shape.clone())),
                        None => failed = true,
                    }
                }
                Event::Done { reason, .. } => ended = *reason == Finish::End,
                Event::Failed { .. } => failed = true,
            }
        }
        let found = answer.triplets.iter().map(|t| t.shapes.len());
        let phrases = body::pieces(&answer.text)
            .iter()
            .filter(|piece| matches!(piece, body::Piece::Phrase { triplet: Some(_), .. }))
            .count();
        let whole = found.eq(announced) && phrases == answer.triplets.len();
        answer.parsed = ended && !failed && whole;
        answer
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
        body::plain(&self.text)
    }
}

fn shape(target: &Target, unit: Unit, [width, height]: [u32; 2]) -> Option<Shape> {
    Some(match unit {
        Unit::Box => Shape::Box { bbox: target.bbox? },
        Unit::Mask => {
            let mask = target.mask.clone()?;
            let bounds = mask.to_mask().ok()?.bounds().unwrap_or_default();
            Shape::Mask { mask, bbox: bounds.map(|v| v as f32) }
        }
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
