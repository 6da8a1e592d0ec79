//! Numbers for the tests.

/// Normal numbers, the same in every run.
pub struct Numbers(pub u64);

impl Numbers {
    /// Uniform in 0..1.
    pub fn uniform(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 40) as f32 / (1u64 << 24) as f32
    }

    /// `n` of them with a standard deviation.
    pub fn normal(&mut self, n: usize, std: f32) -> Vec<f32> {
        let one =
            |a: f32, b: f32| (-2.0 * (a + 1e-7).ln()).sqrt() * (std::f32::consts::TAU * b).cos();
        (0..n).map(|_| std * one(self.uniform(), self.uniform())).collect()
    }
}
