//! Visual prompts as a person draws them.
//!
//! A mark is one prompt, made of strokes. A single click, box or scribble goes to the model as
//! what it is. Whatever else is drawn becomes a mask: strokes add what they cover, cuts take it
//! away. The model has no notion of a negative point: it cuts a disc out of what the model has found
//! for its prompt, or out of the prompt itself where nothing is known to be found, so what is seen on
//! the canvas is what the model is given.

use crate::canvas::geometry::{Place, distance, inside};
pub use refvlm_record::raster::POINT_SHARE;
use refvlm_record::raster::{covers, fill_box, off_line, simplified, stroke};
use refvlm_record::{Mask, Prompt};
use std::sync::Arc;

/// More corners than a drawn line needs, well below what the model accepts.
const MOST_CORNERS: usize = 1024;

/// One pull of a tool. Places are px of the picture.
#[derive(Debug, Clone, PartialEq)]
pub enum Stroke {
    /// A click.
    Point(Place),
    /// A rectangle `[x, y, w, h]`.
    Box([f32; 4]),
    /// A free line.
    Scribble(Arc<Vec<Place>>),
    /// A painted line of discs.
    Paint {
        /// Centres.
        points: Arc<Vec<Place>>,
        /// Of the discs, px.
        radius: f32,
    },
    /// What the model found for all that was drawn before, in its place.
    Found(Arc<Mask>),
    /// What is taken away: a line of discs.
    Cut {
        /// Centres.
        points: Arc<Vec<Place>>,
        /// Of the discs, px.
        radius: f32,
        /// Whether this is a negative point and not a pull of the eraser.
        point: bool,
    },
}

impl Stroke {
    fn moved(&self, by: Place) -> Self {
        let shift = |[x, y]: Place| [x + by[0], y + by[1]];
        let all = |points: &[Place]| Arc::new(points.iter().map(|p| shift(*p)).collect());
        match self {
            Stroke::Point(at) => Stroke::Point(shift(*at)),
            Stroke::Box([x, y, w, h]) => Stroke::Box([x + by[0], y + by[1], *w, *h]),
            Stroke::Scribble(points) => Stroke::Scribble(all(points)),
            Stroke::Found(mask) => Stroke::Found(Arc::new(shifted(mask, by))),
            Stroke::Paint { points, radius } => {
                Stroke::Paint { points: all(points), radius: *radius }
            }
            Stroke::Cut { points, radius, point } => {
                Stroke::Cut { points: all(points), radius: *radius, point: *point }
            }
        }
    }

    /// The rectangle of its places as `[left, top, right, bottom]`, without the width of lines.
    fn extent(&self) -> [f32; 4] {
        let points = match self {
            Stroke::Point([x, y]) => return [*x, *y, *x, *y],
            Stroke::Box([x, y, w, h]) => return [*x, *y, x + w, y + h],
            // It may be moved out of the picture, as what is cut may.
            Stroke::Found(_) => return [f32::MAX, f32::MAX, f32::MIN, f32::MIN],
            Stroke::Scribble(points)
            | Stroke::Paint { points, .. }
            | Stroke::Cut { points, .. } => points,
        };
        points.iter().fold([f32::MAX, f32::MAX, f32::MIN, f32::MIN], |e, [x, y]| {
            [e[0].min(*x), e[1].min(*y), e[2].max(*x), e[3].max(*y)]
        })
    }

    fn cuts(&self) -> bool {
        matches!(self, Stroke::Cut { .. })
    }
}

/// One visual prompt.
#[derive(Debug, Clone, PartialEq)]
pub struct Mark {
    /// Stays the same while the mark lives; decides its colour.
    pub id: u32,
    /// In the order drawn, at least one; the first one adds.
    pub strokes: Vec<Stroke>,
}

