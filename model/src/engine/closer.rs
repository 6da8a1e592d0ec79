//! A closer look at what a prompt points at.
//!
//! The towers see a picture in a square of fixed size, in which a small thing is a few cells wide.
//! Where a box or a painted region says how large the thing is, its part of the picture is shown to
//! the towers once more, larger, and mask and joints are looked for there; the mask of a box is a mean
//! of both looks. A click does not say how large the thing is, nor does a scribble that may mean
//! several things: the part is what the proposals of the first look cover together, and those of both
//! looks compete. What words alone have found is looked at as if it had been painted, which fits its
//! border better.

use super::{EngineError, Session, host};
use crate::config::CloserLook;
use crate::decoding::{Pointed, PromptMaps, QueryLayout};
use crate::event::Shape;
use crate::image::{Frame, Picture};
use crate::input::{Inputs, regions, stroke_maps};
use crate::layers::sampling_matrix;
use crate::refvlm::Sight;
use burn::tensor::Tensor;
use refvlm_record::{Mask, Prompt, Rle};

/// Parts of the picture that are remembered, so that a second question about the same prompt does
/// not look again.
const REMEMBERED: usize = 4;
/// Least side of a part in px.
const LEAST_SIDE_PX: f32 = 32.0;

/// A part of the picture that was looked at.
#[derive(Debug, Clone)]
pub(super) struct Part {
    /// `[x, y, w, h]` in px of the picture.
    pub window: [u32; 4],
    /// Where the part lies in the square.
    pub frame: Frame,
    /// What the towers saw.
    pub sight: Sight,
}

/// A part and the prompt in it.
pub(super) struct Closer {
    pub part: Part,
    pub prompts: PromptMaps,
    /// How much the look at the whole picture counts, 0 to 1.
    pub whole_share: f32,
}

/// A prompt in its part.
struct Inside {
    part: Part,
    /// In px of the part.
    prompt: Prompt,
    /// Weights over the cells of the prompt features.
    region: Vec<f32>,
    /// `[1, rows, hidden]`
    rows: Tensor<3>,
}

/// What a prompt shows when it is looked at closely.
#[derive(Debug, Clone)]
pub(super) struct Near {
    /// The part, `[x, y, w, h]` in px of the picture.
    window: [u32; 4],
    /// The prompt in it.
    region: Vec<f32>,
    /// Those of its rows that say what is there, `[1, rows, hidden]`.
    pub rows: Tensor<3>,
}

impl PartialEq for Near {
    fn eq(&self, other: &Self) -> bool {
        self.window == other.window && self.region == other.region
    }
}

