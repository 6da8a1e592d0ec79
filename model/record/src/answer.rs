//! An answer as it grows from events.

use crate::event::{Event, Finish, Proposal, Shape, Stage, Timings};
use crate::reading::Reading;
use crate::{Mask, Unit};
use std::sync::Arc;

/// A decoded target.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// What the decoder expects of itself, 0..1.
    pub confidence: f32,
    /// The target, px of the picture.
    pub shape: Shape,
    /// The mask unpacked; none for other shapes, and for run lengths that are no mask.
    pub mask: Option<Arc<Mask>>,
}

impl Found {
    /// A target with its mask unpacked.
    pub fn new(confidence: f32, shape: Shape) -> Self {
        let mask = match &shape {
            Shape::Mask { mask, .. } => mask.to_mask().ok().map(Arc::new),
            _ => None,
        };
        Self { confidence, shape, mask }
    }

    /// What else may be meant, the most confident first.
    pub fn others(&self) -> &[Proposal] {
        match &self.shape {
            Shape::Mask { others, .. } => others,
            _ => &[],
        }
    }

    /// The first of the others as the target, which goes behind them: who goes on comes round.
    /// Without others it stays as it is.
    pub fn next(&self) -> Self {
        let (Shape::Mask { mask, bbox, .. }, Some((next, rest))) =
            (&self.shape, self.others().split_first())
        else {
            return self.clone();
        };
        let before = Proposal { confidence: self.confidence, mask: mask.clone(), bbox: *bbox };
        let others = rest.iter().cloned().chain([before]).collect();
        let (mask, bbox) = (next.mask.clone(), next.bbox);
        Self::new(next.confidence, Shape::Mask { mask, bbox, others })
    }

    /// `[x, y, w, h]`, px; none for depth.
    pub fn bbox(&self) -> Option<[f32; 4]> {
        match &self.shape {
            Shape::Box { bbox } | Shape::Mask { bbox, .. } | Shape::Keypoint { bbox, .. } => {
                Some(*bbox)
            }
            Shape::Depth { .. } => None,
        }
    }
}

/// A concept with its unit and targets.
#[derive(Debug, Clone, PartialEq)]
pub struct Triplet {
    /// The phrase.
    pub concept: String,
    /// How its targets are decoded.
    pub unit: Unit,
    /// How many targets were announced.
    pub count: usize,
    /// Those decoded so far, in the order of their numbers.
    pub found: Vec<Found>,
}

/// How far an answer is.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Progress {
    /// Nothing was heard yet.
    #[default]
    Waiting,
    /// The question is being read.
    Reading,
    /// The answer is being written.
    Writing,
    /// Complete.
    Done {
        /// Where the time went.
        timings: Timings,
        /// Why it ended.
        reason: Finish,
    },
    /// Ended by an error.
    Failed {
        /// What went wrong and what helps.
        error: String,
    },
}

impl Progress {
    /// Whether nothing more will come.
    pub fn over(&self) -> bool {
        matches!(self, Progress::Done { .. } | Progress::Failed { .. })
    }
}

/// An answer, grown event by event.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Answer {
    /// The text as the model writes it, tags included.
    pub raw: String,
    /// Tokens so far.
    pub tokens: usize,
    /// In the order of their numbers.
    pub triplets: Vec<Triplet>,
    /// How far it is.
    pub progress: Progress,
    /// Whether an event was left out because it contradicts what came before.
    pub contradicted: bool,
}

impl Answer {
    /// Takes the next event. What comes behind the end is ignored; what contradicts the events
    /// before (a target of no triplet, a number out of order) is left out and noted.
    pub fn take(&mut self, event: Event) {
        if self.progress.over() {
            return;
        }
        match event {
            Event::Status { stage: Stage::Reading } => self.progress = Progress::Reading,
            Event::Status { stage: Stage::Writing } => self.progress = Progress::Writing,
            Event::Token { text, .. } => {
                self.raw += &text;
                self.tokens += 1;
            }
            Event::Triplet { triplet, concept, unit, count } => {
                if triplet == self.triplets.len() {
                    self.triplets.push(Triplet { concept, unit, count, found: Vec::new() });
                } else {
                    self.contradicted = true;
                }
            }
            Event::Unit { triplet, index, confidence, shape } => {
                match self.triplets.get_mut(triplet).filter(|t| t.found.len() == index) {
                    Some(triplet) => triplet.found.push(Found::new(confidence, shape)),
                    None => self.contradicted = true,
                }
            }
            Event::Done { timings, reason } => self.progress = Progress::Done { timings, reason },
            Event::Failed { error } => self.progress = Progress::Failed { error },
        }
    }

