//! Augmentation: a part of a photo, perhaps mirrored, in other light, with all its labels.

mod colour;

pub use colour::Colour;

use crate::border::fnv;
use crate::photo::{Joints, Photo, Thing};
use image::RgbImage;
use image::imageops;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use refvlm_record::Mask;
use refvlm_record::coco::FLIP_PAIRS;
use std::sync::Arc;

/// Things of which less is left are dropped, as a share of their area.
const LEAST_KEPT: f32 = 0.25;
/// Things that cover less of the crop are dropped.
const LEAST_COVERED: f32 = 0.003;
/// Share of views that look closely at one thing.
const ZOOMED_SHARE: f64 = 0.5;
/// Things that are smaller than this share of the picture may be zoomed at.
const SMALL: f32 = 0.3;
/// A crop has at least this many px on each side where the photo has them.
const LEAST_CROP_PX: f32 = 48.0;

/// How a photo is looked at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct View {
    /// The part that is seen, `[x, y, w, h]` in px of the photo; none for all of it.
    pub crop: Option<[u32; 4]>,
    /// Whether left and right are swapped.
    pub flip: bool,
    /// Change of light.
    pub colour: Colour,
    /// Longest side of the result in px; none keeps the crop's.
    pub longest_px: Option<u32>,
}

impl View {
    /// The photo as it is.
    pub fn whole() -> Self {
        Self { crop: None, flip: false, colour: Colour::NONE, longest_px: None }
    }

    /// A random view: mostly 40 to 100 % of the picture, half of the time a close look at a small thing;
    /// mirrored half of the time; in slightly other light most of the time.
    pub fn draw(rng: &mut ChaCha8Rng, photo: &Photo) -> Self {
        let small: Vec<&Thing> =
            photo.things.iter().filter(|t| t.box_area() < SMALL * photo.area()).collect();
        let zoomed = small.choose(rng).filter(|_| rng.random_bool(ZOOMED_SHARE));
        let crop = match zoomed {
            Some(thing) => close_to(thing, photo, rng),
            None => part(photo, rng),
        };
        let colour = if rng.random_bool(0.8) { Colour::draw(rng) } else { Colour::NONE };
        Self { crop: Some(crop), flip: rng.random_bool(0.5), colour, longest_px: None }
    }

    /// View `number` of a photo: 0 is all of it, the others are random parts, always the same.
    pub fn numbered(number: u64, photo: &Photo) -> Self {
        if number == 0 {
            return Self::whole();
        }
        let name = format!("{} {}", photo.source.name, photo.stem());
        let mut rng = ChaCha8Rng::seed_from_u64(fnv(&name));
        rng.set_stream(number);
        Self::draw(&mut rng, photo)
    }

    /// The same view, scaled so that its longest side has this many px.
    pub fn scaled_to(self, longest_px: u32) -> Self {
        Self { longest_px: Some(longest_px), ..self }
    }

    /// The photo and its picture as seen. Things of which less than a quarter is left, or that
    /// cover less than 0.3 % of the crop, are dropped, and their names are no longer complete; of
    /// the others, [`Thing::kept`] says how much is left. Captions that name a side are dropped
    /// where sides are swapped.
    pub fn apply(&self, photo: &Photo, picture: &RgbImage) -> (Photo, RgbImage) {
        (self.photo(photo), self.picture(photo, picture))
    }

    /// The labels alone, as [`View::apply`] gives them.
    pub fn photo(&self, photo: &Photo) -> Photo {
        self.labels(photo, &Frame::new(self, photo))
    }

    /// The picture alone, as [`View::apply`] gives it.
    pub fn picture(&self, photo: &Photo, picture: &RgbImage) -> RgbImage {
        let frame = Frame::new(self, photo);
        let [x, y, w, h] = frame.crop;
        let cropped = imageops::crop_imm(picture, x, y, w, h);
        let mut seen = if frame.out == [w, h] {
            cropped.to_image()
        } else if frame.out[0] < w {
            imageops::thumbnail(&*cropped, frame.out[0], frame.out[1])
        } else {
            imageops::resize(&*cropped, frame.out[0], frame.out[1], imageops::FilterType::Triangle)
        };
        if self.flip {
            imageops::flip_horizontal_in_place(&mut seen);
        }
        self.colour.apply(&mut seen);
        seen
    }

