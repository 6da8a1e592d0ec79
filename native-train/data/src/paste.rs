//! Copy and paste: masked things of some photos, cut out softly, put into another.

use crate::mask::subtract;
use crate::photo::{Photo, Thing};
use crate::view::{doubt_all, uncovered};
use image::{RgbImage, imageops};
use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;
use refvlm_record::Mask;

/// Most things that are pasted at once.
const MOST_PASTED: usize = 3;
/// Share of its photo that a thing must cover to be pasted: smaller ones have no pixels to show.
const DONOR_AREA: std::ops::RangeInclusive<f32> = 0.01..=0.6;
/// Least share of a thing that its own photo must show.
const LEAST_WHOLE: f32 = 0.9;
/// Longer side of a pasted thing, as a share of the photo's shorter side.
const SIDE: std::ops::RangeInclusive<f32> = 0.2..=0.65;
/// A box without a mask that is covered by more than this share is dropped.
const MOST_COVERED: f32 = 0.3;

/// Pastes one to three masked things of `donors` onto `base`. What lies below loses the covered
/// pixels, and is dropped where little is left; covered joints count as hidden. Afterwards nothing
/// counts as complete and captions are gone: what is in a pasted thing's picture is only known in
/// part.
pub fn paste(
    (base, picture): (&Photo, &RgbImage),
    donors: &[(&Photo, &RgbImage)],
    rng: &mut ChaCha8Rng,
) -> (Photo, RgbImage) {
    let (mut photo, mut pasted) = (base.clone(), picture.clone());
    let fitting: Vec<(&Thing, &RgbImage)> = donors
        .iter()
        .flat_map(|(donor, picture)| {
            let fits = |thing: &&Thing| {
                let whole = thing.kept >= LEAST_WHOLE && !touches_edge(thing, donor);
                let large = DONOR_AREA.contains(&(thing.box_area() / donor.area()));
                thing.mask.is_some() && thing.name.is_some() && !thing.crowd && whole && large
            };
            donor.things.iter().filter(fits).map(|thing| (thing, *picture))
        })
        .collect();
    let mut count = 0;
    for _ in 0..rng.random_range(1..=MOST_PASTED) {
        let Some((thing, source)) = fitting.choose(rng) else { break };
        let Some(cut) = Cut::of(thing, source, base, rng) else { continue };
        cut.put(&mut photo, &mut pasted);
        count += 1;
    }
    if count > 0 {
        doubt_all(&mut photo);
        photo.captions.clear();
    }
    (photo, pasted)
}

/// A thing that its photo's edge cuts would have a straight side in the middle of another photo.
fn touches_edge(thing: &Thing, photo: &Photo) -> bool {
    let [x, y, w, _] = thing.bbox;
    // Standing on the lower edge is natural.
    x < 2.0 || y < 2.0 || x + w > photo.width as f32 - 2.0
}

/// A thing cut out and scaled, with its place.
struct Cut {
    thing: Thing,
    picture: RgbImage,
    /// How much of each pixel is the thing's, 0..=1.
    alpha: Vec<f32>,
    /// Left and top in px of the photo.
    at: [i64; 2],
    flip: bool,
    /// px of the photo per px of the donor.
    scale: f32,
    /// Left and top of the cut in the donor.
    origin: [u32; 2],
}

impl Cut {
    fn of(thing: &Thing, source: &RgbImage, base: &Photo, rng: &mut ChaCha8Rng) -> Option<Self> {
        let mask = thing.decoded()?;
        let [x, y, w, h] = mask.bounds()?;
        let shorter = base.width.min(base.height) as f32;
        let wanted = rng.random_range(SIDE) * shorter;
        let scale = wanted / w.max(h) as f32;
        // More than twice its size, a thing is only blur.
        let scale = scale.min(2.0);
        let size = [w, h].map(|side| ((side as f32 * scale).round() as u32).max(1));
        let picture = imageops::crop_imm(source, x, y, w, h);
        let picture = imageops::resize(&*picture, size[0], size[1], imageops::FilterType::Triangle);
        let alpha = soft(&mask, [x, y, w, h], size);
        let [free_x, free_y] = [
            i64::from(base.width) - i64::from(size[0]),
            i64::from(base.height) - i64::from(size[1]),
        ];
        let place = |free: i64, side: u32, rng: &mut ChaCha8Rng| {
            // Up to a fifth may lie outside.
            let over = i64::from(side / 5);
            rng.random_range(-over..=(free + over).max(-over))
        };
        let at = [place(free_x, size[0], rng), place(free_y, size[1], rng)];
        let flip = rng.random_bool(0.5);
        Some(Self { thing: thing.clone(), picture, alpha, at, flip, scale, origin: [x, y] })
    }

