//! An answer as it grows: its words, its plan, its phrases and what they are tied to.

use crate::geometry::Place;
use crate::raster::covers;
use refvlm_protocol::{Event, Failure, Finish, Shape, Stage, Timings, Unit};
use refvlm_record::Mask;
use std::sync::Arc;

/// A piece of the answer's body, in reading order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Words.
    Words(String),
    /// A phrase that is tied, or will be, to the triplet of that number (from 0); none while its
    /// references are not there yet, or when none came.
    Phrase {
        /// The words of the phrase.
        words: String,
        /// The triplet.
        triplet: Option<usize>,
    },
}

/// What the raw text of an answer means. Unfinished text is fine: a tag that is still open takes
/// what follows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reading {
    /// The plan (VD-CoT): its lines without the tags. Empty where there is none.
    pub plan: Vec<String>,
    /// Whether the plan is still being written.
    pub planning: bool,
    /// The body.
    pub body: Vec<Piece>,
}

/// Reads the raw text of an answer.
pub fn read(raw: &str) -> Reading {
    let (plan, planning, mut rest) = match raw.split_once("<Task>") {
        Some((_, after)) => match after.split_once("</Task>") {
            Some((plan, body)) => (plan, false, body),
            None => (after, true, ""),
        },
        None => ("", false, raw),
    };
    let plan = plan.lines().map(str::trim).filter(|line| !line.is_empty()).map(String::from);
    let mut reading = Reading { plan: plan.collect(), planning, body: Vec::new() };
    let mut triplets = 0;
    rest = rest.trim_start();
    while let Some((before, after)) = rest.split_once("<Phrase>") {
        push_words(&mut reading.body, before);
        let (words, behind) = match after.split_once("</Phrase>") {
            Some((words, behind)) => (words, behind),
            None => (after, ""),
        };
        let (references, behind) = bracket(behind);
        let triplet = (references > 0).then_some(triplets);
        triplets += usize::from(references > 0);
        reading.body.push(Piece::Phrase { words: words.trim().into(), triplet });
        rest = behind;
    }
    push_words(&mut reading.body, rest);
    reading
}

fn push_words(body: &mut Vec<Piece>, words: &str) {
    if !words.is_empty() {
        body.push(Piece::Words(words.into()));
    }
}

/// Takes `(<Unit>box</Unit>[0]<REF>...)` off the front, finished or not: how many references it
/// holds, and what stands behind.
fn bracket(text: &str) -> (usize, &str) {
    let trimmed = text.trim_start();
    if trimmed.is_empty() || !(trimmed.starts_with("(<Unit>") || "(<Unit>".starts_with(trimmed)) {
        return (0, text);
    }
    let (inside, behind) = trimmed.split_once(')').unwrap_or((trimmed, ""));
    (inside.matches("<REF>").count(), behind)
}

/// A decoded target.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// What the decoder expects of itself, 0..1.
    pub confidence: f32,
    /// The target, px of the picture.
    pub shape: Shape,
    /// The mask unpacked, for masks.
    pub mask: Option<Arc<Mask>>,
}

impl Found {
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
    /// How many targets there will be.
    pub count: usize,
    /// Those decoded so far.
    pub found: Vec<Found>,
}

/// How far an answer is.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Progress {
    /// Sent, nothing heard yet.
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
    /// Ended by the person.
    Aborted,
    /// Ended by a failure.
    Failed(Failure),
}

impl Progress {
    /// Whether nothing more will come.
    pub fn over(&self) -> bool {
        matches!(self, Progress::Done { .. } | Progress::Aborted | Progress::Failed(_))
    }
}

/// An answer, grown event by event.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Answer {
    /// The text as the model writes it, tags included.
    pub raw: String,
    /// What it means.
    pub reading: Reading,
    /// In the order of their numbers.
    pub triplets: Vec<Triplet>,
    /// How far it is.
    pub progress: Progress,
    /// Tokens so far.
    pub tokens: usize,
}