    fn labels(&self, photo: &Photo, frame: &Frame) -> Photo {
        let mut seen = Photo {
            width: frame.out[0],
            height: frame.out[1],
            things: Vec::with_capacity(photo.things.len()),
            source: photo.source.clone(),
            id: photo.id.clone(),
            path: photo.path.clone(),
            licence: photo.licence.clone(),
            captions: photo.captions.clone(),
            complete: photo.complete,
            complete_for: photo.complete_for.clone(),
        };
        if self.crop.is_none() && self.longest_px.is_none() && !self.flip {
            seen.things.clone_from(&photo.things);
            return seen;
        }
        for thing in &photo.things {
            match frame.seen(thing) {
                Left::Nothing => {}
                Left::TooLittle => seen.doubt(thing.noun()),
                Left::Fragment => {
                    seen.complete = false;
                    seen.doubt(thing.noun());
                }
                Left::Thing(thing) => seen.things.push(*thing),
            }
        }
        if self.flip {
            seen.captions.retain(|caption| !names_a_side(caption));
        }
        if frame.share() < 0.8 {
            // What a caption tells may lie outside.
            seen.captions.clear();
        }
        seen
    }
}

/// Whether left and right matter for a sentence.
fn names_a_side(text: &str) -> bool {
    let lower = text.to_lowercase();
    let mut words = lower.split(|c: char| !c.is_alphabetic());
    words.any(|word| word.starts_with("left") || word.starts_with("right"))
}

/// 40 to 100 % of the picture, with the sides' ratio changed by up to a quarter.
fn part(photo: &Photo, rng: &mut ChaCha8Rng) -> [u32; 4] {
    let share: f32 = rng.random_range(0.4..=1.0);
    let ratio = rng.random_range(-0.22f32..=0.22).exp();
    let (width, height) = (photo.width as f32, photo.height as f32);
    let w = (width * (share * ratio).sqrt()).clamp(LEAST_CROP_PX.min(width), width);
    let h = (height * (share / ratio).sqrt()).clamp(LEAST_CROP_PX.min(height), height);
    let x = rng.random_range(0.0..=1.0) * (width - w);
    let y = rng.random_range(0.0..=1.0) * (height - h);
    whole_px([x, y, w, h], photo)
}

/// A part of which the thing's longer side takes 20 to 80 %.
fn close_to(thing: &Thing, photo: &Photo, rng: &mut ChaCha8Rng) -> [u32; 4] {
    let [x, y, w, h] = thing.bbox;
    let (width, height) = (photo.width as f32, photo.height as f32);
    let side = (w.max(h) / rng.random_range(0.2f32..=0.8)).max(LEAST_CROP_PX);
    let ratio = rng.random_range(-0.15f32..=0.15).exp();
    let cw = (side * ratio).min(width);
    let ch = (side / ratio).min(height);
    // The thing stays inside, where the crop is large enough for that.
    let mut from = |at: f32, length: f32, crop: f32, limit: f32| {
        let (low, high) = (at + length - crop, at);
        let drawn = low.min(high) + rng.random_range(0.0..=1.0) * (high - low).abs();
        drawn.clamp(0.0, limit - crop)
    };
    whole_px([from(x, w, cw, width), from(y, h, ch, height), cw, ch], photo)
}

fn whole_px([x, y, w, h]: [f32; 4], photo: &Photo) -> [u32; 4] {
    let (x, y) = (x as u32, y as u32);
    let w = (w.round() as u32).clamp(1, photo.width.saturating_sub(x).max(1));
    let h = (h.round() as u32).clamp(1, photo.height.saturating_sub(y).max(1));
    [x, y, w, h]
}

/// Where the seen part lies and how large it becomes.
struct Frame {
    crop: [u32; 4],
    out: [u32; 2],
    photo: [u32; 2],
    flip: bool,
}

enum Left {
    /// Nothing of it is seen.
    Nothing,
    /// Too small to be asked for.
    TooLittle,
    /// A part too small to be recognised, yet large enough to be seen.
    Fragment,
    Thing(Box<Thing>),
}

impl Frame {
    fn new(view: &View, photo: &Photo) -> Self {
        let [x, y, w, h] = view.crop.unwrap_or([0, 0, photo.width, photo.height]);
        let (x, y) = (x.min(photo.width - 1), y.min(photo.height - 1));
        let crop = [x, y, w.clamp(1, photo.width - x), h.clamp(1, photo.height - y)];
        let [_, _, w, h] = crop;
        let out = view.longest_px.map_or([w, h], |longest| {
            let scale = longest.max(1) as f32 / w.max(h) as f32;
            [w, h].map(|side| ((side as f32 * scale).round() as u32).max(1))
        });
        Self { crop, out, photo: [photo.width, photo.height], flip: view.flip }
    }

    /// Share of the photo that is seen.
    fn share(&self) -> f32 {
        let area = |[w, h]: [u32; 2]| w as f32 * h as f32;
        area([self.crop[2], self.crop[3]]) / area(self.photo)
    }

    fn scale(&self) -> [f32; 2] {
        [0, 1].map(|axis| self.out[axis] as f32 / self.crop[axis + 2] as f32)
    }

