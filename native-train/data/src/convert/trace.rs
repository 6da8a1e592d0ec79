//! The border of a mask as one polygon along the edges of its pixels, which gives the same mask
//! back: parts and holes are joined by lines that are walked there and back.

use refvlm_record::Mask;
use std::collections::BTreeMap;

type Corner = [i32; 2];

/// The polygon's corners in px; empty for an empty mask. Filled by the even-odd rule.
pub(super) fn polygon(mask: &Mask) -> Vec<Corner> {
    let mut joined: Vec<Corner> = Vec::new();
    for around in loops(mask) {
        let (Some(&home), Some(&[x, y])) = (joined.first(), around.first()) else {
            joined = around;
            continue;
        };
        // Along the axes, so that no bridge passes through the middle of a pixel.
        let bend = [x, home[1]];
        joined.extend([home, bend]);
        joined.extend(&around);
        joined.extend([[x, y], bend, home]);
    }
    joined
}

/// Closed lines around parts and holes, corners only.
fn loops(mask: &Mask) -> Vec<Vec<Corner>> {
    let mut edges = edges(mask);
    let mut loops = Vec::new();
    while let Some((&start, _)) = edges.first_key_value() {
        let (mut at, mut line) = (start, Vec::<Corner>::new());
        while let Some(next) = step(&mut edges, at) {
            match line.as_slice() {
                // Straight on: the corner between is none.
                [.., a, b]
                    if (a[0] == b[0] && b[0] == at[0]) || (a[1] == b[1] && b[1] == at[1]) =>
                {
                    line.pop();
                }
                _ => {}
            }
            line.push(at);
            at = next;
        }
        loops.push(line);
    }
    loops
}

fn step(edges: &mut BTreeMap<Corner, Vec<Corner>>, at: Corner) -> Option<Corner> {
    let ends = edges.get_mut(&at)?;
    let next = ends.pop();
    if ends.is_empty() {
        edges.remove(&at);
    }
    next
}

/// Edges between set and unset pixels, by the corner where they begin; the set one is on the right.
fn edges(mask: &Mask) -> BTreeMap<Corner, Vec<Corner>> {
    let (width, height) = (mask.width as i32, mask.height as i32);
    let set = |x: i32, y: i32| {
        (0..width).contains(&x)
            && (0..height).contains(&y)
            && mask.pixels.get((y * width + x) as usize).is_some_and(|&pixel| pixel != 0)
    };
    let mut edges: BTreeMap<Corner, Vec<Corner>> = BTreeMap::new();
    let mut add = |from: Corner, to: Corner| edges.entry(from).or_default().push(to);
    for y in 0..height {
        for x in (0..width).filter(|&x| set(x, y)) {
            if !set(x, y - 1) {
                add([x, y], [x + 1, y]);
            }
            if !set(x + 1, y) {
                add([x + 1, y], [x + 1, y + 1]);
            }
            if !set(x, y + 1) {
                add([x + 1, y + 1], [x, y + 1]);
            }
            if !set(x - 1, y) {
                add([x, y + 1], [x, y]);
            }
        }
    }
    edges
}
