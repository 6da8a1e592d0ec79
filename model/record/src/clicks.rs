//! Several clicks on one thing: places that belong to it and places that don't.
//!
//! The model takes one prompt for a thing and knows no negative one. So clicks that belong to it
//! become one prompt ([`meant`]); about each that does not, the model is asked once more, and what it
//! finds there is taken out of the mask ([`take_out`]). The server answers annotation tools so, and
//! the evaluation of clicks measures it.

use crate::raster::{POINT_SHARE, Place, covers, fill_box, stroke};
use crate::{Mask, Prompt};

/// A mask of a negative click that covers more than this share of what was found is of the same
/// thing.
const SAME: f32 = 0.9;

/// The prompt of clicks that all belong to one thing: a point, or a line through them in their
/// order; none without a click.
pub fn meant(positive: &[Place]) -> Option<Prompt> {
    match positive {
        [] => None,
        [[x, y]] => Some(Prompt::Point { x: *x, y: *y }),
        points => Some(Prompt::Scribble { points: points.to_vec() }),
    }
}

/// Takes what lies at a click that does not belong to the thing out of its mask: `other`, what the
/// model finds there, unless that is the thing itself or holds a click that belongs to it; a disc
/// around the click in any case.
pub fn take_out(mask: &mut Mask, at: Place, other: Option<&Mask>, positive: &[Place]) {
    if let Some(other) = other {
        let shared: u32 =
            mask.pixels.iter().zip(&other.pixels).map(|(a, b)| u32::from(a & b)).sum();
        let same = shared as f32 > SAME * mask.area() as f32;
        if !same && !positive.iter().any(|at| covers(other, *at)) {
            let pixels = mask.pixels.iter_mut().zip(&other.pixels);
            pixels.for_each(|(pixel, other)| *pixel &= 1 - *other);
        }
    }
    cover(mask, &Prompt::Point { x: at[0], y: at[1] }, 0);
}

/// Sets the pixels that a prompt covers to `value`.
pub fn cover(region: &mut Mask, prompt: &Prompt, value: u8) {
    let radius = POINT_SHARE * region.width.max(region.height) as f32;
    match prompt {
        Prompt::Point { x, y } => stroke(region, &[[*x, *y]], radius, value),
        Prompt::Box { x, y, w, h } => fill_box(region, [*x, *y, *w, *h], value),
        Prompt::Scribble { points } => stroke(region, points, radius, value),
        Prompt::Mask { mask } => {
            // Whoever gives a prompt has checked it against the picture.
            let Ok(mask) = mask.to_mask() else { return };
            let pixels = region.pixels.iter_mut().zip(&mask.pixels);
            pixels.filter(|(_, set)| **set == 1).for_each(|(pixel, _)| *pixel = value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boxed(rect: [f32; 4]) -> Mask {
        let mut mask = Mask::zeros(100, 60);
        fill_box(&mut mask, rect, 1);
        mask
    }

    #[test]
    fn what_lies_at_a_negative_click_goes_unless_it_is_the_thing_itself() {
        let after = |other: Option<Mask>, at| {
            let mut mask = boxed([10.0, 10.0, 40.0, 40.0]);
            take_out(&mut mask, at, other.as_ref(), &[[15.0, 15.0]]);
            mask
        };
        let part = after(Some(boxed([30.0, 0.0, 60.0, 60.0])), [60.0, 30.0]);
        assert_eq!(part.bounds(), Some([10, 10, 20, 40]));
        for same in [Some(boxed([9.0, 9.0, 43.0, 43.0])), None] {
            let left = after(same, [40.0, 40.0]).area();
            assert!((1560..1600).contains(&left), "a disc of 2 px: {left}");
        }
        let with_the_click = after(Some(boxed([0.0, 0.0, 20.0, 20.0])), [12.0, 12.0]);
        assert!(with_the_click.area() > 1560);
    }

    #[test]
    fn clicks_on_one_thing_are_one_prompt() {
        assert_eq!(meant(&[]), None);
        assert_eq!(meant(&[[1.0, 2.0]]), Some(Prompt::Point { x: 1.0, y: 2.0 }));
        let points = vec![[1.0, 2.0], [3.0, 4.0]];
        assert_eq!(meant(&points), Some(Prompt::Scribble { points }));
    }
}
