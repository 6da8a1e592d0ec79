//! Gradients and weights as values in the memory of the host, sorted by owner.

use super::{Sharing, Trained};
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::optim::GradientsParams;
use burn::tensor::{Tensor, TensorData};
use refvlm_collective::RankError;
use std::collections::HashMap;
use std::ops::Range;

/// Most values of each rank that go over the wire together: 4 MB, so that what is received needs
/// little memory beside the values themselves.
pub(crate) const BUCKET: usize = 1 << 20;

impl Sharing<'_> {
    /// The sums over all ranks of the gradients of this rank's own parameters; zeros where no rank
    /// has one. `given` gets a 1 for each parameter that this rank has a gradient of.
    pub(super) fn own<M: Module>(
        &self,
        module: &M,
        mut gradients: GradientsParams,
        given: &mut [f32],
    ) -> Result<GradientsParams, RankError> {
        let alone = self.ranks.size() == 1;
        let mut values = vec![0.0; if alone { 0 } else { self.end() }];
        module.visit(&mut Take {
            sharing: self,
            gradients: &mut gradients,
            given,
            values: &mut values,
        });
        if alone {
            return Ok(gradients);
        }
        let rank = self.ranks.rank();
        for ranges in self.buckets() {
            let (mut bucket, cuts) = collected(&values, &ranges);
            self.ranks.reduce_scatter_sum(bucket.as_mut_slice().into(), &cuts)?;
            let sums = &bucket[cuts[rank]..cuts[rank + 1]];
            values[ranges[rank].clone()].copy_from_slice(sums);
        }
        let mut own = Put { sharing: self, values: &values, gradients };
        module.visit(&mut own);
        Ok(own.gradients)
    }

    /// Those of this rank's gradients that some rank had: `counts` says how many ranks.
    pub(super) fn found<M: Module>(
        &self,
        module: &M,
        mut gradients: GradientsParams,
        counts: &[f32],
    ) -> GradientsParams {
        struct Drop<'a>(&'a HashMap<ParamId, Trained>, &'a mut GradientsParams, &'a [f32]);
        impl ModuleVisitor for Drop<'_> {
            fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
                if self.0.get(&param.id).is_some_and(|trained| self.2[trained.index] == 0.0) {
                    self.1.remove::<D>(param.id);
                }
            }
        }
        module.visit(&mut Drop(&self.trained, &mut gradients, counts));
        gradients
    }

    /// Gives every rank the weights that their owners have changed.
    ///
    /// # Errors
    /// When a rank is lost.
    pub(crate) fn spread<M: Module>(&self, module: M) -> Result<M, RankError> {
        if self.ranks.size() == 1 {
            return Ok(module);
        }
        let mut values = vec![0.0; self.end()];
        module.visit(&mut Read { sharing: self, values: &mut values });
        for ranges in self.buckets() {
            let (mut bucket, cuts) = collected(&values, &ranges);
            self.ranks.all_gather(bucket.as_mut_slice().into(), &cuts)?;
            for (range, cut) in ranges.into_iter().zip(cuts.windows(2)) {
                values[range].copy_from_slice(&bucket[cut[0]..cut[1]]);
            }
        }
        Ok(module.map(&mut Write { sharing: self, values: &values }))
    }

    /// How many values there are.
    fn end(&self) -> usize {
        self.cuts.last().copied().unwrap_or(0)
    }

    /// What goes over the wire together: some of each rank's own values.
    fn buckets(&self) -> impl Iterator<Item = Vec<Range<usize>>> {
        let longest = self.cuts.windows(2).map(|cut| cut[1] - cut[0]).max().unwrap_or(0);
        (0..longest.div_ceil(BUCKET)).map(|bucket| {
            let of = |cut: &[usize]| {
                let at = |n: usize| (cut[0] + n * BUCKET).min(cut[1]);
                at(bucket)..at(bucket + 1)
            };
            self.cuts.windows(2).map(of).collect()
        })
    }
}

/// The values of some ranges, and where they lie now.
fn collected(values: &[f32], ranges: &[Range<usize>]) -> (Vec<f32>, Vec<usize>) {
    let (mut bucket, mut cuts) = (Vec::new(), vec![0]);
    for range in ranges {
        bucket.extend_from_slice(&values[range.clone()]);
        cuts.push(bucket.len());
    }
    (bucket, cuts)
}

/// Marks which gradients there are, and moves them to the host where there is room for them.
struct Take<'a> {
    sharing: &'a Sharing<'a>,
    gradients: &'a mut GradientsParams,
    given: &'a mut [f32],
    values: &'a mut [f32],
}

impl ModuleVisitor for Take<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Some(Trained { index, values, .. }) = self.sharing.trained.get(&param.id) else {
            return;
        };
        let room = self.values.get_mut(values.clone());
        self.given[*index] = match (self.gradients.get::<D>(param.id), room) {
            (Some(gradient), Some(room)) => {
                self.gradients.remove::<D>(param.id);
                copy(gradient, room);
                1.0
            }
            (Some(_), None) => 1.0,
            (None, _) => 0.0,
        };
    }
}

fn copy<const D: usize>(tensor: Tensor<D>, room: &mut [f32]) {
    for (value, to) in tensor.into_data().iter::<f32>().zip(room) {
        *to = value;
    }
}

/// Makes gradients of values.
struct Put<'a> {
    sharing: &'a Sharing<'a>,
    values: &'a [f32],
    gradients: GradientsParams,
}

impl ModuleVisitor for Put<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Some(trained) = self.sharing.trained.get(&param.id) else { return };
        if trained.owner == self.sharing.ranks.rank() {
            let weight = param.val().inner();
            let values = self.values[trained.values.clone()].to_vec();
            let data = TensorData::new(values, weight.dims());
            self.gradients.register(param.id, Tensor::<D>::from_data(data, &weight.device()));
        }
    }
}

/// Reads this rank's own weights.
struct Read<'a> {
    sharing: &'a Sharing<'a>,
    values: &'a mut [f32],
}

impl ModuleVisitor for Read<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Some(trained) = self.sharing.trained.get(&param.id) else { return };
        if trained.owner == self.sharing.ranks.rank() {
            copy(param.val().inner(), &mut self.values[trained.values.clone()]);
        }
    }
}

/// Puts the weights of other ranks in place.
struct Write<'a> {
    sharing: &'a Sharing<'a>,
    values: &'a [f32],
}

impl ModuleMapper for Write<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let others = self.sharing.trained.get(&param.id);
        let Some(trained) = others.filter(|t| t.owner != self.sharing.ranks.rank()) else {
            return param;
        };
        let data =
            TensorData::new(self.values[trained.values.clone()].to_vec(), param.val().dims());
        param.map(|old| Tensor::from_data(data, &old.device()).require_grad())
    }
}
