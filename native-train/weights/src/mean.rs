//! The mean of two models that one training led to.
//!
//! Weights that go on from the same ones by different ways often lie in one valley of the loss: their
//! mean then keeps what each of both learned, and loses some of what the end of a run with a high
//! rate cost ("model soups", [arXiv 2203.05482](https://arxiv.org/abs/2203.05482)).

use crate::package::{begins, values_of};
use burn::tensor::TensorData;
use refvlm_model::package::by_name::load_by_name;
use refvlm_model::refvlm::RefVlm;
use std::collections::HashMap;
use thiserror::Error;

/// Why there is no mean.
#[derive(Debug, Error)]
pub enum MeanError {
    /// A parameter has two shapes.
    #[error(
        "{name} is {of:?} in one model and {other:?} in the other; they are not of one training, or \
         --mean-leave {name}"
    )]
    Shape {
        /// The parameter.
        name: String,
        /// Its shape in the model.
        of: Vec<usize>,
        /// In the other one.
        other: Vec<usize>,
    },
    /// The other model has a parameter too many.
    #[error("the other model has {0}, which this one lacks; they are not of one training")]
    Unknown(String),
}

/// A model whose parameters are the means of both models'. Those that only `model` has stay, and those
/// whose names begin with one of `leave`; they are returned by name. What is packed is unpacked.
///
/// # Errors
/// When the models do not fit together.
pub fn mean_of(
    model: RefVlm,
    other: &RefVlm,
    leave: &[String],
) -> Result<(RefVlm, Vec<String>), MeanError> {
    let (own, mut others) = (values_of(&model), values_of(other));
    let mut alone = Vec::new();
    let mut means = HashMap::new();
    for (name, data) in own {
        let Some(other) = others.remove(&name).filter(|_| !begins(&name, leave)) else {
            alone.push(name.clone());
            means.insert(name, data);
            continue;
        };
        if data.shape() != other.shape() {
            let (of, other) = (data.shape().to_vec(), other.shape().to_vec());
            return Err(MeanError::Shape { name, of, other });
        }
        let mean = data.iter::<f32>().zip(other.iter::<f32>()).map(|(a, b)| (a + b) / 2.0);
        means.insert(name, TensorData::new(mean.collect::<Vec<f32>>(), data.shape().clone()));
    }
    if let Some(name) = others.into_keys().min() {
        return Err(MeanError::Unknown(name));
    }
    alone.sort_unstable();
    Ok((load_by_name(model, &mut |name, _| means.remove(name)).0, alone))
}
