//! Segmenting by clicks: where the next click falls, and how many it takes to reach an IoU.
//!
//! As in the evaluation of f-BRS and RITM: the next click falls where the answer is wrong, as far
//! inside the larger error as possible, and says whether that place belongs to the thing. The number
//! of clicks (NoC) that reach an IoU is averaged over things; a thing that does not reach it counts
//! as the most clicks.

use crate::{Metric, MetricError, Row, within};
use refvlm_record::Mask;
use refvlm_record::distance::distances;
use refvlm_record::raster::Place;

/// A click.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Click {
    /// Column of the pixel.
    pub x: u32,
    /// Its row.
    pub y: u32,
    /// Whether it belongs to the thing.
    pub positive: bool,
}

impl Click {
    /// The middle of the pixel, px.
    pub fn place(&self) -> Place {
        [self.x as f32 + 0.5, self.y as f32 + 0.5]
    }
}

/// Where the next click falls: the pixel with the greatest distance to the border of what was missed,
/// or of what was found wrongly where that reaches at least as deep; the first one, row by row, of
/// several. The picture's edge is a border, and no pixel is clicked twice. None where no wrong pixel
/// is left.
///
/// # Errors
/// When the masks are of different sizes.
pub fn next_click(
    truth: &Mask,
    found: &Mask,
    before: &[Click],
) -> Result<Option<Click>, MetricError> {
    let size = |mask: &Mask| vec![mask.width as usize, mask.height as usize];
    if size(truth) != size(found) {
        let [found, expected] = [size(found), size(truth)];
        return Err(MetricError::Size { what: "the mask", found, expected });
    }
    let deepest = |inside: &Mask, outside: &Mask| {
        let depths = depths(inside, outside, before);
        // The first of the deepest.
        let deeper = |best: (usize, f32), (at, depth): (usize, f32)| {
            if depth > best.1 { (at, depth) } else { best }
        };
        depths.into_iter().enumerate().fold((0, 0.0), deeper)
    };
    let (missed, wrong) = (deepest(truth, found), deepest(found, truth));
    let positive = missed.1 > wrong.1;
    let (at, depth) = if positive { missed } else { wrong };
    let width = truth.width.max(1);
    let at = at as u32;
    Ok((depth > 0.0).then_some(Click { x: at % width, y: at / width, positive }))
}

/// How deep each pixel lies in what is `inside` and not `outside`; 0 elsewhere and at clicks.
fn depths(inside: &Mask, outside: &Mask, before: &[Click]) -> Vec<f32> {
    let (w, h) = (inside.width as usize, inside.height as usize);
    // A frame of unset pixels, so that the picture's edge is a border.
    let mut framed = Mask::zeros(inside.width + 2, inside.height + 2);
    let rows = framed.pixels.chunks_exact_mut(w + 2).skip(1);
    let pairs = inside.pixels.chunks_exact(w.max(1)).zip(outside.pixels.chunks_exact(w.max(1)));
    for (row, (inside, outside)) in rows.zip(pairs) {
        for (to, (a, b)) in row.iter_mut().skip(1).zip(inside.iter().zip(outside)) {
            *to = a & (1 - b);
        }
    }
    let all = distances(&framed, 0);
    let rows = all.chunks_exact(w + 2).skip(1).take(h);
    let mut depths: Vec<f32> = rows.flat_map(|row| row.iter().skip(1).take(w).copied()).collect();
    for click in before {
        let at = click.y as usize * w + click.x as usize;
        if let Some(depth) = depths.get_mut(at).filter(|_| (click.x as usize) < w) {
            *depth = 0.0;
        }
    }
    depths
}

/// The IoUs that numbers of clicks are counted to.
const REACHED: [f64; 2] = [0.85, ENOUGH];
/// The highest of them: a thing that reaches it needs no further click.
pub const ENOUGH: f64 = 0.90;

/// Sums of the IoUs before and after second clicks of one kind.
#[derive(Debug, Clone, Copy, Default)]
struct Gain {
    before: f64,
    after: f64,
    count: u64,
}