impl Mark {
    /// The word for it: point, box, scribble or mask.
    pub fn kind(&self) -> &'static str {
        match self.strokes.as_slice() {
            [Stroke::Point(_)] => "point",
            [Stroke::Box(_)] => "box",
            [Stroke::Scribble(_)] => "scribble",
            _ => "mask",
        }
    }

    /// Whether it was painted, so that a brush goes on with it.
    pub fn painted(&self) -> bool {
        matches!(self.strokes.first(), Some(Stroke::Paint { .. }))
    }

    /// Puts what the model has found for the mark in front of what was drawn last, so that this is
    /// cut out of it. Measured (`refvlm eval --clicks 2`, 44 things of everyday photos of which too
    /// much was found): cut out of what was drawn, the IoU falls by 0.49, cut out of what was found,
    /// it rises by 0.04.
    pub fn cut_from(&mut self, found: Arc<Mask>) {
        let last = self.strokes.len().saturating_sub(1);
        self.strokes.insert(last, Stroke::Found(found));
    }

    /// What the mark covers, for marks that go to the model as a mask and for showing it.
    pub fn region(&self, picture_px: [u32; 2]) -> Mask {
        let [width, height] = picture_px;
        let point_px = POINT_SHARE * width.max(height) as f32;
        let mut mask = Mask::zeros(width, height);
        for part in &self.strokes {
            match part {
                Stroke::Point(at) => stroke(&mut mask, &[*at], point_px, 1),
                Stroke::Box(rect) => fill_box(&mut mask, *rect, 1),
                Stroke::Scribble(points) => stroke(&mut mask, points, point_px, 1),
                Stroke::Found(found) => mask.clone_from(found),
                Stroke::Paint { points, radius } => stroke(&mut mask, points, *radius, 1),
                Stroke::Cut { points, radius, .. } => stroke(&mut mask, points, *radius, 0),
            }
        }
        mask
    }

    /// What the model is given; none when nothing is left of the mark.
    pub fn prompt(&self, picture_px: [u32; 2]) -> Option<Prompt> {
        let area = |[_, _, w, h]: &[f32; 4]| *w > 0.0 && *h > 0.0;
        match self.strokes.as_slice() {
            [Stroke::Point([x, y])] => Some(Prompt::Point { x: *x, y: *y }),
            [Stroke::Box(rect @ [x, y, w, h])] if area(rect) => {
                // Sums of floats may end a hair outside.
                let w = w.min(picture_px[0] as f32 - x);
                let h = h.min(picture_px[1] as f32 - y);
                Some(Prompt::Box { x: *x, y: *y, w, h })
            }
            [Stroke::Scribble(points)] => {
                let fine = picture_px[0].max(picture_px[1]) as f32 / 1000.0;
                Some(Prompt::Scribble { points: simplified(points, fine, MOST_CORNERS) })
            }
            _ => {
                let mask = self.region(picture_px);
                (mask.area() > 0).then(|| Prompt::Mask { mask: mask.to_rle() })
            }
        }
    }

    /// The mark moved, but not out of the picture.
    pub fn moved(&self, by: Place, picture_px: [u32; 2]) -> Self {
        let adding = || self.strokes.iter().filter(|s| !s.cuts()).map(Stroke::extent);
        let bound = |axis: usize| {
            let low = adding().map(|e| e[axis]).fold(f32::MAX, f32::min);
            let high = adding().map(|e| e[axis + 2]).fold(f32::MIN, f32::max);
            let (least, most) = (-low, picture_px[axis] as f32 - high);
            if least <= most { by[axis].clamp(least, most) } else { 0.0 }
        };
        let by = [bound(0), bound(1)];
        Self { id: self.id, strokes: self.strokes.iter().map(|s| s.moved(by)).collect() }
    }

    /// Where its number stands, px: on a click, at the corner of a box, where a line began.
    pub fn badge(&self, picture_px: [u32; 2]) -> Place {
        let at = match self.strokes.as_slice() {
            [Stroke::Point(at), ..] => *at,
            [Stroke::Box([x, y, ..]), ..] => [*x, *y],
            [Stroke::Paint { points, .. }, ..] | [Stroke::Scribble(points), ..] => {
                points.first().copied().unwrap_or_default()
            }
            _ => Place::default(),
        };
        inside(at, picture_px)
    }

    /// How far a place is from what was drawn, px; 0 on it or inside it.
    pub fn off(&self, at: Place, picture_px: [u32; 2]) -> f32 {
        match self.strokes.as_slice() {
            [Stroke::Point(point)] => distance(at, *point),
            [Stroke::Scribble(points)] => off_points(at, points),
            [Stroke::Box([x, y, w, h])] => {
                distance(at, [at[0].clamp(*x, x + w), at[1].clamp(*y, y + h)])
            }
            _ if covers(&self.region(picture_px), at) => 0.0,
            strokes => strokes
                .iter()
                .map(|part| match part {
                    Stroke::Point(point) => distance(at, *point),
                    Stroke::Scribble(points)
                    | Stroke::Paint { points, .. }
                    | Stroke::Cut { points, .. } => off_points(at, points),
                    Stroke::Box([x, y, w, h]) => {
                        distance(at, [at[0].clamp(*x, x + w), at[1].clamp(*y, y + h)])
                    }
                    Stroke::Found(_) => f32::MAX,
                })
                .fold(f32::MAX, f32::min),
        }
    }
}

/// A mask moved by px; what leaves the picture is gone.
fn shifted(mask: &Mask, by: Place) -> Mask {
    let [dx, dy] = by.map(|by| by.round() as i64);
    let [width, height] = [mask.width, mask.height].map(i64::from);
    let mut moved = Mask::zeros(mask.width, mask.height);
    for (at, _) in (0i64..).zip(&mask.pixels).filter(|(_, set)| **set == 1) {
        let [x, y] = [at % width + dx, at / width + dy];
        if (0..width).contains(&x)
            && (0..height).contains(&y)
            && let Some(pixel) = moved.pixels.get_mut((y * width + x) as usize)
        {
            *pixel = 1;
        }
    }
    moved
}

