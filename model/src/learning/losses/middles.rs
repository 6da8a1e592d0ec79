//! The loss of things that are found by a noun.

use super::boxes::giou;
use super::targets::tensor;
use crate::decoding::Middles;
use burn::tensor::{Int, Tensor, TensorData, activation};

/// Spread of the bell around a middle, as a share of the thing's sides, and its least in cells.
const SPREAD: f32 = 0.12;
const LEAST_SPREAD: f32 = 0.6;
/// Cells from which on the bell is that high learn the box, too.
const BOXED: f32 = 0.5;

/// The two terms of the loss.
#[derive(Debug, Clone)]
pub struct MiddleLoss {
    /// The focal loss of CenterNet's heat maps over all cells, by the number of things, `[1]`.
    pub middles: Tensor<1>,
    /// 1 - generalised IoU of the boxes in cells near a middle, by how near they are, `[1]`.
    pub boxes: Tensor<1>,
}

/// `things[i]` are the boxes of noun `i`: centre and size in the unit square.
pub fn middle_loss(found: &Middles, things: &[Vec<[f32; 4]>]) -> MiddleLoss {
    let [nouns, h, w] = found.logits.dims();
    let (cells, device) = (h * w, found.logits.device());
    let mut bell = vec![0.0f32; nouns * cells];
    let mut middle = vec![0.0f32; nouns * cells];
    let mut owner = vec![[0.0f32; 4]; nouns * cells];
    let mut count = 0;
    for (noun, things) in things.iter().enumerate().take(nouns) {
        for thing in things {
            let &[x, y, width, height] = thing;
            let (x, y) = (x * w as f32 - 0.5, y * h as f32 - 0.5);
            let at = |v: f32, length: usize| v.round().clamp(0.0, (length - 1) as f32) as usize;
            let spread =
                |side: f32, length: usize| (side * length as f32 * SPREAD).max(LEAST_SPREAD);
            let (sx, sy) = (spread(width, w), spread(height, h));
            let centre = noun * cells + at(y, h) * w + at(x, w);
            for cell in 0..cells {
                let (dx, dy) = ((cell % w) as f32 - x, (cell / w) as f32 - y);
                let value = (-((dx / sx).powi(2) + (dy / sy).powi(2)) / 2.0).exp();
                let place = noun * cells + cell;
                if value > bell[place] {
                    (bell[place], owner[place]) = (value, *thing);
                }
            }
            (bell[centre], middle[centre], owner[centre]) = (1.0, 1.0, *thing);
            count += 1;
        }
    }
    let near: Vec<usize> = (0..bell.len()).filter(|&place| bell[place] >= BOXED).collect();
    let logits = found.logits.clone().reshape([nouns, cells]);
    let probability = activation::sigmoid(logits.clone());
    let weight: Vec<f32> =
        bell.iter().zip(&middle).map(|(b, m)| (1.0 - m) * (1.0 - b).powi(4)).collect();
    let (weight, middle) =
        (tensor(weight, [nouns, cells], &device), tensor(middle, [nouns, cells], &device));
    let there = (-probability.clone() + 1.0).square() * activation::log_sigmoid(logits.clone());
    let absent = probability.square() * activation::log_sigmoid(-logits);
    let middles = -(there * middle + absent * weight).sum() / f64::from(count.max(1));
    if near.is_empty() {
        return MiddleLoss { middles, boxes: found.boxes.clone().sum() * 0.0 };
    }
    let shares: Vec<f32> = near.iter().map(|&place| bell[place]).collect();
    let total: f32 = shares.iter().sum();
    let targets: Vec<f32> = near.iter().flat_map(|&place| owner[place]).collect();
    let index: Vec<i64> = near.iter().map(|&place| place as i64).collect();
    let index = Tensor::<1, Int>::from_data(TensorData::new(index, [near.len()]), &device);
    let boxes = found.boxes.clone().reshape([nouns * cells, 4]).select(0, index);
    let overlap = giou(boxes, tensor(targets, [near.len(), 4], &device)).giou;
    let lost = (-overlap + 1.0) * tensor(shares, [near.len()], &device);
    MiddleLoss { middles, boxes: lost.sum() / f64::from(total) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    fn loss(logits: [f32; 16], bbox: [f32; 4], things: &[[f32; 4]]) -> [f32; 2] {
        let device = Device::flex();
        let found = Middles {
            logits: tensor(logits.to_vec(), [1, 4, 4], &device),
            boxes: tensor(bbox.repeat(16), [1, 16, 4], &device),
        };
        let loss = middle_loss(&found, &[things.to_vec()]);
        [loss.middles, loss.boxes].map(|term| term.into_scalar::<f32>())
    }

    #[test]
    fn the_loss_is_least_where_the_thing_is() {
        let thing = [0.375, 0.625, 0.25, 0.25];
        let at = |cell: usize| {
            let mut logits = [-8.0f32; 16];
            logits[cell] = 8.0;
            loss(logits, thing, &[thing])
        };
        // Column 1, row 2 of 4.
        let [right, boxes] = at(9);
        assert!(right < 0.01 && boxes.abs() < 1e-5, "{right} {boxes}");
        assert!(at(0)[0] > 5.0);
        // Where the noun names nothing, every peak is wrong and no box is learned.
        let [none, boxes] = loss([-8.0; 16], thing, &[]);
        assert!(none < 1e-3 && boxes == 0.0);
        assert!(loss([8.0; 16], thing, &[])[0] > 50.0);
        // A box that misses costs more than one that does not.
        assert!(loss([0.0; 16], [0.9, 0.1, 0.1, 0.1], &[thing])[1] > 1.0);
    }
}
