//! Views and pastes, against the photo itself.

use crate::support::{picture, scene};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use refvlm_data::{Collection, Colour, Photo, View, paste};
use refvlm_record::Mask;

fn photo() -> Photo {
    Collection::open(&scene().0).unwrap().photos.remove(0)
}

/// The pixels of a mask that a crop and a flip leave, one by one.
fn brute(mask: &Mask, [x0, y0, w, h]: [u32; 4], flip: bool) -> Mask {
    let mut seen = Mask::zeros(w, h);
    for y in 0..h {
        for x in 0..w {
            let from = if flip { x0 + w - 1 - x } else { x0 + x };
            seen.pixels[(y * w + x) as usize] =
                mask.pixels[((y0 + y) * mask.width + from) as usize];
        }
    }
    seen
}

#[test]
fn a_whole_view_changes_nothing() {
    let (photo, picture) = (photo(), picture(96, 64));
    let (seen, pixels) = View::whole().apply(&photo, &picture);
    assert_eq!(seen, photo);
    assert_eq!(pixels, picture);
}

#[test]
fn crops_and_flips_take_labels_and_pixels_along() {
    let (photo, picture) = (photo(), picture(96, 64));
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let mut dropped = 0;
    for _ in 0..300 {
        let (w, h) = (rng.random_range(20..=96), rng.random_range(20..=64));
        let crop = [rng.random_range(0..=96 - w), rng.random_range(0..=64 - h), w, h];
        let flip = rng.random_bool(0.5);
        let view = View { crop: Some(crop), flip, ..View::whole() };
        let (seen, pixels) = view.apply(&photo, &picture);
        assert_eq!(pixels.dimensions(), (w, h));
        let from = |x: u32| if flip { crop[0] + w - 1 - x } else { crop[0] + x };
        assert_eq!(pixels.get_pixel(3, 4), picture.get_pixel(from(3), crop[1] + 4));
        let mut left = seen.things.iter();
        for thing in &photo.things {
            let mask = thing.decoded().unwrap();
            let wanted = brute(&mask, crop, flip);
            let share = wanted.area() as f32 / mask.area() as f32;
            if share < 0.25 || (wanted.area() as f32) < 0.003 * (w * h) as f32 {
                dropped += 1;
                if wanted.area() > 0 {
                    assert!(!seen.complete_for.contains(thing.noun()), "what is half seen");
                }
                continue;
            }
            let found = left.next().unwrap();
            assert_eq!(found.decoded().unwrap(), wanted);
            assert!((found.kept - share).abs() < 1e-3);
            let bounds = wanted.bounds().unwrap().map(|v| v as f32);
            for (a, b) in found.bbox.iter().zip(bounds) {
                assert!((a - b).abs() < 0.01, "{:?} {bounds:?}", found.bbox);
            }
        }
        assert!(left.next().is_none());
    }
    assert!(dropped > 50);
}

#[test]
fn a_flip_swaps_the_sides_of_a_body_and_drops_captions_that_name_one() {
    let (photo, picture) = (photo(), picture(96, 64));
    let view = View { flip: true, ..View::whole() };
    let (seen, _) = view.apply(&photo, &picture);
    let (before, after) = (photo.things[2].joints.unwrap(), seen.things[2].joints.unwrap());
    for [a, b] in [[5, 6], [11, 12]] {
        assert_eq!(after[a], [96.0 - before[b][0], before[b][1], before[b][2]]);
        assert_eq!(after[b], [96.0 - before[a][0], before[a][1], before[a][2]]);
    }
    assert_eq!(after[0], [0.0; 3]);
    assert_eq!(seen.captions, ["A person with two dogs."]);
    let (twice, pixels) = view.apply(&seen, &view.apply(&photo, &picture).1);
    assert_eq!(twice.things, photo.things);
    assert_eq!(pixels, picture);
}