    /// Whether the answer followed the grammar to its end: ended by the model, without failure,
    /// with all announced targets, and every phrase of the text with its triplet.
    pub fn is_whole(&self) -> bool {
        matches!(self.progress, Progress::Done { reason: Finish::End, .. })
            && !self.contradicted
            && self.triplets.iter().all(|triplet| triplet.found.len() == triplet.count)
            && Reading::new(&self.raw).ties(self.triplets.len())
    }
}

impl Extend<Event> for Answer {
    fn extend<T: IntoIterator<Item = Event>>(&mut self, events: T) {
        events.into_iter().for_each(|event| self.take(event));
    }
}

impl FromIterator<Event> for Answer {
    fn from_iter<T: IntoIterator<Item = Event>>(events: T) -> Self {
        let mut answer = Self::default();
        answer.extend(events);
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RAW: &str = "<Phrase>a dog</Phrase>(<Unit>box</Unit>[0]<REF>[1]<REF>).";

    fn token(text: &str) -> Event {
        Event::Token { id: 0, text: text.into(), forced: false }
    }

    fn triplet(triplet: usize, count: usize) -> Event {
        Event::Triplet { triplet, concept: "a dog".into(), unit: Unit::Box, count }
    }

    fn unit(triplet: usize, index: usize) -> Event {
        let shape = Shape::Box { bbox: [0.0, 0.0, 1.0, 1.0] };
        Event::Unit { triplet, index, confidence: 0.5, shape }
    }

    fn done(reason: Finish) -> Event {
        Event::Done { timings: Timings::default(), reason }
    }

    #[test]
    fn events_become_an_answer() {
        let events =
            [token(RAW), triplet(0, 2), unit(0, 0), unit(0, 1), done(Finish::End), token("late")];
        let answer: Answer = events.into_iter().collect();
        assert_eq!((answer.raw.as_str(), answer.tokens), (RAW, 1));
        assert_eq!(answer.triplets[0].found.len(), 2);
        assert_eq!(answer.triplets[0].found[1].bbox(), Some([0.0, 0.0, 1.0, 1.0]));
        assert!(answer.is_whole());
    }

    #[test]
    fn who_goes_through_the_proposals_comes_round() {
        let wide = |columns: usize| Mask {
            width: 4,
            height: 1,
            pixels: (0..4).map(|i| u8::from(i < columns)).collect(),
        };
        let others = vec![Proposal::new(0.4, &wide(2)), Proposal::new(0.3, &wide(1))];
        let first = Found::new(0.6, Shape::mask(&wide(3)).with_others(others));
        let second = first.next();
        assert_eq!((second.confidence, second.bbox()), (0.4, Some([0.0, 0.0, 2.0, 1.0])));
        assert_eq!(second.mask.as_deref(), Some(&wide(2)));
        assert_eq!(second.others()[1], Proposal::new(0.6, &wide(3)));
        assert_eq!(second.next().next(), first);
        let alone = Found::new(0.5, Shape::mask(&wide(1)));
        assert_eq!(alone.next(), alone);
    }

    #[test]
    fn what_lacks_a_part_is_not_whole() {
        let end = || done(Finish::End);
        let failed = || Event::Failed { error: "broken".into() };
        for (case, events) in [
            ("cut", vec![token(RAW), triplet(0, 2), unit(0, 0), unit(0, 1), done(Finish::Length)]),
            ("failed", vec![token(RAW), triplet(0, 2), unit(0, 0), unit(0, 1), failed()]),
            ("unfinished", vec![token(RAW), triplet(0, 2), unit(0, 0), unit(0, 1)]),
            ("a target is missing", vec![token(RAW), triplet(0, 2), unit(0, 0), end()]),
            ("a triplet is missing", vec![token(RAW), end()]),
            ("the text is missing", vec![triplet(0, 1), unit(0, 0), end()]),
            ("a phrase has none", vec![token("<Phrase>a dog</Phrase>."), end()]),
        ] {
            assert!(!events.into_iter().collect::<Answer>().is_whole(), "{case}");
        }
    }

    #[test]
    fn what_contradicts_is_left_out() {
        for wrong in [unit(0, 1), unit(1, 0), triplet(3, 1), triplet(0, 1)] {
            let before: Answer = [token(RAW), triplet(0, 2)].into_iter().collect();
            let mut answer = before.clone();
            answer.take(wrong);
            assert_eq!(answer, Answer { contradicted: true, ..before });
            answer.extend([unit(0, 0), unit(0, 1), done(Finish::End)]);
            assert!(!answer.is_whole());
        }
        let mut answer = Answer::default();
        answer.take(Event::Failed { error: "broken".into() });
        answer.take(token("late"));
        assert_eq!(answer.raw, "");
    }
}
