//! The loss of joints that are found on maps.

use super::targets::{LossConfig, PoseTarget, tensor};
use super::unit_loss::UnitLoss;
use burn::tensor::{Tensor, activation};

/// The cross-entropy between where each joint may be, a softmax over the cells, and where it is:
/// the four cells around it, so that their mean is its place. The mean over labelled joints inside
/// the square.
///
/// # Shapes
/// `logits` `[people, joints, h, w]`, one body for each person; none where nothing is learned
pub fn joint_map_loss(
    logits: Tensor<4>,
    bodies: &[Option<&PoseTarget>],
    config: &LossConfig,
) -> UnitLoss {
    let [people, joints, h, w] = logits.dims();
    let device = logits.device();
    let cells = h * w;
    let mut truth = vec![0.0f32; people * joints * cells];
    let mut labelled = 0;
    let rows = truth.chunks_exact_mut(joints * cells);
    for (body, rows) in bodies.iter().zip(rows) {
        let points = body.iter().flat_map(|body| &body.keypoints);
        for (&[x, y, v], row) in points.zip(rows.chunks_exact_mut(cells)) {
            let inside = (0.0..1.0).contains(&x) && (0.0..1.0).contains(&y);
            if v <= 0.0 || !inside {
                continue;
            }
            labelled += 1;
            for (row_at, share_y) in around(y, h) {
                for (column, share_x) in around(x, w) {
                    row[row_at * w + column] += share_x * share_y;
                }
            }
        }
    }
    let truth = tensor(truth, [people * joints, cells], &device);
    let logits = activation::log_softmax(logits.reshape([people * joints, cells]), 1);
    let cross = -(logits * truth).sum() / f64::from(labelled.max(1));
    let terms = [("maps", config.joint_map_loss_coefficient, cross)];
    UnitLoss::sum(terms, (0..bodies.len()).collect(), &device)
}

/// The two cells whose centres lie around a place in the unit range, and their shares; beyond the
/// outermost centres the outermost cell alone.
fn around(at: f32, cells: usize) -> [(usize, f32); 2] {
    let centre = (at * cells as f32 - 0.5).clamp(0.0, (cells - 1) as f32);
    let before = centre.floor() as usize;
    let share = centre - before as f32;
    [(before, 1.0 - share), ((before + 1).min(cells - 1), share)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, TensorData};

    #[test]
    fn the_loss_is_least_where_the_joint_is() {
        let body = PoseTarget {
            bbox: [0.5, 0.5, 1.0, 1.0],
            keypoints: vec![[0.375, 0.625, 2.0], [0.1, 0.1, 0.0], [1.4, 0.5, 2.0]],
        };
        let loss = |peak: [usize; 2]| {
            let mut values = vec![0.0f32; 2 * 3 * 16];
            values[peak[1] * 4 + peak[0]] = 5.0;
            let logits =
                Tensor::<4>::from_data(TensorData::new(values, [2, 3, 4, 4]), &Device::flex());
            joint_map_loss(logits, &[Some(&body), None], &LossConfig::default())
                .total
                .into_scalar::<f32>()
        };
        // Column 1, row 2 of 4: the others are unlabelled or outside.
        let expected = (15.0 + 5f32.exp()).ln() - 5.0;
        assert!((loss([1, 2]) - expected).abs() < 1e-4);
        assert!((loss([0, 0]) - (15.0 + 5f32.exp()).ln()).abs() < 1e-4);
        assert_eq!(around(0.5, 4), [(1, 0.5), (2, 0.5)]);
        assert_eq!(around(0.0, 4), [(0, 1.0), (1, 0.0)]);
    }
}