    /// Puts the thing on top.
    fn put(&self, photo: &mut Photo, picture: &mut RgbImage) {
        let (w, h) = self.picture.dimensions();
        let mut covered = Mask::zeros(photo.width, photo.height);
        for y in 0..h {
            for x in 0..w {
                let (px, py) = (i64::from(x) + self.at[0], i64::from(y) + self.at[1]);
                let inside = (0..i64::from(photo.width)).contains(&px)
                    && (0..i64::from(photo.height)).contains(&py);
                let from = if self.flip { w - 1 - x } else { x };
                let alpha = self.alpha[(y * w + from) as usize];
                if !inside || alpha <= 0.0 {
                    continue;
                }
                let own = self.picture.get_pixel(from, y);
                let below = picture.get_pixel_mut(px as u32, py as u32);
                for (below, own) in below.0.iter_mut().zip(own.0) {
                    let mixed = f32::from(*below) * (1.0 - alpha) + f32::from(own) * alpha;
                    *below = (mixed + 0.5) as u8;
                }
                if alpha >= 0.5 {
                    covered.pixels[(py * i64::from(photo.width) + px) as usize] = 1;
                }
            }
        }
        let Some(bounds) = covered.bounds() else { return };
        let picture_area = photo.area();
        photo.things =
            photo.things.iter().filter_map(|thing| below(thing, &covered, picture_area)).collect();
        let before = self.alpha.iter().filter(|alpha| **alpha >= 0.5).count().max(1) as f32;
        photo.things.push(Thing {
            bbox: bounds.map(|v| v as f32),
            kept: self.thing.kept * (covered.area() as f32 / before).min(1.0),
            joints: self.joints(photo.width, photo.height),
            mask: Some(covered.to_rle()),
            ..self.thing.clone()
        });
    }

    fn joints(&self, width: u32, height: u32) -> Option<crate::photo::Joints> {
        let mut joints = self.thing.joints?.map(|[x, y, v]| {
            let x = (x - self.origin[0] as f32) * self.scale;
            let y = (y - self.origin[1] as f32) * self.scale + self.at[1] as f32;
            let x = if self.flip { self.picture.width() as f32 - x } else { x } + self.at[0] as f32;
            let inside = (0.0..=width as f32).contains(&x) && (0.0..=height as f32).contains(&y);
            if v > 0.0 && inside { [x, y, v] } else { [0.0; 3] }
        });
        if self.flip {
            crate::view::mirror(&mut joints);
        }
        joints.iter().any(|joint| joint[2] > 0.0).then_some(joints)
    }
}

/// What is left of a thing under `covered`; none when it is too little.
fn below(thing: &Thing, covered: &Mask, picture: f32) -> Option<Thing> {
    let on = |x: f32, y: f32| {
        let at = y as usize * covered.width as usize + (x as usize).min(covered.width as usize - 1);
        covered.pixels.get(at).is_some_and(|&pixel| pixel == 1)
    };
    let mut left = match thing.decoded() {
        Some(mut mask) => {
            let before = mask.area() as f32;
            subtract(&mut mask, covered);
            if mask.area() as f32 == before {
                thing.clone()
            } else {
                uncovered(thing, &mask, before, picture)?
            }
        }
        None => {
            let [x, y, w, h] = thing.bbox;
            let count = (0..64).filter(|k| {
                let part = |k: usize| (k as f32 + 0.5) / 8.0;
                on(x + part(k % 8) * w, y + part(k / 8) * h)
            });
            if count.count() as f32 > 64.0 * MOST_COVERED {
                return None;
            }
            thing.clone()
        }
    };
    for joint in left.joints.iter_mut().flatten() {
        if joint[2] == 2.0 && on(joint[0], joint[1]) {
            joint[2] = 1.0;
        }
    }
    Some(left)
}

/// The mask within `bounds` at another size, smoothed over neighbouring pixels.
fn soft(mask: &Mask, [x0, y0, w, h]: [u32; 4], [out_w, out_h]: [u32; 2]) -> Vec<f32> {
    let sample = |x: f32, y: f32| {
        let at = |v: f32, from: u32, length: u32| {
            from + (v.floor().max(0.0) as u32).min(length.saturating_sub(1))
        };
        let index = at(y, y0, h) as usize * mask.width as usize + at(x, x0, w) as usize;
        mask.pixels.get(index).map_or(0.0, |&p| f32::from(p))
    };
    let (sx, sy) = (w as f32 / out_w as f32, h as f32 / out_h as f32);
    let mut alpha = Vec::with_capacity((out_w * out_h) as usize);
    // Nine samples over three pixels of the result make the border two pixels wide.
    let offsets = [-0.7, 0.0, 0.7];
    for y in 0..out_h {
        for x in 0..out_w {
            let mut sum = 0.0;
            for dy in offsets {
                for dx in offsets {
                    sum += sample((x as f32 + 0.5 + dx) * sx, (y as f32 + 0.5 + dy) * sy);
                }
            }
            alpha.push(sum / 9.0);
        }
    }
    alpha
}