fn off_points(at: Place, points: &[Place]) -> f32 {
    let ends = points.iter().map(|p| distance(at, *p));
    ends.chain(points.windows(2).map(|pair| off_line(at, pair[0], pair[1])))
        .fold(f32::MAX, f32::min)
}

/// All marks on a picture. `[prompt k]` is the k-th of them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Board {
    /// In the order of their numbers.
    pub marks: Vec<Mark>,
    /// The one that brush, eraser and keys work on, by id.
    pub selected: Option<u32>,
    next_id: u32,
}

impl Board {
    /// Adds a mark of one stroke and selects it.
    pub fn add(&mut self, first: Stroke) -> u32 {
        let id = self.next_id;
        self.next_id += 1;
        self.marks.push(Mark { id, strokes: vec![first] });
        self.selected = Some(id);
        id
    }

    /// The mark of an id.
    pub fn get(&self, id: u32) -> Option<&Mark> {
        self.marks.iter().find(|mark| mark.id == id)
    }

    /// The mark of an id, to change it.
    pub fn get_mut(&mut self, id: u32) -> Option<&mut Mark> {
        self.marks.iter_mut().find(|mark| mark.id == id)
    }

    /// The selected mark.
    pub fn chosen(&self) -> Option<&Mark> {
        self.selected.and_then(|id| self.get(id))
    }

    /// The number of a mark, from 1.
    pub fn number(&self, id: u32) -> Option<usize> {
        self.marks.iter().position(|mark| mark.id == id).map(|at| at + 1)
    }

    /// Takes a mark away and selects its neighbour. Returns the number it had.
    pub fn remove(&mut self, id: u32) -> Option<usize> {
        let at = self.marks.iter().position(|mark| mark.id == id)?;
        self.marks.remove(at);
        if self.selected == Some(id) {
            let neighbour = at.min(self.marks.len().saturating_sub(1));
            self.selected = self.marks.get(neighbour).map(|mark| mark.id);
        }
        Some(at + 1)
    }

    /// Takes all marks away. Their ids do not come again.
    pub fn clear(&mut self) {
        self.marks.clear();
        self.selected = None;
    }

    /// The mark nearest to a place and at most `reach` px from it; of equally near ones the latest.
    pub fn nearest(&self, at: Place, reach: f32, picture_px: [u32; 2]) -> Option<u32> {
        let off = self.marks.iter().rev().map(|mark| (mark.id, mark.off(at, picture_px)));
        off.filter(|(_, off)| *off <= reach).min_by(|a, b| a.1.total_cmp(&b.1)).map(|(id, _)| id)
    }