/// Number of clicks to IoU 0.85 and 0.90, the mean IoU after each number of clicks, and what the
/// second click changes: by one that belongs to the thing (`adds`), and by one that does not (`cuts`).
#[derive(Debug, Clone)]
pub struct Clicks {
    most: usize,
    /// By IoU: sum of the numbers of clicks, and things that took the most or did not reach it.
    reached: [(u64, u64); REACHED.len()],
    /// Sum of the IoUs after each number of clicks.
    sums: Vec<f64>,
    adds: Gain,
    cuts: Gain,
    count: u64,
}

impl Clicks {
    /// A metric of at most so many clicks (20 is usual), at least one.
    pub fn new(most: usize) -> Self {
        let most = most.max(1);
        Self {
            most,
            reached: Default::default(),
            sums: vec![0.0; most],
            adds: Gain::default(),
            cuts: Gain::default(),
            count: 0,
        }
    }

    /// Clicks until an IoU is reached; the most where it is not.
    pub fn number(&self, steps: &[(bool, f64)], iou: f64) -> usize {
        let reached = steps.iter().take(self.most).position(|step| step.1 >= iou);
        reached.map_or(self.most, |at| at + 1)
    }

    /// The mean IoU after each number of clicks; that of a thing which needed no more stays.
    pub fn curve(&self) -> Vec<f64> {
        let count = self.count.max(1) as f64;
        self.sums.iter().map(|sum| sum / count).collect()
    }
}

impl Metric for Clicks {
    /// One thing: of each click whether it belongs to the thing, and the IoU after it. The first
    /// click comes first; a thing may end early when it is good enough.
    type Sample<'a> = &'a [(bool, f64)];

    fn add(&mut self, steps: Self::Sample<'_>) -> Result<(), MetricError> {
        let Some(mut last) = steps.first().map(|step| step.1) else {
            return Err(MetricError::Empty("the list of clicks"));
        };
        for (_, iou) in steps {
            within("an IoU", *iou, (0.0, 1.0), "0 to 1")?;
        }
        for (at, reached) in REACHED.iter().enumerate() {
            let number = self.number(steps, *reached);
            self.reached[at].0 += number as u64;
            self.reached[at].1 += u64::from(number == self.most);
        }
        for (at, sum) in self.sums.iter_mut().enumerate() {
            last = steps.get(at).map_or(last, |step| step.1);
            *sum += last;
        }
        if let [(_, before), (positive, after), ..] = steps
            && self.most > 1
        {
            let gain = if *positive { &mut self.adds } else { &mut self.cuts };
            gain.before += before;
            gain.after += after;
            gain.count += 1;
        }
        self.count += 1;
        Ok(())
    }

    fn merge(&mut self, other: Self) {
        for (mine, theirs) in self.reached.iter_mut().zip(other.reached) {
            mine.0 += theirs.0;
            mine.1 += theirs.1;
        }
        for (mine, theirs) in self.sums.iter_mut().zip(other.sums) {
            *mine += theirs;
        }
        for (mine, theirs) in [(&mut self.adds, other.adds), (&mut self.cuts, other.cuts)] {
            mine.before += theirs.before;
            mine.after += theirs.after;
            mine.count += theirs.count;
        }
        self.count += other.count;
    }