#[test]
fn joints_outside_a_crop_are_not_labelled_any_more() {
    let (photo, picture) = (photo(), picture(96, 64));
    let view = View { crop: Some([40, 0, 56, 64]), ..View::whole() };
    let (seen, _) = view.apply(&photo, &picture);
    let person = seen.things.iter().find(|thing| thing.noun() == "person").unwrap();
    let joints = person.joints.unwrap();
    assert_eq!(joints[5], [0.0; 3]);
    assert_eq!(joints[6], [6.0, 24.0, 2.0]);
}

#[test]
fn scaling_keeps_shapes() {
    let (photo, picture) = (photo(), picture(96, 64));
    for longest in [48, 192] {
        let (seen, pixels) = View::whole().scaled_to(longest).apply(&photo, &picture);
        assert_eq!(pixels.dimensions(), (longest, longest * 2 / 3));
        let scale = longest as f32 / 96.0;
        for (thing, before) in seen.things.iter().zip(&photo.things) {
            let (after, before_px) = (thing.decoded().unwrap(), before.decoded().unwrap());
            let ratio = after.area() as f32 / before_px.area() as f32;
            assert!((ratio / (scale * scale) - 1.0).abs() < 0.06, "{ratio}");
            for (a, b) in thing.bbox.iter().zip(before.bbox) {
                assert!((a - b * scale).abs() < 1e-3);
            }
        }
    }
}

#[test]
fn drawn_views_are_sound_and_the_same_for_the_same_seed() {
    let (photo, picture) = (photo(), picture(96, 64));
    let mut zoomed = 0;
    for seed in 0..300 {
        let draw = || View::draw(&mut ChaCha8Rng::seed_from_u64(seed), &photo);
        let view = draw();
        assert_eq!(view, draw());
        let [x, y, w, h] = view.crop.unwrap();
        assert!(w > 0 && h > 0 && x + w <= 96 && y + h <= 64, "{:?}", view.crop);
        zoomed += u32::from(w * h * 5 < 96 * 64 * 2 - 400);
        let (seen, pixels) = view.apply(&photo, &picture);
        assert_eq!(pixels.dimensions(), (seen.width, seen.height));
    }
    assert!(zoomed > 5, "{zoomed}");
    assert_ne!(Colour::draw(&mut ChaCha8Rng::seed_from_u64(0)), Colour::NONE);
}

#[test]
fn what_is_pasted_covers_what_lies_below() {
    let (photo, before) = (photo(), picture(96, 64));
    let mut donor = photo.clone();
    donor.things.retain(|thing| thing.noun() == "person");
    let mut covered = 0;
    for seed in 0..60 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let (pasted, pixels) = paste((&photo, &before), &[(&donor, &before)], &mut rng);
        assert!(!pasted.complete && pasted.complete_for.is_empty() && pasted.captions.is_empty());
        assert_ne!(pixels, before);
        let masks: Vec<Mask> = pasted.things.iter().map(|t| t.decoded().unwrap()).collect();
        let new = masks.last().unwrap();
        let overlap = |mask: &Mask| {
            mask.pixels.iter().zip(&new.pixels).filter(|(a, b)| **a == 1 && **b == 1).count()
        };
        assert!(masks[..masks.len() - 1].iter().all(|mask| overlap(mask) == 0));
        for (thing, mask) in pasted.things.iter().zip(&masks) {
            let bounds = mask.bounds().unwrap().map(|v| v as f32);
            assert!(thing.kept >= 0.25 && thing.kept <= 1.0);
            assert!(thing.bbox.iter().zip(bounds).all(|(a, b)| (a - b).abs() < 1.0));
        }
        covered += pasted.things.iter().filter(|thing| thing.kept < 0.95).count();
        let hidden = |thing: &refvlm_data::Thing| {
            thing.joints.iter().flatten().filter(|joint| joint[2] == 1.0).count()
        };
        covered += pasted.things.iter().map(hidden).sum::<usize>();
    }
    assert!(covered > 20, "{covered}");
}
