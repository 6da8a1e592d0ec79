//! Whether a device computes what the CPU computes: each operation of the answering and the training
//! path, forward and backward, then whole training steps.

mod leaves;
mod operations;
mod row;
mod step;

pub use row::{Row, difference, worse};
pub use step::steps;

use burn::tensor::Device;
use leaves::{Leaves, host};
use operations::OPERATIONS;

/// Largest difference of an operation, as a share of its largest number: 1000 times what one rounding
/// to 32 bits makes, which sums of a few hundred numbers in another order stay far below, and a tenth
/// of what matrix products in 16 or 19 bits (TF32) make.
const LIMIT: f64 = 1e-4;

/// Compares the operations of two devices. `on_reference` runs what the reference computes, such as
/// on other threads.
pub fn operations(
    device: &Device,
    reference: &Device,
    on_reference: impl Fn(&mut (dyn FnMut() + Send)),
) -> Vec<Row> {
    let row = |(name, operation): &(&str, operations::Operation)| {
        let mut expected = None;
        on_reference(&mut || expected = Some(Outcome::of(*operation, reference)));
        let found = Outcome::of(*operation, device);
        let expected = expected.unwrap_or_default();
        let forward = [
            difference(&expected.plain, &found.plain),
            difference(&expected.plain, &found.learning),
        ];
        Row {
            name: (*name).into(),
            forward: worse(forward),
            backward: Some(difference(&expected.gradients, &found.gradients)),
            limit: LIMIT,
        }
    };
    OPERATIONS.iter().map(row).collect()
}

/// What an operation gives on a device.
#[derive(Default)]
struct Outcome {
    /// As answers are computed.
    plain: Vec<f32>,
    /// As training computes them.
    learning: Vec<f32>,
    gradients: Vec<f32>,
}

impl Outcome {
    fn of(operation: operations::Operation, device: &Device) -> Self {
        let plain = host(operation(&mut Leaves::new(&device.clone().inner())));
        let mut leaves = Leaves::new(&device.clone().autodiff());
        let y = operation(&mut leaves);
        let learning = host(y.clone().inner());
        // Weights that differ, so that a gradient in the wrong place shows.
        let weights = leaves.constant(y.dims());
        let gradients = (y * weights).sum().backward();
        let gradients = leaves.read.iter().flat_map(|read| read(&gradients)).collect();
        Self { plain, learning, gradients }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_agrees_with_itself() {
        let device = Device::flex();
        let rows = operations(&device, &device, |compute| compute());
        for row in &rows {
            assert!(row.is_fine() && row.backward == Some(0.0), "{row:?}");
        }
        assert!(rows.len() > 40, "{}", rows.len());
    }

    #[test]
    fn what_differs_is_not_fine() {
        assert_eq!(difference(&[1.0, -2.0], &[1.0, -2.5]), 0.25);
        let row = |forward, backward| Row { name: "a".into(), forward, backward, limit: LIMIT };
        assert!(row(1e-5, None).is_fine() && row(0.0, Some(1e-5)).is_fine());
        assert!(!row(1e-2, None).is_fine() && !row(0.0, Some(1e-2)).is_fine());
        assert!(!row(difference(&[1.0], &[f32::NAN]), None).is_fine());
        assert!(!row(difference(&[1.0], &[]), None).is_fine());
    }
}
