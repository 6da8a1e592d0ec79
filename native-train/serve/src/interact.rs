//! One thing that somebody clicks on, as annotation tools ask for it: points that belong to it and
//! points that don't, a box, a painted region; back comes its mask.
//!
//! The model is asked about what is meant, and once more about each point that is not: what it
//! finds there is taken out of the mask. Where that would take away what is meant, only a disc
//! around the point goes.

use crate::app::{App, Place};
use crate::failure::{Failure, Kind};
use crate::queue::Photo;
use refvlm_record::answer::Answer;
use refvlm_record::clicks::{meant, take_out};
use refvlm_record::event::Shape;
use refvlm_record::raster::simplified;
use refvlm_record::ready::completed;
use refvlm_record::{Ask, Mask, Prompt, Rle, Task};
use std::sync::Arc;
use std::time::Instant;

/// More clicks than one thing needs.
const MOST_CLICKS: usize = 32;
/// How far the line of a polygon may lie from the border of its mask, px.
const POLYGON_OFF: f32 = 0.5;
/// More corners than a person wants to drag.
const MOST_CORNERS: usize = 400;
/// Polygons smaller than this share of the largest are left out.
const LEAST_PART: f32 = 0.02;

/// What is clicked on.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Clicks {
    /// Places that belong to it.
    pub positive: Vec<[f32; 2]>,
    /// Places that don't.
    pub negative: Vec<[f32; 2]>,
    /// A rectangle around it, `[x, y, w, h]`.
    pub rectangle: Option<[f32; 4]>,
    /// A painted region on it, of the picture's size.
    pub region: Option<Rle>,
    /// Whether places are shares of the picture's sides and not px.
    pub shares: bool,
}

/// What was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// Of the picture's size.
    pub mask: Mask,
    /// What the decoder expects of its mask, 0..1.
    pub confidence: f32,
}

/// The mask of what is clicked on; none where the model finds nothing.
///
/// # Errors
/// When the picture or a click cannot be used, or it took too long.
pub async fn segment(
    app: &Arc<App>,
    place: Place,
    photo: Photo,
    clicks: Clicks,
    deadline: Instant,
) -> Result<Option<Found>, Failure> {
    if clicks.positive.len() + clicks.negative.len() > MOST_CLICKS {
        let message = format!("more than {MOST_CLICKS} points; begin a new shape");
        return Err(Failure::new(Kind::Prompt, message));
    }
    let ask = |clicks: Clicks| {
        let asking = move |size| question(&clicks.in_px(size), size);
        app.ask(place.clone(), photo.clone(), Box::new(asking), deadline)
    };
    let mut hearing = ask(clicks.clone()).await?;
    let size = hearing.size;
    let clicks = clicks.in_px(size);
    let Some(mut found) = first(&hearing.all().await?) else { return Ok(None) };
    for &at in &clicks.negative {
        let negative = Clicks { positive: vec![at], ..Clicks::default() };
        let other = first(&ask(negative).await?.all().await?).map(|found| found.mask);
        take_out(&mut found.mask, at, other.as_ref(), &clicks.positive);
    }
    Ok((found.mask.area() > 0).then_some(found))
}

impl Clicks {
    /// In px of a picture of `[width, height]`, and inside it: tools round.
    fn in_px(&self, size: [u32; 2]) -> Self {
        let sides = size.map(|side| side as f32);
        let scale = if self.shares { sides } else { [1.0; 2] };
        let within = |at: [f32; 2]| [0, 1].map(|k| (at[k] * scale[k]).clamp(0.0, sides[k]));
        let all = |points: &[[f32; 2]]| points.iter().map(|at| within(*at)).collect();
        let rectangle = self.rectangle.map(|[x, y, w, h]| {
            let ([x1, y1], [x2, y2]) = (within([x, y]), within([x + w, y + h]));
            [x1.min(x2), y1.min(y2), (x1 - x2).abs(), (y1 - y2).abs()]
        });
        Self {
            positive: all(&self.positive),
            negative: all(&self.negative),
            rectangle,
            region: self.region.clone(),
            shares: false,
        }
    }
}