    /// What the model is given, in the order of numbers. Marks of which nothing is left are left
    /// out; `Err` names the first such number.
    ///
    /// # Errors
    /// The number, from 1, of a mark that was cut away entirely.
    pub fn prompts(&self, picture_px: [u32; 2]) -> Result<Vec<Prompt>, usize> {
        let numbered = self.marks.iter().enumerate();
        numbered.map(|(at, mark)| mark.prompt(picture_px).ok_or(at + 1)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: [u32; 2] = [100, 60];

    fn cut(at: Place, radius: f32) -> Stroke {
        Stroke::Cut { points: Arc::new(vec![at]), radius, point: true }
    }

    #[test]
    fn single_strokes_go_to_the_model_as_what_they_are() {
        let prompt = |stroke| Mark { id: 0, strokes: vec![stroke] }.prompt(SIZE).unwrap();
        assert_eq!(prompt(Stroke::Point([3.0, 4.0])), Prompt::Point { x: 3.0, y: 4.0 });
        let rect = [10.0, 10.0, 90.000_01, 20.0];
        let Prompt::Box { x, w, .. } = prompt(Stroke::Box(rect)) else { panic!("a box") };
        assert!(x + w <= 100.0);
        let line = Stroke::Scribble(Arc::new(vec![[0.0, 0.0], [5.0, 0.0], [9.0, 0.0]]));
        assert_eq!(prompt(line), Prompt::Scribble { points: vec![[0.0, 0.0], [9.0, 0.0]] });
        let every = [Stroke::Point([1.0, 1.0]), Stroke::Box([0.0, 0.0, 5.0, 5.0])];
        for stroke in every {
            prompt(stroke).check("prompt", SIZE[0], SIZE[1]).unwrap();
        }
    }

    #[test]
    fn a_negative_point_cuts_its_disc_out_of_the_prompt() {
        let mut mark = Mark { id: 0, strokes: vec![Stroke::Box([10.0, 10.0, 40.0, 40.0])] };
        mark.strokes.push(cut([30.0, 30.0], 8.0));
        assert_eq!(mark.kind(), "mask");
        let Some(Prompt::Mask { mask }) = mark.prompt(SIZE) else { panic!("a mask") };
        let mask = mask.to_mask().unwrap();
        assert!(!covers(&mask, [30.0, 30.0]) && covers(&mask, [45.0, 45.0]));
        let disc = 64.0 * std::f32::consts::PI;
        assert!((mask.area() as f32 - (1600.0 - disc)).abs() < 12.0);
    }

    #[test]
    fn a_negative_point_cuts_what_was_found_and_both_move_together() {
        let mut found = Mask::zeros(SIZE[0], SIZE[1]);
        fill_box(&mut found, [10.0, 10.0, 40.0, 40.0], 1);
        let mut mark = Mark { id: 0, strokes: vec![Stroke::Point([20.0, 20.0])] };
        mark.strokes.push(cut([45.0, 45.0], 8.0));
        mark.cut_from(Arc::new(found.clone()));
        let region = mark.region(SIZE);
        assert!(covers(&region, [20.0, 20.0]) && !covers(&region, [45.0, 45.0]));
        assert!(region.area() < found.area() && region.iou(&found) > 0.85, "{}", region.area());
        assert_eq!((mark.kind(), mark.badge(SIZE)), ("mask", [20.0, 20.0]));
        assert_eq!(mark.off([12.0, 40.0], SIZE), 0.0, "it can be hit where it was found");
        // A second one begins with what was found since.
        mark.strokes.push(cut([15.0, 15.0], 4.0));
        mark.cut_from(Arc::new(found.clone()));
        assert!(
            covers(&mark.region(SIZE), [45.0, 45.0]) && !covers(&mark.region(SIZE), [15.0, 15.0])
        );
        mark.strokes.truncate(3);
        let moved = mark.moved([30.0, -5.0], SIZE).region(SIZE);
        assert_eq!(moved.area(), region.area());
        assert!(covers(&moved, [50.0, 15.0]) && !covers(&moved, [75.0, 40.0]));
        // Beyond the border it is gone, and the click stays in the picture.
        let beyond = mark.moved([90.0, 0.0], SIZE);
        assert_eq!(beyond.strokes[0], Stroke::Point([100.0, 20.0]));
        assert!(beyond.region(SIZE).area() < region.area());
    }

    #[test]
    fn nothing_left_is_no_prompt() {
        let mut board = Board::default();
        board.add(Stroke::Point([5.0, 5.0]));
        let id = board.add(Stroke::Point([30.0, 30.0]));
        board.get_mut(id).unwrap().strokes.push(cut([30.0, 30.0], 20.0));
        assert_eq!(board.prompts(SIZE), Err(2));
        let empty = Mark { id: 0, strokes: vec![Stroke::Box([1.0, 1.0, 0.0, 5.0])] };
        assert_eq!(empty.prompt(SIZE), None);
    }

    #[test]
    fn numbers_close_up_and_ids_never_come_again() {
        let mut board = Board::default();
        let ids: Vec<u32> = (0..3).map(|k| board.add(Stroke::Point([k as f32, 0.0]))).collect();
        assert_eq!(board.remove(ids[0]), Some(1));
        assert_eq!(board.number(ids[1]), Some(1));
        assert_eq!(board.selected, Some(ids[2]));
        assert_eq!(board.remove(ids[2]), Some(2));
        assert_eq!(board.selected, Some(ids[1]));
        board.clear();
        assert!(!ids.contains(&board.add(Stroke::Point([0.0, 0.0]))));
    }

    #[test]
    fn a_mark_stays_in_the_picture() {
        let mark = Mark { id: 0, strokes: vec![Stroke::Box([10.0, 10.0, 40.0, 40.0])] };
        let moved = mark.moved([1e6, -1e6], SIZE);
        assert_eq!(moved.strokes, [Stroke::Box([60.0, 0.0, 40.0, 40.0])]);
        assert!(moved.prompt(SIZE).unwrap().check("prompt", SIZE[0], SIZE[1]).is_ok());
    }

    #[test]
    fn the_nearest_mark_is_hit_and_the_upper_of_two() {
        let mut board = Board::default();
        let below = board.add(Stroke::Box([0.0, 0.0, 50.0, 50.0]));
        let above = board.add(Stroke::Box([20.0, 20.0, 30.0, 30.0]));
        assert_eq!(board.nearest([30.0, 30.0], 4.0, SIZE), Some(above));
        assert_eq!(board.nearest([5.0, 5.0], 4.0, SIZE), Some(below));
        assert_eq!(board.nearest([90.0, 5.0], 4.0, SIZE), None);
    }
}
