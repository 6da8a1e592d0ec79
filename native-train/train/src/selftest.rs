//! Whether a device computes what the CPU computes: each operation of the answering and the training
//! path, forward and backward, then whole training steps.

mod operations;
mod step;

pub use step::steps;

use burn::tensor::{Device, Gradients, Tensor, TensorData};
use operations::OPERATIONS;

/// Largest difference of an operation, as a share of its largest number: 1000 times what one rounding
/// to 32 bits makes, which sums of a few hundred numbers in another order stay far below, and a tenth
/// of what matrix products in 16 or 19 bits (TF32) make.
const LIMIT: f64 = 1e-4;

/// How far a device is from the CPU in one respect.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// What was computed.
    pub name: String,
    /// The largest difference of the results, as a share of the largest number: of what answers
    /// compute, and of what training computes, which on the CPU are other loops.
    pub forward: f64,
    /// The same of the gradients, where there are some.
    pub backward: Option<f64>,
    /// What both may be.
    pub limit: f64,
}

impl Row {
    /// Whether the device may be used for it; a difference that is no number may not.
    pub fn is_fine(&self) -> bool {
        self.forward <= self.limit && self.backward.is_none_or(|x| x <= self.limit)
    }
}

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

/// The larger one; what is no number is the largest.
pub fn worse(differences: impl IntoIterator<Item = f64>) -> f64 {
    differences
        .into_iter()
        .fold(0.0, |a, b| if a.is_nan() || b.is_nan() { f64::NAN } else { a.max(b) })
}

/// The largest difference as a share of the largest expected number.
pub fn difference(expected: &[f32], found: &[f32]) -> f64 {
    if expected.len() != found.len() || expected.is_empty() {
        return f64::NAN;
    }
    let largest = expected.iter().fold(0f64, |most, x| most.max(f64::from(x.abs())));
    let differences =
        expected.iter().zip(found).map(|(a, b)| (f64::from(*a) - f64::from(*b)).abs());
    worse(differences) / largest.max(1e-12)
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

fn host<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    x.into_data().iter::<f32>().collect()
}

/// Reads one gradient; zeros where there is none.
type Read = Box<dyn Fn(&Gradients) -> Vec<f32>>;

/// Makes the inputs of an operation and finds their gradients.
struct Leaves {
    device: Device,
    made: u64,
    read: Vec<Read>,
}

impl Leaves {
    fn new(device: &Device) -> Self {
        Self { device: device.clone(), made: 0, read: Vec::new() }
    }

    /// Numbers between -1 and 1, the same on every device; none near 0, where some operations have a
    /// bend.
    fn constant<const D: usize>(&mut self, shape: [usize; D]) -> Tensor<D> {
        self.made += 1;
        let mut state = self.made.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let count = shape.iter().product();
        let value = |_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let share = (state >> 40) as f32 / (1u64 << 24) as f32;
            let size = 0.02 + 0.96 * share;
            if state >> 39 & 1 == 0 { size } else { -size }
        };
        let values: Vec<f32> = (0..count).map(value).collect();
        Tensor::from_data(TensorData::new(values, shape), &self.device)
    }

    /// An input whose gradient is compared.
    fn leaf<const D: usize>(&mut self, shape: [usize; D]) -> Tensor<D> {
        let x = self.constant(shape);
        if !self.device.is_autodiff() {
            return x;
        }
        let x = x.require_grad();
        let kept = x.clone();
        let count = shape.iter().product();
        let read = move |gradients: &Gradients| kept.grad(gradients).map_or(vec![0.0; count], host);
        self.read.push(Box::new(read));
        x
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