/// A rectangle says more than points on the thing, and a painted region more than both.
fn question(clicks: &Clicks, [width, height]: [u32; 2]) -> Result<Ask, Failure> {
    let prompt = match (&clicks.region, clicks.rectangle) {
        (Some(mask), _) => Prompt::Mask { mask: mask.clone() },
        (None, Some([x, y, w, h])) => Prompt::Box { x, y, w, h },
        (None, None) => meant(&clicks.positive).ok_or_else(|| {
            let message = "nothing is meant; click on the thing, or draw a box around it";
            Failure::new(Kind::Prompt, message)
        })?,
    };
    prompt.check("prompt", width, height)?;
    Ok(completed(Some(Task::GroundingSegmentation), "", vec![prompt]))
}

/// The first mask of an answer.
fn first(answer: &Answer) -> Option<Found> {
    let found = answer.triplets.iter().flat_map(|triplet| &triplet.found);
    found
        .filter_map(|found| match &found.shape {
            Shape::Mask { mask, .. } => {
                Some(Found { mask: mask.to_mask().ok()?, confidence: found.confidence })
            }
            _ => None,
        })
        .next()
}

/// The outer and inner borders of a mask as polygons of few corners, largest first.
pub fn polygons(mask: &Mask) -> Vec<Vec<[f32; 2]>> {
    let mut loops: Vec<(f32, Vec<[f32; 2]>)> = mask
        .outline()
        .into_iter()
        .map(|points| simplified(&points, POLYGON_OFF, MOST_CORNERS))
        .filter(|points| points.len() >= 3)
        .map(|points| (area(&points), points))
        .collect();
    loops.sort_by(|a, b| b.0.abs().total_cmp(&a.0.abs()));
    let largest = loops.first().map_or(0.0, |(area, _)| *area);
    // A hole runs the other way round than what it is in; tools that take one line can't say it.
    loops.retain(|(area, _)| area * largest > 0.0 && area.abs() >= LEAST_PART * largest.abs());
    loops.into_iter().map(|(_, points)| points).collect()
}

/// Of a polygon, with a sign for the way it runs.
fn area(points: &[[f32; 2]]) -> f32 {
    let next = points.iter().cycle().skip(1);
    points.iter().zip(next).map(|(a, b)| (a[0] * b[1] - b[0] * a[1]) / 2.0).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use refvlm_record::raster::fill_box;

    #[test]
    fn shares_are_of_the_pictures_sides_and_clicks_stay_inside() {
        let clicks = Clicks {
            positive: vec![[0.5, 1.2]],
            rectangle: Some([0.1, 0.5, 0.2, 0.6]),
            shares: true,
            ..Clicks::default()
        };
        let px = clicks.in_px([100, 60]);
        assert_eq!(px.positive, [[50.0, 60.0]]);
        let [x, y, w, h] = px.rectangle.unwrap();
        assert_eq!([x, y, w.round(), h], [10.0, 30.0, 20.0, 30.0]);
    }

    #[test]
    fn the_prompt_is_what_says_most() {
        let kind = |clicks: Clicks| question(&clicks, [100, 60]).map(|ask| ask.prompts[0].kind());
        let point = Clicks { positive: vec![[1.0, 1.0]], ..Clicks::default() };
        assert_eq!(kind(point.clone()).unwrap(), "point");
        let points = Clicks { positive: vec![[1.0, 1.0], [9.0, 9.0]], ..Clicks::default() };
        assert_eq!(kind(points).unwrap(), "scribble");
        let boxed = Clicks { rectangle: Some([1.0, 1.0, 5.0, 5.0]), ..point };
        assert_eq!(kind(boxed).unwrap(), "box");
        assert_eq!(kind(Clicks::default()).unwrap_err().kind, Kind::Prompt);
    }

    #[test]
    fn polygons_go_round_parts_and_leave_holes_and_crumbs_out() {
        let mut mask = Mask::zeros(100, 60);
        fill_box(&mut mask, [10.0, 10.0, 40.0, 40.0], 1);
        fill_box(&mut mask, [20.0, 20.0, 10.0, 10.0], 0);
        fill_box(&mut mask, [60.0, 10.0, 20.0, 20.0], 1);
        fill_box(&mut mask, [90.0, 50.0, 2.0, 2.0], 1);
        let found = polygons(&mask);
        assert_eq!(found.len(), 2);
        let sizes: Vec<f32> = found.iter().map(|points| area(points).abs()).collect();
        // Corners are rounded off.
        assert!(sizes[0] > 1550.0 && sizes[0] < 1610.0, "{sizes:?}");
        assert!(sizes[1] > 370.0 && sizes[1] < 405.0, "{sizes:?}");
        assert!(found[0].len() <= 20, "{}", found[0].len());
        assert!(polygons(&Mask::zeros(5, 5)).is_empty());
    }
}
