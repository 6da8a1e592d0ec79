//! Segmenting by clicks: each falls where the answer to those before it is most wrong, until the mask
//! is good enough or the clicks are used up.
//!
//! What several clicks mean to a model that takes one prompt for a thing is a matter of the hand that
//! puts them to it; see [`Hand`].

use crate::evaluate::{Outcome, Sample, SampleScore, asked};
use crate::hands::{Clicking, Hand, by_hand};
use crate::metrics::{Answer, Row, union};
use refvlm_files::picture::Picture;
use refvlm_metrics::clicks::Clicks;
use refvlm_metrics::compare::paired;
use refvlm_metrics::{Metric, MetricError};
use refvlm_model::engine::{Ask, EngineError, Session};
use refvlm_model::event::{Event, Shape, Timings};
use refvlm_model::image::Picture as View;
use refvlm_record::{AnswerPart, Mask, Prompt, Task, Turn, Unit};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use thiserror::Error;

/// Why a thing cannot be clicked.
#[derive(Debug, Error)]
enum ClickError {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Metric(#[from] MetricError),
}

/// The numbers of one hand.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Table {
    /// Whose.
    pub hand: Hand,
    /// Each number with the middle 95 % of the means of things that are drawn again.
    pub rows: Vec<(refvlm_metrics::Row, Option<[f64; 2]>)>,
    /// The mean IoU after each number of clicks.
    pub curve: Vec<f64>,
}

impl Table {
    /// Its lines in the table of results; numbers that were not measured are left out.
    pub fn lines(&self) -> Vec<Row> {
        let line = |(row, interval): &(refvlm_metrics::Row, Option<[f64; 2]>)| {
            let value = row.value?;
            let of = interval.map_or(String::new(), |[a, b]| format!("{a:.3} to {b:.3}, "));
            Some(Row {
                name: format!("Clicks ({}), {}", self.hand.name(), row.name),
                value: format!("{value:.3} ({of}n = {})", row.count),
                share: row.name.starts_with("IoU").then_some(value),
            })
        };
        self.rows.iter().filter_map(line).collect()
    }
}

impl Outcome {
    /// Clicks on each thing of a picture whose mask is asked for by one prompt, once for each thing.
    pub(crate) fn click(
        &mut self,
        session: &mut Session,
        picture: &Picture,
        samples: &[Sample],
        clicking: &Clicking,
    ) {
        let size = [picture.width, picture.height];
        let mut seen = BTreeSet::new();
        let mut set = false;
        for sample in samples {
            let Some((turn, truth)) = thing(sample, size) else { continue };
            if !seen.insert(truth.pixels.clone()) {
                continue;
            }
            let (text, _) = asked(&sample.record, turn);
            let asking = (turn.task, text.as_str());
            match self.clicked(session, picture, &mut set, asking, &truth, clicking) {
                Ok(scores) => self.samples.push(SampleScore { id: sample.title(), scores }),
                Err(error) => self.faults.push(format!("{}: {error}", sample.id)),
            }
        }
    }

    /// Clicks on one thing; its scores.
    fn clicked(
        &mut self,
        session: &mut Session,
        picture: &Picture,
        set: &mut bool,
        (task, text): (Task, &str),
        truth: &Mask,
        clicking: &Clicking,
    ) -> Result<BTreeMap<String, f32>, ClickError> {
        if !*set {
            let view = View::new(picture.width, picture.height, &picture.rgb)
                .map_err(EngineError::from)?;
            pollster::block_on(session.set_image(view))?;
            *set = true;
        }
        let mut timings = Vec::new();
        let mut ask = |prompt: Prompt| -> Result<Vec<Mask>, ClickError> {
            let (masks, time) = candidates(session, task, text, prompt)?;
            timings.extend(time);
            Ok(masks)
        };
        let mut scores = BTreeMap::new();
        let mut metrics = Vec::new();
        for &hand in &clicking.hands {
            let steps = by_hand(hand, truth, clicking.most, &mut ask)?;
            let mut metric = Clicks::new(clicking.most);
            metric.add(&steps)?;
            for row in metric.rows() {
                let name = format!("{} {}", hand.name(), row.name);
                scores.extend(row.value.map(|value| (name, value as f32)));
            }
            metrics.push((hand, metric));
        }
        self.answers += timings.len();
        self.timings.extend(timings);
        self.add_clicks(metrics);
        Ok(scores)
    }