impl Session {
    /// For each reference the prompt that it means, if any.
    ///
    /// # Shapes
    /// `states` `[1, references, hidden]`
    pub(super) async fn meant<'a>(
        &self,
        pointers: &'a [Prompt],
        (states, layout, pointed): (&Tensor<3>, &QueryLayout, Option<&Pointed<'_>>),
    ) -> Result<Vec<Option<&'a Prompt>>, EngineError> {
        let mask = self.model.visual_decoder.mask.as_ref();
        let meant = mask.zip(pointed).and_then(|(mask, at)| mask.meant(states, layout, at));
        let Some(meant) = meant else { return Ok(vec![None; layout.count()]) };
        let choices = meant.dims()[1];
        let meant = host(meant).await?;
        let prompt = |row: &[f32]| {
            let best = (0..row.len()).max_by(|&a, &b| row[a].total_cmp(&row[b]));
            // The first choice is to mean no prompt.
            pointers.get(best?.checked_sub(1)?)
        };
        Ok(meant.chunks_exact(choices.max(1)).map(prompt).collect())
    }

    /// A closer look at the prompt that a reference means; none where that tells nothing new.
    pub(super) fn look_closer(
        &mut self,
        look: CloserLook,
        prompt: &Prompt,
        found: &Shape,
    ) -> Result<Option<Closer>, EngineError> {
        let scribbles = self.config.prompted_decoder.as_ref().is_some_and(|d| d.scribbles_choose);
        // Most of a painted region is known, and what a click means is asked of both looks.
        let (margin, whole_share) = match prompt {
            Prompt::Box { .. } => (Some(look.margin), look.whole_share),
            Prompt::Mask { .. } => (Some(look.margin), 0.0),
            Prompt::Scribble { .. } if !scribbles => (None, 0.0),
            Prompt::Point { .. } | Prompt::Scribble { .. } => (look.click_margin, 0.0),
        };
        let extent = extent(prompt).or_else(|| loose_extent(prompt, found));
        match extent.zip(margin) {
            Some((extent, margin)) => {
                self.closer(prompt, extent, CloserLook { margin, whole_share, ..look })
            }
            None => Ok(None),
        }
    }

    /// A closer look at what words alone have found, as if it had been painted; none where that
    /// tells nothing new.
    pub(super) fn look_again(
        &mut self,
        look: CloserLook,
        found: &Shape,
    ) -> Result<Option<Closer>, EngineError> {
        let (Some(margin), Shape::Mask { mask, .. }) = (look.words_margin, found) else {
            return Ok(None);
        };
        let prompt = Prompt::Mask { mask: mask.clone() };
        let Some(extent) = extent(&prompt) else { return Ok(None) };
        self.closer(&prompt, extent, CloserLook { margin, whole_share: 0.0, ..look })
    }

    /// A look at a thing whose box is known, a closer one where that tells more.
    pub(super) fn look_at(
        &mut self,
        look: Option<CloserLook>,
        prompt: &Prompt,
    ) -> Result<Option<Closer>, EngineError> {
        let near = match look.zip(extent(prompt)) {
            Some((look, extent)) => {
                self.closer(prompt, extent, CloserLook { whole_share: 0.0, ..look })?
            }
            None => None,
        };
        if near.is_some() {
            return Ok(near);
        }
        let seen = self.picture.as_ref().ok_or(EngineError::NoPicture)?;
        let Frame { width, height, .. } = seen.frame;
        let window = [0, 0, width, height];
        let part = Part { window, frame: seen.frame, sight: seen.sight.clone() };
        self.told(self.inside_part(part, prompt.clone())?, 0.0)
    }

    fn closer(
        &mut self,
        prompt: &Prompt,
        extent: [f32; 4],
        look: CloserLook,
    ) -> Result<Option<Closer>, EngineError> {
        match self.inside(prompt, extent, &look)? {
            Some(inside) => self.told(inside, look.whole_share),
            None => Ok(None),
        }
    }

    /// What the decoder is told of a prompt in its part.
    fn told(
        &self,
        Inside { part, prompt, rows, .. }: Inside,
        whole_share: f32,
    ) -> Result<Option<Closer>, EngineError> {
        let strokes = stroke_maps(&self.config, &[prompt], &part.frame)?.concat();
        let prompts = self.prompt_maps(vec![rows], strokes);
        Ok(prompts.map(|prompts| Closer { part, prompts, whole_share }))
    }

    /// What a prompt shows when it is looked at closely; none where that tells nothing new, or in a
    /// model without rows for it.
    pub(super) fn near(
        &mut self,
        prompt: &Prompt,
        look: Option<CloserLook>,
    ) -> Result<Option<Near>, EngineError> {
        let count = self.config.class_row_count();
        let Some(look) = look.filter(|_| count > 0) else { return Ok(None) };
        let Some(extent) = extent(prompt) else { return Ok(None) };
        let Some(Inside { part, region, rows, .. }) = self.inside(prompt, extent, &look)? else {
            return Ok(None);
        };
        let first = rows.dims()[1].saturating_sub(count);
        let rows = rows.narrow(1, first, count);
        Ok(Some(Near { window: part.window, region, rows }))
    }

    /// A prompt in the part of the picture around an extent, `[x, y, w, h]` in px.
    fn inside(
        &mut self,
        prompt: &Prompt,
        extent: [f32; 4],
        look: &CloserLook,
    ) -> Result<Option<Inside>, EngineError> {
        let Some(part) = self.part(extent, look)? else { return Ok(None) };
        let Some(prompt) = within(prompt, part.window) else { return Ok(None) };
        self.inside_part(part, prompt).map(Some)
    }

    /// A prompt in px of a part.
    fn inside_part(&self, part: Part, prompt: Prompt) -> Result<Inside, EngineError> {
        let prompts = std::slice::from_ref(&prompt);
        let region = regions(&self.config, prompts, &part.frame)?.concat();
        let rows = self.prompt_rows(&part.sight, region.clone());
        Ok(Inside { part, prompt, region, rows })
    }

    /// The part of the picture around an extent.
    fn part(&mut self, extent: [f32; 4], look: &CloserLook) -> Result<Option<Part>, EngineError> {
        let seen = self.picture.as_ref().ok_or(EngineError::NoPicture)?;
        let (Some(rgb), Frame { width, height, .. }) = (&seen.rgb, seen.frame) else {
            return Ok(None);
        };
        let Some(window) = window(extent, [width, height], look) else { return Ok(None) };
        if let Some(part) = self.parts.iter().find(|part| part.window == window) {
            return Ok(Some(part.clone()));
        }
        let pixels = Picture::new(width, height, rgb)?.crop(window);
        let picture = Picture::new(window[2], window[3], &pixels)?;
        let (frame, inputs) = Inputs::new(&self.config, picture, &self.device)?;
        let part = Part { window, frame, sight: self.model.see_part(inputs) };
        if self.parts.len() == REMEMBERED {
            self.parts.pop_front();
        }
        self.parts.push_back(part.clone());
        Ok(Some(part))
    }
}

