//! Packed linear maps and tables against dense ones with the dequantised weights.

use burn::module::{Module, Param};
use burn::tensor::{Device, Distribution, Int, Tensor, TensorData};
use refvlm_model::layers::{Embedding, Linear, PackedWeight};
use refvlm_model::package::Quantisation;
use refvlm_tests::{close, packaged};

/// The packed product rounds its input to 16 bits.
const ROUNDED: f32 = 2e-4;

fn floats<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    x.into_data().try_to_vec().unwrap()
}

fn random<const D: usize>(shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::random(shape, Distribution::Normal(0.0, 1.0), device)
}

#[test]
fn packed_maps_equal_dequantised_ones() {
    let device = Device::flex();
    for quantisation in [Quantisation::Q8, Quantisation::Q4] {
        for (width, out, bias) in [
            (32, 64, true),
            (64, 97, false),
            (416, 71, true),
            (96, 130, true),
            (33, 64, true),
            (88, 528, false),
            (1000, 65, true),
        ] {
            let fresh = || Linear::new(width, out, bias, &device);
            let packed = packaged(&fresh(), fresh(), quantisation);
            assert!(packed.weight.reparameterization::<PackedWeight>().is_some());
            assert_eq!(packed.num_params(), fresh().num_params());
            let mut dense = packed.clone();
            dense.weight = Param::from_tensor(packed.weight.val());
            for (batch, length) in [(1, 1), (2, 3), (1, 9)] {
                let x = random([batch, length, width], &device);
                let y = packed.forward(x.clone());
                assert_eq!(y.dims(), [batch, length, out]);
                close(&floats(y), &floats(dense.forward(x)), ROUNDED).unwrap();
            }
            // A view that is not contiguous.
            let x = random([width, 5], &device);
            let y = packed.forward(x.clone().transpose());
            close(&floats(y), &floats(dense.forward(x.transpose())), ROUNDED).unwrap();
        }
    }
}

#[test]
fn packed_tables_equal_dequantised_ones() {
    let device = Device::flex();
    for quantisation in [Quantisation::Q8, Quantisation::Q4] {
        for width in [64, 88] {
            let fresh = || Embedding::new(70, width, 1.0, &device);
            let packed = packaged(&fresh(), fresh(), quantisation);
            assert!(packed.weight.reparameterization::<PackedWeight>().is_some());
            let dense = Embedding { weight: Param::from_tensor(packed.weight.val()) };
            let ids = TensorData::new(vec![0i64, 69, 7, 7, 31, 2], [2, 3]);
            let ids = Tensor::<2, Int>::from_data(ids, &device);
            assert_eq!(floats(packed.forward(ids.clone())), floats(dense.forward(ids)));
            let x = random([1, 4, width], &device);
            let (y, dense) = (floats(packed.project(x.clone())), floats(dense.project(x)));
            close(&y, &dense, ROUNDED).unwrap();
        }
    }
}

#[test]
fn rows_shorter_than_a_block_and_small_heads_stay_dense() {
    let device = Device::flex();
    for (width, out) in [(31, 64), (64, 63)] {
        let fresh = || Linear::new(width, out, true, &device);
        let loaded = packaged(&fresh(), fresh(), Quantisation::Q4);
        assert!(loaded.weight.reparameterization::<PackedWeight>().is_none());
    }
}

#[test]
fn gradients_flow_through_a_packed_map() {
    let device = Device::flex().autodiff();
    for width in [32, 40] {
        let fresh = || Linear::new(width, 64, true, &device);
        let packed = packaged(&fresh(), fresh(), Quantisation::Q8);
        assert!(packed.weight.reparameterization::<PackedWeight>().is_some());
        let x = random([2, width], &device).require_grad();
        let gradients = packed.forward(x.clone()).sum().backward();
        let expected = packed.weight.val().sum_dim(0).repeat_dim(0, 2);
        close(&floats(x.grad(&gradients).unwrap()), &floats(expected), 1e-5).unwrap();
    }
}

#[test]
fn weights_of_another_dtype_are_cast_to_that_of_the_input() {
    use burn::tensor::DType;
    let device = Device::flex();
    let full = Linear::new(32, 5, true, &device);
    let x = random([3, 32], &device);
    let expected = floats(full.forward(x.clone()));
    for (dtype, tolerance) in [(DType::F16, 2e-3), (DType::BF16, 2e-2)] {
        let cast = |p: &Param<Tensor<2>>| Param::from_tensor(p.val().cast(dtype));
        let mut stored = full.clone();
        stored.weight = cast(&full.weight);
        let y = stored.forward(x.clone());
        assert_eq!(y.dtype(), DType::F32);
        close(&floats(y), &expected, tolerance).unwrap();
    }
}
