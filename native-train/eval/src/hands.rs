//! The hands that click: what several clicks mean to a model that takes one prompt for a thing and
//! knows no negative one.

use crate::metrics::Overlap;
use refvlm_metrics::MetricError;
use refvlm_metrics::clicks::{Click, ENOUGH, next_click};
use refvlm_record::clicks::{cover, meant, take_out};
use refvlm_record::raster::{Place, covers};
use refvlm_record::{Mask, Prompt};
use serde::Serialize;

/// How several clicks on one thing are put to the model. The first is a point in each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Hand {
    /// As the server answers annotation tools: clicks that belong to the thing are a line through
    /// them; what the model finds at each that does not is taken out of the mask.
    Tools,
    /// As the page where live mode is off: the discs of the clicks are a painted mask, negative ones
    /// cut theirs out of it.
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

/// Clicks on a thing until its mask is good enough or the clicks are used up: of each click whether it
/// belongs to the thing, and the IoU after it. `ask` gives the mask of a prompt, and what else it may
/// mean.
pub(crate) fn by_hand<E: From<MetricError>>(
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
                let (mut region, clicks) = match hand {
                    Hand::Page => {
                        (Mask::zeros(self.found.width, self.found.height), &self.clicks[..])
                    }
                    _ => (self.found.clone(), std::slice::from_ref(&click)),
                };
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
}
