//! The answer to a question of the person: what the engine said, and how it ended.

use crate::canvas::geometry::Place;
use refvlm_protocol::{Event, Failure};
use refvlm_record::answer::{Answer as Said, Progress};
use refvlm_record::raster::covers;
use refvlm_record::reading::Reading;

/// How an answer ended before the engine was through with it.
#[derive(Debug, Clone, PartialEq)]
pub enum Cut {
    /// By the person.
    Aborted,
    /// By a failure.
    Failed(Failure),
}

/// An answer, grown event by event.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Answer {
    /// What the engine said so far.
    pub said: Said,
    /// What its text means.
    pub reading: Reading,
    /// What ended it early.
    pub cut: Option<Cut>,
}

impl Answer {
    /// Takes the next event; what comes behind the end is ignored.
    pub fn take(&mut self, event: Event) {
        if self.over() {
            return;
        }
        let words = matches!(event, Event::Token { .. });
        self.said.take(event);
        if words {
            self.reading = Reading::new(&self.said.raw);
        }
    }

    /// Whether nothing more will come.
    pub fn over(&self) -> bool {
        self.cut.is_some() || self.said.progress.over()
    }

    /// Whether a failure ended it.
    pub fn failed(&self) -> bool {
        matches!(self.cut, Some(Cut::Failed(_)))
            || matches!(self.said.progress, Progress::Failed { .. })
    }

    /// The words of the body without tags.
    pub fn words(&self) -> String {
        self.reading.words()
    }

    /// The smallest target at a place, px: its triplet and its index there.
    pub fn at(&self, place: Place) -> Option<(usize, usize)> {
        let numbered = self.said.triplets.iter().enumerate().flat_map(|(triplet, t)| {
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
        self.said.triplets.iter().any(|triplet| !triplet.found.is_empty())
    }

    /// Tokens per second behind the first token; none before the end or for a single token.
    pub fn tokens_per_second(&self) -> Option<f64> {
        let Progress::Done { timings, .. } = &self.said.progress else { return None };
        let seconds = timings.total_s - timings.first_token_s;
        (timings.tokens > 1 && seconds > 0.0).then(|| (timings.tokens - 1) as f64 / seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use refvlm_protocol::{Shape, Unit};
    use refvlm_record::reading::Piece;

    #[test]
    fn a_recorded_stream_is_taken() {
        let lines = include_str!("../../tests/events.jsonl");
        let mut answer = Answer::default();
        for line in lines.lines() {
            answer.take(serde_json::from_str(line).unwrap());
        }
        assert!(matches!(answer.said.progress, Progress::Done { .. }));
        assert!(answer.shows() && answer.said.is_whole());
        for triplet in &answer.said.triplets {
            assert_eq!(triplet.found.len(), triplet.count);
        }
        let tied = answer.reading.body.iter().filter_map(|piece| match piece {
            Piece::Phrase { words, triplet } => Some((words.clone(), triplet.unwrap())),
            Piece::Words(_) => None,
        });
        for (words, triplet) in tied {
            assert_eq!(words, answer.said.triplets[triplet].concept);
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
    fn nothing_is_taken_behind_the_end() {
        let ends: [fn(&mut Answer); 2] = [
            |answer| answer.cut = Some(Cut::Aborted),
            |answer| answer.take(Event::Failed { error: "broken".into() }),
        ];
        for end in ends {
            let mut answer = Answer::default();
            end(&mut answer);
            assert!(answer.over());
            answer.take(Event::Token { id: 1, text: "late".into(), forced: false });
            assert_eq!((answer.said.raw.as_str(), answer.words().as_str()), ("", ""));
        }
    }
}