impl Part {
    /// A mask of the part as one of the picture.
    pub(super) fn mask_of_picture(&self, mask: &Mask, [width, height]: [u32; 2]) -> Mask {
        let [x, y, w, _] = self.window.map(|v| v as usize);
        let mut pixels = vec![0u8; width as usize * height as usize];
        let rows = pixels.chunks_exact_mut(width as usize).skip(y);
        for (row, part) in rows.zip(mask.pixels.chunks_exact(w.max(1))) {
            if let Some(row) = row.get_mut(x..x + w) {
                row.copy_from_slice(part);
            }
        }
        Mask { width, height, pixels }
    }

    /// What a map over the whole picture's square shows of the part, over the part's square.
    ///
    /// # Shapes
    /// `[n, channels, h, w]`, unchanged
    pub(super) fn of_whole(&self, map: Tensor<4>, whole: &Frame) -> Tensor<4> {
        let [_, _, h, w] = map.dims();
        let ends = [[0.0, 0.0], [1.0, 1.0]];
        let ends = ends.map(|end| whole.point_to_unit(self.point_of_picture(end)));
        let along = |axis: usize, length: usize| {
            let stretch = ends.map(|end| f64::from(end[axis]));
            sampling_matrix(length, length, stretch, &map.device()).unsqueeze::<4>()
        };
        let (columns, rows) = (along(0, w).transpose(), along(1, h));
        rows.matmul(map.matmul(columns))
    }

    /// A point of the part's square as one of the picture, in px.
    pub(super) fn point_of_picture(&self, at: [f32; 2]) -> [f32; 2] {
        let [x, y] = self.frame.point_to_px(at);
        [x + self.window[0] as f32, y + self.window[1] as f32]
    }
}

/// How far the thing reaches that a prompt points at, `[x, y, w, h]` in px; none where the prompt
/// does not say.
fn extent(prompt: &Prompt) -> Option<[f32; 4]> {
    match prompt {
        Prompt::Box { x, y, w, h } => Some([*x, *y, *w, *h]),
        Prompt::Mask { mask } => {
            let bounds = mask.to_mask().ok()?.bounds()?;
            Some(bounds.map(|v| v as f32))
        }
        Prompt::Point { .. } | Prompt::Scribble { .. } => None,
    }
}

/// How far that reaches which a click or a scribble may mean, `[x, y, w, h]` in px: its points and all
/// that was proposed for it; none for other prompts, and where nothing was.
fn loose_extent(prompt: &Prompt, found: &Shape) -> Option<[f32; 4]> {
    let points = match prompt {
        Prompt::Point { x, y } => &[[*x, *y]][..],
        Prompt::Scribble { points } => points,
        Prompt::Box { .. } | Prompt::Mask { .. } => return None,
    };
    let Shape::Mask { bbox, others, .. } = found else { return None };
    let boxes = others.iter().map(|other| other.bbox).chain([*bbox]);
    let mut boxes = boxes.filter(|b| b[2] > 0.0 && b[3] > 0.0).peekable();
    boxes.peek()?;
    let corners = boxes.flat_map(|[x, y, w, h]| [[x, y], [x + w, y + h]]);
    let [left, top, right, bottom] = corners.chain(points.iter().copied()).fold(
        [f32::INFINITY, f32::INFINITY, f32::NEG_INFINITY, f32::NEG_INFINITY],
        |[l, t, r, b], [x, y]| [l.min(x), t.min(y), r.max(x), b.max(y)],
    );
    Some([left, top, right - left, bottom - top])
}

/// The part around an extent, `[x, y, w, h]` in px; none where it would hardly be larger to the
/// towers than the picture.
fn window(extent: [f32; 4], size: [u32; 2], look: &CloserLook) -> Option<[u32; 4]> {
    let [x, y, w, h] = extent;
    let side = (w.max(h) * look.margin).max(LEAST_SIDE_PX);
    let along = |at: f32, length: f32, limit: u32| {
        let middle = at + length / 2.0;
        let from = (middle - side / 2.0).clamp(0.0, limit as f32).floor();
        let to = (middle + side / 2.0).clamp(0.0, limit as f32).ceil();
        (from as u32, (to - from) as u32)
    };
    let ((x, w), (y, h)) = (along(x, w, size[0]), along(y, h, size[1]));
    let zoom = size[0].max(size[1]) as f32 / w.max(h) as f32;
    (w > 0 && h > 0 && zoom >= look.least_zoom).then_some([x, y, w, h])
}

