//! Segmenting by clicks: each falls where the answer to those before it is most wrong, until the mask
//! is good enough or the clicks are used up.
//!
//! The model takes one prompt for a thing and knows no negative one, so what several clicks mean is a
//! matter of the hand that puts them to it; see [`Hand`].

use crate::evaluate::{Outcome, Sample, SampleScore, asked};
use crate::metrics::{Answer, Overlap, Row, union};
use refvlm_files::picture::Picture;
use refvlm_metrics::clicks::{Click, Clicks, ENOUGH, next_click};
use refvlm_metrics::compare::paired;
use refvlm_metrics::{Metric, MetricError};
use refvlm_model::engine::{Ask, EngineError, Session};
use refvlm_model::event::{Event, Shape, Timings};
use refvlm_model::image::Picture as View;
use refvlm_record::clicks::{cover, meant, take_out};
use refvlm_record::raster::{Place, covers};
use refvlm_record::{AnswerPart, Mask, Prompt, Task, Turn, Unit};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use thiserror::Error;

/// How several clicks on one thing are put to the model. The first is a point in each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Hand {
    /// As the server answers annotation tools: clicks that belong to the thing are a line through
    /// them; what the model finds at each that does not is taken out of the mask.
    Tools,
    /// As the page: the discs of the clicks are a painted mask, negative ones cut theirs out of it.
    Page,
    /// Of the answer and its other proposals the first that agrees with most clicks, as a person
    /// chooses; asked again only for a click that belongs to the thing.
    Proposals,
    /// The mask so far, with the disc of the new click painted or cut, is a painted mask.
    Repainted,
}

impl Hand {
    /// All.
    pub const ALL: [Hand; 4] = [Hand::Tools, Hand::Page, Hand::Proposals, Hand::Repainted];

    /// Its name on the command line and in tables.
    pub fn name(self) -> &'static str {
        match self {
            Hand::Tools => "tools",
            Hand::Page => "page",
            Hand::Proposals => "proposals",
            Hand::Repainted => "repainted",
        }
    }
}

/// What is clicked, and how often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clicking {
    /// Most clicks on a thing.
    pub most: usize,
    /// Each thing is clicked by each of these.
    pub hands: Vec<Hand>,
}

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

/// Clicks on a thing until its mask is good enough or the clicks are used up: of each click whether it
/// belongs to the thing, and the IoU after it. `ask` gives the mask of a prompt, and what else it may
/// mean.
fn by_hand<E: From<MetricError>>(
    hand: Hand,
    truth: &Mask,
    most: usize,
    ask: &mut impl FnMut(Prompt) -> Result<Vec<Mask>, E>,
) -> Result<Vec<(bool, f64)>, E> {
    let mut said = Said {
        clicks: Vec::new(),
        found: Mask::zeros(truth.width, truth.height),
        meant: Vec::new(),
        not_meant: Vec::new(),
    };
    let mut steps = Vec::new();
    while steps.len() < most {
        let Some(click) = next_click(truth, &said.found, &said.clicks)? else { break };
        said.clicks.push(click);
        said.answer(hand, click, ask)?;
        let overlap = Overlap::of(&said.found, truth);
        let iou = overlap.intersection as f64 / overlap.union.max(1) as f64;
        steps.push((click.positive, iou));
        if iou >= ENOUGH {
            break;
        }
    }
    Ok(steps)
}

/// What was clicked and answered so far.
struct Said {
    clicks: Vec<Click>,
    found: Mask,
    /// The answer to the clicks that belong to the thing, and what else they may mean.
    meant: Vec<Mask>,
    /// What was found at each click that does not.
    not_meant: Vec<(Place, Option<Mask>)>,
}

impl Said {
    fn positive(&self) -> Vec<Place> {
        self.clicks.iter().filter(|click| click.positive).map(Click::place).collect()
    }