    /// A point of the photo as a point of the view.
    fn point(&self, [x, y]: [f32; 2]) -> [f32; 2] {
        let [sx, sy] = self.scale();
        let x = (x - self.crop[0] as f32) * sx;
        let y = (y - self.crop[1] as f32) * sy;
        [if self.flip { self.out[0] as f32 - x } else { x }, y]
    }

    fn seen(&self, thing: &Thing) -> Left {
        let bbox = self.bbox(thing.bbox);
        let [sx, sy] = self.scale();
        let (area, left, mask) = match thing.decoded() {
            Some(mask) => {
                let seen = self.mask(&mask);
                (mask.area() as f32 * sx * sy, seen.area() as f32, Some(seen))
            }
            None => (thing.box_area() * sx * sy, bbox[2] * bbox[3], None),
        };
        let share = (left / area.max(1e-6)).min(1.0);
        if left <= 0.0 {
            return Left::Nothing;
        }
        if left < LEAST_COVERED * self.out[0] as f32 * self.out[1] as f32 {
            return Left::TooLittle;
        }
        if share * thing.kept < LEAST_KEPT {
            return Left::Fragment;
        }
        // The box of a whole thing is as good as it was; of a cut one only the mask knows.
        let inside = thing.bbox[2] * thing.bbox[3] * sx * sy - bbox[2] * bbox[3] < 0.5;
        let tight = mask.as_ref().filter(|_| !inside).and_then(Mask::bounds);
        let joints = thing.joints.map(|joints| self.joints(&joints));
        Left::Thing(Box::new(Thing {
            category: thing.category.clone(),
            name: thing.name.clone(),
            bbox: tight.map_or(bbox, |bounds| bounds.map(|v| v as f32)),
            mask: mask.map(|mask| mask.to_rle()),
            joints: joints.filter(|joints| joints.iter().any(|joint| joint[2] > 0.0)),
            crowd: thing.crowd,
            kept: thing.kept * share,
        }))
    }

    fn bbox(&self, [x, y, w, h]: [f32; 4]) -> [f32; 4] {
        let [a, b] = [self.point([x, y]), self.point([x + w, y + h])];
        let side = |axis: usize| {
            let limit = self.out[axis] as f32;
            let from = a[axis].min(b[axis]).clamp(0.0, limit);
            (from, a[axis].max(b[axis]).clamp(0.0, limit) - from)
        };
        let ((x, w), (y, h)) = (side(0), side(1));
        [x, y, w, h]
    }

    /// Each pixel is the one under its centre.
    fn mask(&self, mask: &Mask) -> Mask {
        let [x0, y0, w, h] = self.crop.map(|v| v as usize);
        let [out_w, out_h] = self.out.map(|v| v as usize);
        let from = |at: usize, out: usize, length: usize| (2 * at + 1) * length / (2 * out);
        let columns: Vec<usize> = (0..out_w)
            .map(|x| if self.flip { out_w - 1 - x } else { x })
            .map(|x| x0 + from(x, out_w, w))
            .collect();
        let mut seen = Mask::zeros(self.out[0], self.out[1]);
        let rows = seen.pixels.chunks_exact_mut(out_w).enumerate();
        for (y, out) in rows {
            let start = (y0 + from(y, out_h, h)) * mask.width as usize;
            let row = &mask.pixels[start..start + mask.width as usize];
            for (out, &x) in out.iter_mut().zip(&columns) {
                *out = row[x];
            }
        }
        seen
    }

    fn joints(&self, joints: &Joints) -> Joints {
        let limit = self.out.map(|v| v as f32);
        let mut moved = joints.map(|[x, y, v]| {
            let [x, y] = self.point([x, y]);
            let inside = (0.0..=limit[0]).contains(&x) && (0.0..=limit[1]).contains(&y);
            if v > 0.0 && inside { [x, y, v] } else { [0.0; 3] }
        });
        if self.flip {
            mirror(&mut moved);
        }
        moved
    }
}

/// Swaps left and right of a body.
pub(crate) fn mirror(joints: &mut Joints) {
    FLIP_PAIRS.iter().for_each(|&(left, right)| joints.swap(left, right));
}

/// Recomputes a thing whose mask was covered in part; none when too little is left.
pub(crate) fn uncovered(thing: &Thing, mask: &Mask, before: f32, picture: f32) -> Option<Thing> {
    let left = mask.area() as f32;
    let kept = thing.kept * left / before.max(1.0);
    if kept < LEAST_KEPT || left < LEAST_COVERED * picture {
        return None;
    }
    let bounds = mask.bounds()?;
    Some(Thing { bbox: bounds.map(|v| v as f32), mask: Some(mask.to_rle()), kept, ..thing.clone() })
}

/// Forgets what may be counted or called absent.
pub(crate) fn doubt_all(photo: &mut Photo) {
    photo.complete = false;
    photo.complete_for = Arc::default();
}