/// A prompt of the picture as one of a part that holds it; none for a damaged mask.
fn within(prompt: &Prompt, [left, top, width, height]: [u32; 4]) -> Option<Prompt> {
    let (dx, dy) = (left as f32, top as f32);
    Some(match prompt {
        Prompt::Point { x, y } => Prompt::Point { x: x - dx, y: y - dy },
        Prompt::Box { x, y, w, h } => {
            let along = |at: f32, length: f32, limit: u32| {
                let (from, to) = (at.max(0.0), (at + length).min(limit as f32));
                (from, to - from)
            };
            let ((x, w), (y, h)) = (along(x - dx, *w, width), along(y - dy, *h, height));
            Prompt::Box { x, y, w, h }
        }
        Prompt::Scribble { points } => {
            Prompt::Scribble { points: points.iter().map(|[x, y]| [x - dx, y - dy]).collect() }
        }
        Prompt::Mask { mask } => Prompt::Mask { mask: cut(mask, [left, top, width, height])? },
    })
}

fn cut(mask: &Rle, [x, y, w, h]: [u32; 4]) -> Option<Rle> {
    let whole = mask.to_mask().ok()?;
    let rows = whole.pixels.chunks_exact(whole.width.max(1) as usize);
    let rows = rows.skip(y as usize).take(h as usize);
    let part = rows.flat_map(|row| row.iter().skip(x as usize).take(w as usize).copied());
    Some(Mask { width: w, height: h, pixels: part.collect() }.to_rle())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Proposal;

    const LOOK: CloserLook = CloserLook {
        margin: 1.5,
        least_zoom: 1.25,
        click_margin: None,
        words_margin: None,
        whole_share: 0.0,
    };

    #[test]
    fn clicks_and_scribbles_reach_as_far_as_what_is_proposed_for_them() {
        let mut pixels = vec![0; 200];
        pixels[4 * 20 + 7] = 1;
        let small = Mask { width: 20, height: 10, pixels: pixels.clone() };
        pixels[2 * 20 + 12] = 1;
        let wide = Mask { width: 20, height: 10, pixels };
        let found = Shape::mask(&small).with_others(vec![Proposal::new(0.5, &wide)]);
        let click = Prompt::Point { x: 7.5, y: 6.5 };
        assert_eq!(loose_extent(&click, &found), Some([7.0, 2.0, 6.0, 4.5]));
        assert_eq!(loose_extent(&click, &Shape::mask(&Mask::zeros(20, 10))), None);
        let drawn = Prompt::Scribble { points: vec![[9.5, 8.5], [15.5, 4.5]] };
        assert_eq!(loose_extent(&drawn, &found), Some([7.0, 2.0, 8.5, 6.5]));
        let boxed = Prompt::Box { x: 7.0, y: 6.0, w: 1.0, h: 1.0 };
        assert_eq!(loose_extent(&boxed, &found), None, "it says so itself");
    }

    #[test]
    fn a_part_is_larger_than_the_prompt_and_inside_the_picture() {
        let part = |extent| window(extent, [200, 100], &LOOK);
        assert_eq!(part([80.0, 40.0, 40.0, 20.0]), Some([70, 20, 60, 60]));
        assert_eq!(part([0.0, 0.0, 40.0, 20.0]), Some([0, 0, 50, 40]), "cut at the corner");
        assert_eq!(part([99.5, 50.0, 1.0, 1.0]), Some([84, 34, 32, 33]), "never tiny");
        assert_eq!(part([10.0, 10.0, 150.0, 20.0]), None, "hardly larger than the picture");
    }

    #[test]
    fn prompts_and_masks_move_there_and_back() {
        let mut painted = Mask { width: 20, height: 10, pixels: vec![0; 200] };
        (painted.pixels[4 * 20 + 7], painted.pixels[5 * 20 + 8]) = (1, 1);
        let window = [5, 3, 6, 4];
        let prompt = Prompt::Mask { mask: painted.to_rle() };
        let Prompt::Mask { mask } = within(&prompt, window).unwrap() else { panic!() };
        let inside = mask.to_mask().unwrap();
        assert_eq!((inside.width, inside.height), (6, 4));
        assert_eq!((inside.pixels[6 + 2], inside.pixels[2 * 6 + 3]), (1, 1));
        let boxed = within(&Prompt::Box { x: 4.0, y: 4.0, w: 3.0, h: 9.0 }, window).unwrap();
        assert_eq!(boxed, Prompt::Box { x: 0.0, y: 1.0, w: 2.0, h: 3.0 });
    }
}
