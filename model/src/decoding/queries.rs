//! Which reference belongs to which triplet, and what follows for the queries of a decoder.

use super::config::QueryMask;
use crate::layers::Embedding;
use burn::tensor::{Device, Int, Tensor, TensorData};

/// Added to an attention score that must not count: `exp` of it is 0 in f32, and it fits f16.
const MASKED: f32 = -1e4;

/// The triplets of each picture of a batch.
///
/// The references of a picture stand at the front of its row, triplet after triplet; what follows
/// is padding.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QueryLayout {
    groups: Vec<Vec<usize>>,
}

impl QueryLayout {
    /// From the number of references of each triplet, for each picture.
    pub fn new(groups: Vec<Vec<usize>>) -> Self {
        Self { groups }
    }

    /// References of picture `row`.
    pub fn row_count(&self, row: usize) -> usize {
        self.groups.get(row).map_or(0, |sizes| sizes.iter().sum())
    }

    /// References of the whole batch.
    pub fn count(&self) -> usize {
        (0..self.groups.len()).map(|row| self.row_count(row)).sum()
    }

    /// References of the picture that has most: the least width of the reference states.
    pub fn width(&self) -> usize {
        (0..self.groups.len()).map(|row| self.row_count(row)).max().unwrap_or(0)
    }

    /// Sizes of all triplets, picture after picture.
    pub fn group_sizes(&self) -> Vec<usize> {
        self.groups.iter().flatten().copied().collect()
    }

    /// The picture of each reference, in the order of [`QueryLayout::select`].
    pub fn pictures(&self) -> Vec<usize> {
        (0..self.groups.len()).flat_map(|row| vec![row; self.row_count(row)]).collect()
    }

    /// At most `limit(row)` references of each picture; triplets are cut from the end.
    pub fn limited(&self, limit: impl Fn(usize) -> usize) -> Self {
        let cut = |(row, sizes): (usize, &Vec<usize>)| {
            let mut left = limit(row);
            let keep = |&size: &usize| {
                let kept = size.min(left);
                left -= kept;
                kept
            };
            sizes.iter().map(keep).filter(|&size| size > 0).collect()
        };
        Self { groups: self.groups.iter().enumerate().map(cut).collect() }
    }

    /// The rows of real references.
    ///
    /// # Shapes
    /// `[batch, width, ...] -> [count, ...]`, one axis less, with `width` at least
    /// [`QueryLayout::width`]
    pub fn select<const D: usize, const R: usize>(&self, x: Tensor<D>) -> Tensor<R> {
        let rows = self.rows(x.dims()[1], &x.device());
        x.flatten::<R>(0, 1).select(0, rows)
    }

    /// Where real references stand among all places, `[count]`.
    pub(super) fn rows(&self, width: usize, device: &Device) -> Tensor<1, Int> {
        let of_picture = |row| (0..self.row_count(row)).map(move |i| (row * width + i) as i64);
        let rows: Vec<i64> = (0..self.groups.len()).flat_map(of_picture).collect();
        let shape = [rows.len()];
        Tensor::from_data(TensorData::new(rows, shape), device)
    }

    /// Triplet number and place inside it for each of `width` places of picture `row`; none for
    /// padding.
    fn places(&self, row: usize, width: usize) -> Vec<Option<(usize, usize)>> {
        let sizes = self.groups.get(row).map_or(&[][..], Vec::as_slice);
        let of_group = |(group, &size): (usize, &usize)| (0..size).map(move |i| Some((group, i)));
        let mut places: Vec<_> = sizes.iter().enumerate().flat_map(of_group).collect();
        places.resize(width, None);
        places
    }
}

/// The queries of a transformer decoder.
#[derive(Debug, Clone)]
pub struct Queries {
    /// `[batch, queries, d_model]`
    pub states: Tensor<3>,
    /// Added wherever states are compared, `[batch or 1, queries, d_model]`.
    pub positions: Tensor<3>,
    /// Added to the self-attention scores, `[batch, 1, queries, queries]`.
    pub bias: Option<Tensor<4>>,
}

impl QueryMask {
    /// The list of projected references at the length the decoder works with.
    ///
    /// # Shapes
    /// `[batch, refs, d_model] -> [batch, queries, d_model]`: `queries` is `num_queries` with
    /// [`QueryMask::Reference`] (a longer list is cut, a shorter one gets zero rows), else `refs`
    pub(crate) fn fit(self, states: Tensor<3>, num_queries: usize) -> Tensor<3> {
        let [batch, refs, d_model] = states.dims();
        match self {
            QueryMask::Group => states,
            QueryMask::Reference if refs > num_queries => states.narrow(1, 0, num_queries),
            QueryMask::Reference if refs < num_queries => {
                let zeros = Tensor::zeros([batch, num_queries - refs, d_model], &states.device());
                Tensor::cat(vec![states, zeros], 1)
            }
            QueryMask::Reference => states,
        }
    }

    /// Adds positions and mask to states whose references take `slots` consecutive queries each.
    ///
    /// # Shapes
    /// `states` `[batch, refs * slots, d_model]`, `positions` of `num_queries * slots` rows
    pub(crate) fn queries(
        self,
        states: Tensor<3>,
        positions: &Embedding,
        layout: &QueryLayout,
        slots: usize,
    ) -> Queries {
        let device = states.device();
        let [batch, queries, _] = states.dims();
        let refs = queries / slots;
        let positions = match self {
            QueryMask::Reference => positions.weight.val().unsqueeze(),
            QueryMask::Group => {
                let last = positions.weight.dims()[0] / slots - 1;
                let ids = (0..batch)
                    .flat_map(|row| layout.places(row, refs))
                    .map(|place| place.map_or(0, |(_, index)| index.min(last)))
                    .flat_map(|index| (0..slots).map(move |slot| (index * slots + slot) as i64))
                    .collect::<Vec<i64>>();
                let ids = TensorData::new(ids, [batch, queries]);
                positions.forward(Tensor::<2, Int>::from_data(ids, &device))
            }
        };
        let bias = match self {
            QueryMask::Reference => None,
            QueryMask::Group => group_bias(layout, [batch, refs, slots], &device),
        };
        Queries { states, positions, bias }
    }
}

/// Scores between queries of different triplets are masked; padding sees itself, so that its
/// softmax stays defined. None where nothing is masked.
fn group_bias(
    layout: &QueryLayout,
    [batch, refs, slots]: [usize; 3],
    device: &Device,
) -> Option<Tensor<4>> {
    let queries = refs * slots;
    let mut bias = Vec::with_capacity(batch * queries * queries);
    for row in 0..batch {
        let groups: Vec<Option<usize>> = layout
            .places(row, refs)
            .into_iter()
            .map(|place| place.map(|(group, _)| group))
            .collect();
        for i in 0..queries {
            let at = groups[i / slots];
            let seen =
                |j: usize| (at.is_some() && groups[j / slots] == at) || j / slots == i / slots;
            bias.extend((0..queries).map(|j| if seen(j) { 0.0 } else { MASKED }));
        }
    }
    let masks = bias.iter().any(|&b| b != 0.0);
    let shape = [batch, 1, queries, queries];
    masks.then(|| Tensor::from_data(TensorData::new(bias, shape), device))
}
