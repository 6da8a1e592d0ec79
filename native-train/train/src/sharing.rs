//! What a rank shares with the other ranks of a run.
//!
//! The batch of a step has as many parts as the configuration says, and ranks share them out: what
//! is learned does not depend on the number of ranks. Gradients are summed; each trained parameter
//! has one rank as its owner, which alone gets the sum, keeps the optimiser's state and changes the
//! weights; then all get the new weights (ZeRO, stage 1). That sends as many bytes as summing the
//! gradients everywhere.

pub(crate) mod values;

use super::error::RunError;
use super::optim::scale_gradients;
use super::parallel::{Learned, Step};
use super::task::Part;
use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use refvlm_collective::{Collective, RankError, in_pairs};
use std::collections::HashMap;
use std::ops::Range;

/// Loss, wish to stop, pictures, tokens.
pub(crate) const HEAD: usize = 4;

/// The parameters of a module among the ranks of a run.
pub(crate) struct Sharing<'a> {
    ranks: &'a dyn Collective,
    parts: usize,
    /// Trained parameters by their id.
    trained: HashMap<ParamId, Trained>,
    /// Where each rank's own parameters begin among the values of all, and the end.
    cuts: Vec<usize>,
}

/// A trained parameter.
struct Trained {
    /// Its number among all, in the order of the module.
    index: usize,
    /// Its owner.
    owner: usize,
    /// Its values among those of all, sorted by owner.
    values: Range<usize>,
}

impl<'a> Sharing<'a> {
    /// Gives every trained parameter an owner, so that all own about as much.
    ///
    /// # Errors
    /// When there are fewer parts than ranks.
    pub(crate) fn new<M: Module>(
        ranks: &'a dyn Collective,
        parts: usize,
        module: &M,
    ) -> Result<Self, RunError> {
        struct List(Vec<(ParamId, usize)>);
        impl ModuleVisitor for List {
            fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
                if param.is_require_grad() {
                    self.0.push((param.id, param.lazy_shape().num_elements()));
                }
            }
        }
        let size = ranks.size();
        if parts < size {
            return Err(RunError::Parts { parts, ranks: size });
        }
        let mut list = List(Vec::new());
        module.visit(&mut list);
        let lengths: Vec<usize> = list.0.iter().map(|(_, len)| *len).collect();
        let owners = owners(&lengths, size);
        let (mut trained, mut cuts, mut end) = (HashMap::new(), vec![0], 0);
        for rank in 0..size {
            for (index, &(id, len)) in list.0.iter().enumerate() {
                if owners[index] == rank {
                    let values = end..end + len;
                    end = values.end;
                    trained.insert(id, Trained { index, owner: rank, values });
                }
            }
            cuts.push(end);
        }
        Ok(Self { ranks, parts, trained, cuts })
    }

    /// The parts of each batch that this rank computes.
    pub(crate) fn parts(&self) -> impl Iterator<Item = Part> + use<> {
        let (rank, size, of) = (self.ranks.rank(), self.ranks.size(), self.parts);
        (rank * of / size..(rank + 1) * of / size).map(move |index| Part { index, of })
    }

    /// Whether this rank keeps the optimiser's state of a parameter.
    pub(crate) fn owns(&self, id: ParamId) -> bool {
        self.trained.get(&id).is_none_or(|trained| trained.owner == self.ranks.rank())
    }

    /// Sums what the ranks learned. Returns the mean gradients of this rank's own parameters, clipped
    /// by their norm over all parameters, which is the same to the bit on all ranks. A parameter without a gradient on any rank keeps
    /// none. `stop` says that this rank was asked to. A norm that is not finite leaves the
    /// gradients as they are: the caller skips the step.
    ///
    /// # Errors
    /// When a rank is lost.
    pub(crate) fn step<M: Module>(
        &self,
        module: &M,
        learned: Learned,
        clip_norm: f64,
        stop: bool,
    ) -> Result<(GradientsParams, Step), RankError> {
        let Learned { gradients, totals, logged } = learned;
        // What every rank adds to: the head, then for each parameter whether it has a gradient, and
        // then the square of its norm.
        let count = self.trained.len();
        let mut known = vec![0f32; HEAD + 2 * count];
        let seen = |i: usize| logged.iter().map(|logged| logged.seen[i] as f32).sum();
        (known[1], known[2], known[3]) = (f32::from(u8::from(stop)), seen(0), seen(1));
        let mut own = self.own(module, gradients, &mut known[HEAD..HEAD + count])?;
        if self.parts > 1 {
            scale_gradients(module, &mut own, 1.0 / self.parts as f64);
        }
        let (indices, squares): (Vec<_>, Vec<_>) = self.squares(module, &own).into_iter().unzip();
        // The only read of a step from the device.
        let read = Tensor::cat([vec![totals], squares].concat(), 0)
            .into_data()
            .iter::<f32>()
            .collect::<Vec<_>>();
        let (totals, squares) = read.split_at(read.len() - indices.len());
        known[0] = in_pairs(totals.to_vec(), |a, b| a + b).unwrap_or(f32::NAN);
        for (index, square) in indices.into_iter().zip(squares) {
            known[HEAD + count + index] = *square;
        }
        self.ranks.all_reduce_sum(known.as_mut_slice().into())?;

        let (head, rest) = known.split_at(HEAD);
        let (found, squares) = rest.split_at(count);
        let norm = squares.iter().map(|&square| f64::from(square)).sum::<f64>().sqrt();
        let mut gradients = self.found(module, own, found);
        if norm.is_finite() && norm > clip_norm {
            scale_gradients(module, &mut gradients, clip_norm / norm);
        }
        let step = Step {
            total: f64::from(head[0]) / self.parts as f64,
            norm,
            seen: [head[2] as usize, head[3] as usize],
            logged,
            stopping: head[1] > 0.0,
        };
        Ok((gradients, step))
    }

    /// The square of the norm of each gradient there is, `[1]`, with the parameter's number.
    fn squares<M: Module>(
        &self,
        module: &M,
        gradients: &GradientsParams,
    ) -> Vec<(usize, Tensor<1>)> {
        struct Squares<'a> {
            trained: &'a HashMap<ParamId, Trained>,
            gradients: &'a GradientsParams,
            found: Vec<(usize, Tensor<1>)>,
        }
        impl ModuleVisitor for Squares<'_> {
            fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
                let Some(trained) = self.trained.get(&param.id) else { return };
                if let Some(gradient) = self.gradients.get::<D>(param.id) {
                    self.found.push((trained.index, gradient.square().sum()));
                }
            }
        }
        let mut squares = Squares { trained: &self.trained, gradients, found: Vec::new() };
        module.visit(&mut squares);
        squares.found
    }
}

/// Which of `size` ranks owns each thing: the largest first, each to the rank that has least.
pub(crate) fn owners(lengths: &[usize], size: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..lengths.len()).collect();
    order.sort_by_key(|&index| std::cmp::Reverse(lengths[index]));
    let (mut owners, mut loads) = (vec![0; lengths.len()], vec![0; size]);
    for index in order {
        let least = (0..size).min_by_key(|&rank| loads[rank]).unwrap_or(0);
        loads[least] += lengths[index];
        owners[index] = least;
    }
    owners
}
