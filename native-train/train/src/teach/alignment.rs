//! Drawing the state at a `<REF>` towards the state that stands for a prompt on the same target.
//!
//! It tells the language model in one vector what the decoders understand.

use burn::tensor::{Int, Tensor, TensorData};
use refvlm_model::batch::Batch;
use refvlm_model::pointing::PointingBatch;

/// The mean of 1 - cosine between the state of each reference and the state that stands for a
/// prompt on the same target, which is not moved; none where no reference has such a prompt.
///
/// # Shapes
/// `hidden` `[rows, width]` are the last states of the batch, `states` `[prompts, width]` as
/// `RefVlm::pointing_states` gives them; returns `[1]`
pub fn alignment(
    batch: &Batch,
    hidden: Tensor<2>,
    pointing: &PointingBatch,
    states: Tensor<2>,
) -> Option<Tensor<1>> {
    let (mut at, mut of) = (Vec::new(), Vec::new());
    for refs in &batch.units {
        let places: Vec<i64> = refs.places.to_data().iter::<i64>().collect();
        let width = refs.places.dims()[1];
        for (picture, indices) in refs.indices.iter().enumerate() {
            for (k, &index) in indices.iter().enumerate() {
                let prompt = pointing.prompts.get(picture).and_then(|p| *p.get(index)?);
                if let Some(prompt) = prompt {
                    at.push(places[picture * width + k]);
                    of.push(prompt as i64);
                }
            }
        }
    }
    if at.is_empty() {
        return None;
    }
    let device = hidden.device();
    let rows = |x: Tensor<2>, index: Vec<i64>| {
        let index = TensorData::new(index.clone(), [index.len()]);
        x.select(0, Tensor::<1, Int>::from_data(index, &device))
    };
    let (a, b) = (rows(hidden, at), rows(states, of));
    let norm = |x: &Tensor<2>| (x.clone().square().sum_dim(1) + 1e-6).sqrt();
    let cosine = (a.clone() * b.clone()).sum_dim(1) / (norm(&a) * norm(&b));
    Some(-cosine.mean() + 1.0)
}