    /// Puts what the last click changes in the place of what was found.
    fn answer<E>(
        &mut self,
        hand: Hand,
        click: Click,
        ask: &mut impl FnMut(Prompt) -> Result<Vec<Mask>, E>,
    ) -> Result<(), E> {
        let positive = self.positive();
        let [x, y] = click.place();
        let fresh = |masks: &[Mask], size: &Mask| {
            let whole = masks.iter().find(|m| (m.width, m.height) == (size.width, size.height));
            whole.cloned().unwrap_or_else(|| Mask::zeros(size.width, size.height))
        };
        if click.positive && matches!(hand, Hand::Tools | Hand::Proposals) {
            self.meant = meant(&positive).map_or(Ok(Vec::new()), &mut *ask)?;
        }
        match hand {
            Hand::Tools => {
                if !click.positive {
                    let other = ask(Prompt::Point { x, y })?.into_iter().next();
                    self.not_meant.push(([x, y], other));
                }
                self.found = fresh(&self.meant, &self.found);
                for (at, other) in &self.not_meant {
                    take_out(&mut self.found, *at, other.as_ref(), &positive);
                }
            }
            Hand::Proposals => {
                let agrees = |mask: &Mask| {
                    let clicks = self.clicks.iter();
                    clicks.filter(|click| covers(mask, click.place()) == click.positive).count()
                };
                // Of equal ones the first, which the model is surest of.
                let best = self.meant.iter().rev().max_by_key(|mask| agrees(mask));
                self.found = fresh(best.map_or(&[], std::slice::from_ref), &self.found);
            }
            Hand::Page | Hand::Repainted => {
                let mut region = match hand {
                    Hand::Page => Mask::zeros(self.found.width, self.found.height),
                    _ => self.found.clone(),
                };
                let newest = self.clicks.len().saturating_sub(1);
                let clicks =
                    if hand == Hand::Page { &self.clicks[..] } else { &self.clicks[newest..] };
                for click in clicks {
                    let [x, y] = click.place();
                    cover(&mut region, &Prompt::Point { x, y }, u8::from(click.positive));
                }
                let prompt = match self.clicks.as_slice() {
                    [_] => Prompt::Point { x, y },
                    _ => Prompt::Mask { mask: region.to_rle() },
                };
                let masks = if region.area() > 0 { ask(prompt)? } else { Vec::new() };
                self.found = fresh(&masks, &self.found);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use refvlm_record::raster::fill_box;

    const SIZE: [u32; 2] = [100, 60];

    fn boxed(rect: [f32; 4]) -> Mask {
        let mut mask = Mask::zeros(SIZE[0], SIZE[1]);
        fill_box(&mut mask, rect, 1);
        mask
    }

    #[derive(Debug)]
    struct Failed;

    impl From<MetricError> for Failed {
        fn from(_: MetricError) -> Self {
            Failed
        }
    }

    /// What the hand asks and what it reaches: a point is answered by `at_point`, all else by `else_`.
    fn play(
        hand: Hand,
        truth: &Mask,
        at_point: impl Fn(Place) -> Vec<Mask>,
        painted: impl Fn(&Prompt) -> Vec<Mask>,
    ) -> (Vec<&'static str>, Vec<(bool, f64)>) {
        let mut kinds = Vec::new();
        let mut ask = |prompt: Prompt| -> Result<Vec<Mask>, Failed> {
            kinds.push(prompt.kind());
            Ok(match prompt {
                Prompt::Point { x, y } => at_point([x, y]),
                other => painted(&other),
            })
        };
        let steps = by_hand(hand, truth, 4, &mut ask).unwrap();
        (kinds, steps)
    }

    #[test]
    fn what_is_too_much_is_cut_each_in_its_way() {
        let truth = boxed([0.0, 0.0, 40.0, 60.0]);
        let rest = boxed([40.0, 0.0, 60.0, 60.0]);
        let all = boxed([0.0, 0.0, 100.0, 60.0]);
        // The whole picture for a click on the thing, the rest for a click on the rest.
        let at_point = |[x, _]: Place| match x < 40.0 {
            true => vec![all.clone(), truth.clone()],
            false => vec![rest.clone()],
        };
        // Painted regions are given back as they are.
        let painted = |prompt: &Prompt| match prompt {
            Prompt::Mask { mask } => vec![mask.to_mask().unwrap()],
            _ => Vec::new(),
        };
        let (kinds, steps) = play(Hand::Tools, &truth, at_point, painted);
        assert_eq!(kinds, ["point", "point"]);
        assert_eq!(steps.len(), 2);
        assert_eq!((steps[0], steps[1].0), ((true, 0.4), false));
        assert!(steps[1].1 > 0.99, "the rest is taken out");
        let (kinds, steps) = play(Hand::Proposals, &truth, at_point, painted);
        assert_eq!(kinds, ["point"], "a cut asks nothing");
        assert_eq!(steps, [(true, 0.4), (false, 1.0)]);
        let (kinds, steps) = play(Hand::Repainted, &truth, at_point, painted);
        assert_eq!(kinds, ["point", "mask", "mask", "mask"]);
        assert!(steps[1].1 > 0.4 && steps[1].1 < 0.41, "a disc of the rest: {steps:?}");
        let (kinds, steps) = play(Hand::Page, &truth, at_point, painted);
        assert_eq!(kinds, ["point", "mask", "mask", "mask"]);
        assert!(steps[1].1 < 0.01, "only the first disc is left: {steps:?}");
    }

    #[test]
    fn what_is_not_found_is_clicked_again_and_lines_go_through_the_clicks() {
        let truth = boxed([10.0, 10.0, 30.0, 20.0]);
        let nothing = |_: Place| Vec::new();
        let line = |prompt: &Prompt| match prompt {
            Prompt::Scribble { points } => {
                vec![boxed([10.0, 10.0, 10.0 * points.len() as f32, 20.0])]
            }
            _ => Vec::new(),
        };
        let (kinds, steps) = play(Hand::Tools, &truth, nothing, line);
        assert_eq!(kinds, ["point", "scribble", "scribble"]);
        assert_eq!(steps.iter().map(|step| step.0).collect::<Vec<_>>(), [true; 3]);
        assert!((steps[1].1 - 2.0 / 3.0).abs() < 1e-9 && steps[2].1 == 1.0, "{steps:?}");
        let never = play(Hand::Page, &truth, nothing, |_| Vec::new()).1;
        assert_eq!(never, [(true, 0.0); 4]);
    }

    #[test]
    fn masks_of_another_size_count_as_nothing() {
        let truth = boxed([10.0, 10.0, 30.0, 20.0]);
        let other = |_: Place| vec![Mask::zeros(3, 3)];
        assert_eq!(play(Hand::Tools, &truth, other, |_| Vec::new()).1, [(true, 0.0); 4]);
    }

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