impl Answer {
    /// Takes the next event. Events that contradict what came before are left out.
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
                self.reading = read(&self.raw);
            }
            Event::Triplet { triplet, concept, unit, count } => {
                if triplet == self.triplets.len() {
                    self.triplets.push(Triplet { concept, unit, count, found: Vec::new() });
                }
            }
            Event::Unit { triplet, index, confidence, shape } => {
                let Some(triplet) = self.triplets.get_mut(triplet) else { return };
                if index == triplet.found.len() {
                    let mask = match &shape {
                        Shape::Mask { mask, .. } => mask.to_mask().ok().map(Arc::new),
                        _ => None,
                    };
                    triplet.found.push(Found { confidence, shape, mask });
                }
            }
            Event::Done { timings, reason } => self.progress = Progress::Done { timings, reason },
            Event::Failed { error } => {
                self.progress = Progress::Failed(Failure {
                    kind: refvlm_protocol::FailureKind::Engine,
                    message: error,
                    remedy: String::new(),
                });
            }
        }
    }

    /// The words of the body without tags.
    pub fn words(&self) -> String {
        let pieces = self.reading.body.iter().map(|piece| match piece {
            Piece::Words(words) | Piece::Phrase { words, .. } => words.as_str(),
        });
        pieces.collect::<String>().trim().to_string()
    }

    /// The smallest target at a place, px: its triplet and its index there.
    pub fn at(&self, place: Place) -> Option<(usize, usize)> {
        let numbered = self.triplets.iter().enumerate().flat_map(|(triplet, t)| {
            t.found.iter().enumerate().map(move |(index, found)| (triplet, index, found))
        });
        let hit = numbered.filter_map(|(triplet, index, found)| {
            let [x, y, w, h] = found.bbox()?;
            let inside = (x..=x + w).contains(&place[0]) && (y..=y + h).contains(&place[1]);
            let (hit, area) = match &found.mask {
                Some(mask) => (covers(mask, place), mask.area() as f32),
                None => (inside, w * h),
            };
            hit.then_some((area, triplet, index))
        });
        hit.min_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, triplet, index)| (triplet, index))
    }

    /// Whether there is anything to see on the picture.
    pub fn shows(&self) -> bool {
        self.triplets.iter().any(|triplet| !triplet.found.is_empty())
    }

    /// Tokens per second behind the first token; none before the end or for a single token.
    pub fn tokens_per_second(&self) -> Option<f64> {
        let Progress::Done { timings, .. } = &self.progress else { return None };
        let seconds = timings.total_s - timings.first_token_s;
        (timings.tokens > 1 && seconds > 0.0).then(|| (timings.tokens - 1) as f64 / seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RAW: &str = "<Task>\nUnit decode (True). Class name, target unit and number:\n\
        - Name: a dog Unit: box Num: 2\n</Task>\nHere <Phrase>a dog</Phrase>(<Unit>box</Unit>[0]<REF>\
        [1]<REF>) and <Phrase>a cat</Phrase> by <Phrase>a tree</Phrase>(<Unit>mask</Unit>[0]<REF>).";

    #[test]
    fn plan_words_and_phrases_come_apart() {
        let reading = read(RAW);
        assert_eq!(reading.plan.len(), 2);
        assert!(!reading.planning);
        let words = |s: &str| Piece::Words(s.into());
        let phrase = |s: &str, triplet| Piece::Phrase { words: s.into(), triplet };
        let expected = vec![
            words("Here "),
            phrase("a dog", Some(0)),
            words(" and "),
            phrase("a cat", None),
            words(" by "),
            phrase("a tree", Some(1)),
            words("."),
        ];
        assert_eq!(reading.body, expected);
    }

    #[test]
    fn no_tag_ever_shows_while_text_streams() {
        // Special tokens arrive whole; words may break anywhere.
        let mut raw = String::new();
        let mut last = 0;
        for part in RAW.split_inclusive(['>', ' ', ']']) {
            let cut = part.find('<').unwrap_or(0);
            for piece in [&part[..cut], &part[cut..]] {
                raw += piece;
                let reading = read(&raw);
                for piece in &reading.body {
                    let (Piece::Words(text) | Piece::Phrase { words: text, .. }) = piece;
                    assert!(!text.contains('<') && !text.contains("[0]"), "{raw:?}: {text:?}");
                }
                assert!(reading.body.len() >= last.min(1));
                last = reading.body.len();
            }
        }
        assert_eq!(read(&raw), read(RAW));
    }

    #[test]
    fn plain_words_are_words() {
        let raw = "<Task>\nUnit decode (False).\n</Task>\nTwo (or three) dogs.";
        assert_eq!(read(raw).body, [Piece::Words("Two (or three) dogs.".into())]);
        assert_eq!(read("Hello").body, [Piece::Words("Hello".into())]);
        assert_eq!(read(""), Reading::default());
        assert!(read("<Task>\nUnit").planning);
    }

    #[test]
    fn a_recorded_stream_is_taken() {
        let lines = include_str!("../tests/events.jsonl");
        let mut answer = Answer::default();
        for line in lines.lines() {
            answer.take(serde_json::from_str(line).unwrap());
        }
        assert!(matches!(answer.progress, Progress::Done { .. }));
        assert!(answer.shows());
        for triplet in &answer.triplets {
            assert_eq!(triplet.found.len(), triplet.count);
        }
        let tied = answer.reading.body.iter().filter_map(|piece| match piece {
            Piece::Phrase { words, triplet } => Some((words.clone(), triplet.unwrap())),
            Piece::Words(_) => None,
        });
        for (words, triplet) in tied {
            assert_eq!(words, answer.triplets[triplet].concept);
        }
        assert!(answer.tokens_per_second().unwrap() > 0.0);
    }

    #[test]
    fn the_smallest_target_is_hit() {
        let mut answer = Answer::default();
        for (triplet, bbox) in
            [[0.0, 0.0, 50.0, 50.0], [10.0, 10.0, 5.0, 5.0]].into_iter().enumerate()
        {
            answer.take(Event::Triplet { triplet, concept: "a".into(), unit: Unit::Box, count: 1 });
            answer.take(Event::Unit {
                triplet,
                index: 0,
                confidence: 1.0,
                shape: Shape::Box { bbox },
            });
        }
        assert_eq!(answer.at([12.0, 12.0]), Some((1, 0)));
        assert_eq!(answer.at([40.0, 12.0]), Some((0, 0)));
        assert_eq!(answer.at([60.0, 12.0]), None);
    }

    #[test]
    fn what_contradicts_is_left_out() {
        let mut answer = Answer::default();
        let shape = Shape::Box { bbox: [0.0, 0.0, 1.0, 1.0] };
        answer.take(Event::Unit { triplet: 0, index: 0, confidence: 1.0, shape });
        answer.take(Event::Triplet { triplet: 3, concept: "a".into(), unit: Unit::Box, count: 1 });
        assert!(answer.triplets.is_empty() && !answer.shows());
        answer.take(Event::Failed { error: "broken".into() });
        answer.take(Event::Token { id: 1, text: "late".into(), forced: false });
        assert_eq!(answer.raw, "");
    }
}