    fn rows(&self) -> Vec<Row> {
        let most = self.most;
        let mut rows = Vec::new();
        for (reached, (sum, over)) in REACHED.iter().zip(self.reached) {
            let percent = (reached * 100.0).round();
            rows.push(Row::mean(format!("NoC@{percent}"), sum as f64, self.count));
            rows.push(Row::mean(format!(">={most}@{percent}"), over as f64, self.count));
        }
        for at in [1, 2, 3, 5, 10, 20].into_iter().filter(|&at| at <= most) {
            let sum = self.sums.get(at - 1).copied().unwrap_or_default();
            rows.push(Row::mean(format!("IoU@{at}"), sum, self.count));
        }
        for (name, gain) in [("adds", &self.adds), ("cuts", &self.cuts)] {
            rows.push(Row::mean(
                format!("IoU before a click that {name}"),
                gain.before,
                gain.count,
            ));
            let change = gain.after - gain.before;
            rows.push(Row::mean(format!("gain of a click that {name}"), change, gain.count));
        }
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use refvlm_record::raster::fill_box;

    fn boxed(rect: [f32; 4]) -> Mask {
        let mut mask = Mask::zeros(12, 9);
        fill_box(&mut mask, rect, 1);
        mask
    }

    fn click(truth: &Mask, found: &Mask, before: &[Click]) -> Option<Click> {
        next_click(truth, found, before).unwrap()
    }

    #[test]
    fn the_click_falls_deepest_into_the_larger_error() {
        let truth = boxed([2.0, 2.0, 5.0, 5.0]);
        let nothing = Mask::zeros(12, 9);
        let first = Click { x: 4, y: 4, positive: true };
        assert_eq!(click(&truth, &nothing, &[]), Some(first));
        // Of the pixels 2 deep around it the first, row by row.
        let second = Click { x: 3, y: 3, positive: true };
        assert_eq!(click(&truth, &nothing, &[first]), Some(second));
        // Four rows too much: two deep, which is deeper than nothing missed.
        let large = boxed([2.0, 2.0, 9.0, 5.0]);
        assert_eq!(click(&truth, &large, &[]), Some(Click { x: 8, y: 3, positive: false }));
        assert_eq!(click(&truth, &truth, &[]), None);
        let wide = Mask::zeros(9, 12);
        assert!(matches!(next_click(&truth, &wide, &[]), Err(MetricError::Size { .. })));
    }

    #[test]
    fn the_edge_of_the_picture_is_a_border() {
        let all = boxed([0.0, 0.0, 12.0, 9.0]);
        let middle = Click { x: 4, y: 4, positive: true };
        assert_eq!(click(&all, &Mask::zeros(12, 9), &[]), Some(middle));
        let empty = Mask::zeros(0, 0);
        assert_eq!(click(&empty, &empty, &[]), None);
    }

    #[test]
    fn clicks_are_counted_to_each_iou_and_failures_as_the_most() {
        let mut metric = Clicks::new(4);
        metric.add(&[(true, 0.5), (false, 0.85), (true, 0.95)]).unwrap();
        let mut other = Clicks::new(4);
        other.add(&[(true, 0.4), (true, 0.3), (true, 0.86), (false, 0.87)]).unwrap();
        other.add(&[(true, 0.9)]).unwrap();
        metric.merge(other);
        let row = |name: &str| metric.rows().into_iter().find(|row| row.name == name).unwrap();
        let near = |name: &str, value: f64| {
            assert!((row(name).value.unwrap() - value).abs() < 1e-12, "{name}: {:?}", row(name));
        };
        near("NoC@85", (2.0 + 3.0 + 1.0) / 3.0);
        near("NoC@90", (3.0 + 4.0 + 1.0) / 3.0);
        near(">=4@85", 0.0);
        near(">=4@90", 1.0 / 3.0);
        near("IoU@1", 1.8 / 3.0);
        near("IoU@3", (0.95 + 0.86 + 0.9) / 3.0);
        near("gain of a click that cuts", 0.35);
        near("gain of a click that adds", -0.1);
        assert_eq!(row("gain of a click that adds").count, 1);
        assert_eq!(metric.curve().len(), 4);
        assert!((metric.curve()[3] - (0.95 + 0.87 + 0.9) / 3.0).abs() < 1e-12);
    }

    #[test]
    fn what_is_no_iou_is_refused_and_nothing_is_measured_without_things() {
        let mut metric = Clicks::new(20);
        assert!(matches!(metric.add(&[]), Err(MetricError::Empty(_))));
        assert!(metric.add(&[(true, f64::NAN)]).is_err());
        assert!(metric.add(&[(true, 0.1), (true, 1.5)]).is_err());
        assert!(metric.rows().iter().all(|row| row.value.is_none() && row.count == 0));
    }
}
