//! Drawing the state at a `<REF>` towards the state that stands for a prompt on the same target.
//!
//! It tells the language model in one vector what the decoders understand.

use burn::tensor::{Int, Tensor, TensorData};
use refvlm_model::learning::batch::Batch;
use refvlm_model::learning::pointing::PointingBatch;

/// The mean of 1 - cosine between the state of each reference and the state that stands for a
/// prompt on the same target, which is not moved; none where no reference has such a prompt.
///
/// # Shapes
/// `hidden` `[rows, width]` are the last states of the batch, `states` `[prompts, width]` as
/// `RefVlm::pointing` gives them; returns `[1]`
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

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;
    use refvlm_model::decoding::QueryLayout;
    use refvlm_model::learning::batch::{Pictures, UnitRefs, UnitTargets};
    use refvlm_model::vision::Pyramid;

    fn rows(values: &[[f32; 2]], device: &Device) -> Tensor<2> {
        let flat = values.iter().flatten().copied().collect();
        Tensor::from_data(TensorData::new(flat, [values.len(), 2]), device)
    }

    /// Two pictures. In the first, the references at rows 3 and 1 are of targets 1 and 0; in the
    /// second, that at row 2 is of target 2.
    fn batch(device: &Device) -> Batch {
        let ids = || Tensor::<1, Int>::zeros([1], device);
        let places = Tensor::<2, Int>::from_data([[3, 1], [2, 0]], device);
        let refs = UnitRefs {
            layout: QueryLayout::new(vec![vec![2], vec![1]]),
            places,
            targets: UnitTargets::Boxes(vec![vec![[0.5; 4]; 2], vec![[0.5; 4]]]),
            indices: vec![vec![1, 0], vec![2]],
            prompts: vec![Vec::new(); 3],
            concepts: vec![Vec::new(); 3],
        };
        Batch {
            pictures: Pictures::Maps(Pyramid { maps: Vec::new() }),
            renaming: None,
            trunk_ids: [ids().reshape([1, 1]), ids().reshape([1, 1])],
            sample: ids(),
            ids: ids().reshape([1, 1]),
            buckets: Vec::new(),
            prompts: None,
            supervised: ids(),
            labels: ids(),
            units: vec![refs],
            tokens: 4,
        }
    }

    fn pointing(prompts: Vec<Vec<Option<usize>>>, device: &Device) -> PointingBatch {
        PointingBatch {
            regions: Tensor::zeros([2, 1, 1], device),
            sample: vec![0, 1],
            maps: None,
            units: Vec::new(),
            prompts,
        }
    }

    #[test]
    fn a_reference_is_drawn_to_the_prompt_on_its_own_target() {
        let device = Device::flex();
        let hidden = rows(&[[9.0, 9.0], [1.0, 0.0], [0.0, 2.0], [3.0, 4.0]], &device);
        let states = rows(&[[1.0, 0.0], [0.0, -1.0]], &device);
        let loss = |prompts: Vec<Vec<Option<usize>>>| {
            let pointing = pointing(prompts, &device);
            alignment(&batch(&device), hidden.clone(), &pointing, states.clone())
                .map(|loss| loss.into_scalar::<f32>())
        };
        // Row 3 (3, 4) against (1, 0): cosine 0.6. Target 0 has no prompt. Row 2 (0, 2) against
        // (0, -1): cosine -1.
        let both = loss(vec![vec![None, Some(0)], vec![None, None, Some(1)]]).unwrap();
        assert!((both - (1.0 - (0.6 - 1.0) / 2.0)).abs() < 1e-5, "{both}");
        let one = loss(vec![vec![None, Some(0)], vec![None; 3]]).unwrap();
        assert!((one - 0.4).abs() < 1e-5, "{one}");
        assert_eq!(loss(vec![vec![None; 2], Vec::new()]), None);
    }
}