    /// Adds what was counted of other things.
    pub(crate) fn add_clicks(&mut self, metrics: impl IntoIterator<Item = (Hand, Clicks)>) {
        for (hand, metric) in metrics {
            match self.clicks.get_mut(&hand) {
                Some(all) => all.merge(metric),
                None => {
                    self.clicks.insert(hand, metric);
                }
            }
        }
    }

    /// The numbers of each hand.
    pub fn click_tables(&self) -> Vec<Table> {
        let table = |(&hand, metric): (&Hand, &Clicks)| {
            let with_interval = |row: refvlm_metrics::Row| {
                let name = format!("{} {}", hand.name(), row.name);
                let values = self.samples.iter().filter_map(|sample| sample.scores.get(&name));
                let values: Vec<(f64, f64)> = values.map(|v| (0.0, f64::from(*v))).collect();
                (row, paired(&values, 0).map(|found| found.interval))
            };
            let rows = metric.rows().into_iter().map(with_interval).collect();
            Table { hand, rows, curve: metric.curve() }
        };
        self.clicks.iter().map(table).collect()
    }
}

/// The turn and the true mask of a sample in which one prompt asks for one mask.
fn thing(sample: &Sample, size: [u32; 2]) -> Option<(&Turn, Mask)> {
    let record = &sample.record;
    let turn = record.turns.first()?;
    if turn.task != Task::GroundingSegmentation || asked(record, turn).1.len() != 1 {
        return None;
    }
    let mut wanted = turn.answer.iter().filter_map(|part| match part {
        AnswerPart::Triplet { unit, targets, .. } => Some((*unit, targets.as_slice())),
        AnswerPart::Text(_) => None,
    });
    let (Some((Unit::Mask, &[target])), None) = (wanted.next(), wanted.next()) else { return None };
    let mask = record.targets.get(target)?.mask.as_ref()?;
    let truth = union([mask], size);
    (truth.area() > 0).then_some((turn, truth))
}

/// The mask that is answered and the other proposals; none where nothing is found. Also how long it
/// took.
fn candidates(
    session: &mut Session,
    task: Task,
    text: &str,
    prompt: Prompt,
) -> Result<(Vec<Mask>, Option<Timings>), EngineError> {
    let answer = session.ask(&Ask::new(task, text, vec![prompt]))?;
    let events = pollster::block_on(answer.collect());
    let timings = events.last().and_then(|event| match event {
        Event::Done { timings, .. } => Some(*timings),
        _ => None,
    });
    let answer = Answer::from_events(&events);
    let shapes = answer.triplets.into_iter().flat_map(|triplet| triplet.shapes);
    let mut masks = shapes.filter_map(|(_, shape)| match shape {
        Shape::Mask { mask, others, .. } => Some((mask, others)),
        _ => None,
    });
    let Some((mask, others)) = masks.next() else { return Ok((Vec::new(), timings)) };
    let all = [mask].into_iter().chain(others.into_iter().map(|other| other.mask));
    Ok((all.filter_map(|mask| mask.to_mask().ok()).collect(), timings))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_have_a_line_for_each_number_with_its_interval() {
        let mut outcome = Outcome::default();
        for (at, iou) in [0.5, 0.7, 0.95].into_iter().enumerate() {
            let mut metric = Clicks::new(2);
            metric.add(&[(true, iou)]).unwrap();
            let scores = BTreeMap::from([("tools IoU@1".to_string(), iou as f32)]);
            outcome.samples.push(SampleScore { id: at.to_string(), scores });
            outcome.add_clicks([(Hand::Tools, metric)]);
        }
        let tables = outcome.click_tables();
        let lines = tables[0].lines();
        let line = lines.iter().find(|line| line.name.ends_with("IoU@1")).unwrap();
        assert_eq!(line.value, "0.717 (0.500 to 0.950, n = 3)");
        assert!(lines.iter().all(|line| !line.name.contains("gain")), "no second click");
        assert_eq!(tables[0].curve.len(), 2);
    }
}
