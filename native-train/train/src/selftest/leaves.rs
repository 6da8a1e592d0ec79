//! Inputs of operations, the same numbers on every device.

use burn::tensor::{Device, Gradients, Tensor, TensorData};

/// The numbers of a tensor.
pub(super) fn host<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    x.into_data().iter::<f32>().collect()
}

/// Reads one gradient; zeros where there is none.
pub(super) type Read = Box<dyn Fn(&Gradients) -> Vec<f32>>;

/// Makes the inputs of an operation and finds their gradients.
pub(super) struct Leaves {
    /// Where they are made.
    pub device: Device,
    made: u64,
    /// Reads the gradients of all, in their order.
    pub read: Vec<Read>,
}

impl Leaves {
    pub fn new(device: &Device) -> Self {
        Self { device: device.clone(), made: 0, read: Vec::new() }
    }

    /// Numbers between -1 and 1, the same on every device; none near 0, where some operations have a
    /// bend.
    pub fn constant<const D: usize>(&mut self, shape: [usize; D]) -> Tensor<D> {
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
    pub fn leaf<const D: usize>(&mut self, shape: [usize; D]) -> Tensor<D> {
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
