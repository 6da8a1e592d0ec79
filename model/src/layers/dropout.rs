//! Dropout.

use super::drawing::drawing;
use burn::tensor::{Distribution, Tensor};

/// Drops this share of the values, on a training device only. Not burn's module: its training flag is
/// a parameter, and a checkpoint has no such key.
pub fn dropout<const D: usize>(x: Tensor<D>, share: f64) -> Tensor<D> {
    if share == 0.0 || !x.device().is_autodiff() {
        return x;
    }
    let kept = {
        let _alone = drawing();
        x.random_like(Distribution::Bernoulli(1.0 - share))
    };
    x * kept / (1.0 - share)
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;
    use std::sync::mpsc::channel;
    use std::time::Duration;

    #[test]
    fn dropout_draws_nothing_while_weights_are_drawn() {
        let x = Tensor::<1>::ones([64], &Device::flex().autodiff());
        let (done, waits) = channel();
        let alone = drawing();
        let beside = std::thread::spawn(move || {
            let kept = dropout(x, 0.5).into_data();
            done.send(kept.iter::<f32>().collect::<Vec<_>>())
        });
        assert!(waits.recv_timeout(Duration::from_millis(100)).is_err(), "it drew beside us");
        drop(alone);
        let kept = waits.recv().unwrap();
        assert!(kept.iter().all(|&v| v == 0.0 || v == 2.0), "{kept:?}");
        beside.join().unwrap().unwrap();
    }
}
