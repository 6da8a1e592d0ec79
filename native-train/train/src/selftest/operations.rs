//! The operations that answering and training are made of, on small shapes with odd sizes.

use super::leaves::Leaves;
use burn::tensor::module::{conv2d, embedding, layer_norm, linear};
use burn::tensor::ops::ConvOptions;
use burn::tensor::{IndexingUpdateOp, Int, Tensor, TensorData, activation};
use refvlm_model::layers::{
    Activation, GroupNorm, RmsNorm, attend, merge_heads, resize_bilinear, resize_nearest,
    split_heads,
};

/// Makes its inputs and gives its results as one row.
pub(super) type Operation = fn(&mut Leaves) -> Tensor<1>;

fn flat<const D: usize>(x: Tensor<D>) -> Tensor<1> {
    let count = x.dims().iter().product::<usize>();
    x.reshape([count])
}

fn ids<const D: usize>(leaves: &Leaves, values: &[i64], shape: [usize; D]) -> Tensor<D, Int> {
    Tensor::from_data(TensorData::new(values.to_vec(), shape), &leaves.device)
}

/// The same with a function of one input.
macro_rules! of_one {
    ($shape:expr, $f:expr) => {
        |leaves| {
            let x = leaves.leaf($shape);
            #[allow(clippy::redundant_closure_call, reason = "the closure is the argument")]
            flat($f(x))
        }
    };
}

fn convolution(
    leaves: &mut Leaves,
    [d_in, d_out, kernel]: [usize; 3],
    [stride, padding, groups]: [usize; 3],
) -> Tensor<1> {
    let x = leaves.leaf([2, d_in, 13, 11]);
    let weight = leaves.leaf([d_out, d_in / groups, kernel, kernel]);
    let bias = leaves.leaf([d_out]);
    let options = ConvOptions::new([stride; 2], [padding; 2], [1; 2], groups);
    flat(conv2d(x, weight, Some(bias), options))
}

pub(super) const OPERATIONS: &[(&str, Operation)] = &[
    ("add, subtract, multiply", |l| {
        let (a, b, c) = (l.leaf([3, 5, 7]), l.leaf([1, 5, 1]), l.leaf([3, 1, 7]));
        flat((a.clone() + b.clone()) * c.clone() - a * b + c * 0.5 + 1.5)
    }),
    ("divide", |l| {
        let (a, b) = (l.leaf([4, 9]), l.leaf([4, 9]));
        flat(a / (b.square() + 0.5))
    }),
    ("matrix product", |l| {
        let (a, b) = (l.leaf([37, 65]), l.leaf([65, 33]));
        flat(a.matmul(b))
    }),
    ("matrix product, transposed", |l| {
        let (a, b) = (l.leaf([64, 128]), l.leaf([96, 128]));
        flat(a.matmul(b.transpose()))
    }),
    ("matrix product with a vector", |l| {
        let (a, b) = (l.leaf([1, 192]), l.leaf([192, 77]));
        flat(a.matmul(b))
    }),
    ("matrix products of a batch", |l| {
        let (a, b) = (l.leaf([2, 3, 17, 9]), l.leaf([2, 3, 9, 21]));
        flat(a.matmul(b))
    }),
    ("linear map", |l| {
        let (x, w, b) = (l.leaf([19, 48]), l.leaf([48, 31]), l.leaf([31]));
        flat(linear(x, w, Some(b)))
    }),
    ("sum", of_one!([5, 301], |x: Tensor<2>| x.clone().sum_dim(0).sum() + x.sum())),
    ("sum over an axis", of_one!([5, 7, 67], |x: Tensor<3>| x.clone().sum_dim(2) * x.sum_dim(1))),
    (
        "mean over an axis",
        of_one!([5, 7, 67], |x: Tensor<3>| x.clone().mean_dim(0) * x.mean_dim(2)),
    ),
    ("largest over an axis", of_one!([6, 41], |x: Tensor<2>| x.max_dim(1))),
    ("smallest over an axis", of_one!([6, 41], |x: Tensor<2>| x.min_dim(0))),
    ("larger and smaller of two", |l| {
        let (a, b) = (l.leaf([6, 17]), l.leaf([6, 17]));
        flat(a.clone().max_pair(b.clone()) * 2.0 + a.min_pair(b))
    }),
    ("absolute value", of_one!([6, 17], |x: Tensor<2>| x.abs())),
    ("limits", of_one!([6, 17], |x: Tensor<2>| x.clone().clamp(-0.5, 0.5) + x.clamp_min(0.1))),
    ("square and root", of_one!([6, 17], |x: Tensor<2>| (x.square() + 0.1).sqrt())),
    ("reciprocal", of_one!([6, 17], |x: Tensor<2>| (x.square() + 0.5).recip())),
    ("power", |l| {
        let (a, b) = (l.leaf([6, 17]), l.leaf([6, 17]));
        flat((a.abs() + 0.2).powf(b))
    }),
    ("exponential", of_one!([6, 17], |x: Tensor<2>| (x * 4.0).exp())),
    ("logarithm", of_one!([6, 17], |x: Tensor<2>| (x.abs() + 0.01).log())),
    ("sine and cosine", of_one!([6, 17], |x: Tensor<2>| (x.clone() * 9.0).sin() * (x * 5.0).cos())),
    ("hyperbolic tangent", of_one!([6, 17], |x: Tensor<2>| (x * 3.0).tanh())),
    ("sigmoid", of_one!([6, 17], |x: Tensor<2>| activation::sigmoid(x * 5.0))),
    ("logarithm of the sigmoid", of_one!([6, 17], |x: Tensor<2>| activation::log_sigmoid(x * 9.0))),
    ("ReLU", of_one!([6, 17], |x: Tensor<2>| Activation::Relu.forward(x))),
    ("GELU", of_one!([6, 17], |x: Tensor<2>| Activation::Gelu.forward(x * 3.0))),
    ("quick GELU", of_one!([6, 17], |x: Tensor<2>| Activation::QuickGelu.forward(x * 3.0))),
    ("SiLU", of_one!([6, 17], |x: Tensor<2>| Activation::Silu.forward(x * 3.0))),
    ("softmax", of_one!([3, 5, 67], |x: Tensor<3>| activation::softmax(x * 6.0, 2))),
    (
        "logarithm of the softmax",
        of_one!([9, 131], |x: Tensor<2>| activation::log_softmax(x * 6.0, 1)),
    ),
    ("cross-entropy", |l| {
        let scores = activation::log_softmax(l.leaf([5, 97]) * 6.0, 1);
        flat(-scores.gather(1, ids(l, &[3, 96, 0, 41, 41], [5, 1])))
    }),
    ("layer norm", |l| {
        let (x, w, b) = (l.leaf([7, 48]), l.leaf([48]), l.leaf([48]));
        flat(layer_norm(x, w, Some(b), 1e-5))
    }),
    ("RMS norm", |l| {
        let norm = RmsNorm::new(48, 1e-6, &l.device);
        flat(norm.forward(l.leaf([2, 7, 48])))
    }),
    ("group norm", |l| {
        let norm = GroupNorm::new(4, 16, &l.device);
        flat(norm.forward(l.leaf([2, 16, 7, 5])))
    }),
    ("rows by number", |l| {
        let table = l.leaf([23, 12]);
        flat(embedding(table, ids(l, &[0, 22, 7, 7, 3, 1], [2, 3])))
    }),
    ("select", |l| {
        let x = l.leaf([5, 11, 3]);
        flat(x.select(1, ids(l, &[10, 0, 4, 4], [4])))
    }),
    ("add to selected", |l| {
        let (x, more) = (l.leaf([11, 3]), l.leaf([4, 3]));
        flat(x.select_assign(0, ids(l, &[10, 0, 4, 7], [4]), more, IndexingUpdateOp::Add))
    }),
    ("gather", |l| {
        let x = l.leaf([3, 7]);
        flat(x.gather(1, ids(l, &[6, 0, 2, 2, 5, 1], [3, 2])))
    }),
    ("scatter", |l| {
        let (x, more) = (l.leaf([3, 7]), l.leaf([3, 2]));
        flat(x.scatter(1, ids(l, &[6, 0, 2, 3, 5, 1], [3, 2]), more, IndexingUpdateOp::Add))
    }),
    (
        "slice",
        of_one!([5, 9, 4], |x: Tensor<3>| x.clone().slice([1..4, 2..9])
            * x.narrow(0, 0, 3).narrow(1, 0, 7)),
    ),
    ("slice, written", |l| {
        let (x, part) = (l.leaf([5, 9]), l.leaf([2, 4]));
        flat(x.slice_assign([1..3, 5..9], part))
    }),
    ("side by side", |l| {
        let (a, b) = (l.leaf([3, 4]), l.leaf([3, 7]));
        let joined = Tensor::cat(vec![a.clone(), b, a], 1);
        flat(Tensor::stack::<3>(vec![joined.clone() * 2.0, joined], 0))
    }),
    (
        "axes in another order",
        of_one!([2, 3, 5, 7], |x: Tensor<4>| {
            x.permute([2, 0, 3, 1]).reshape([10, 21]).transpose().square()
        }),
    ),
    (
        "repeated",
        of_one!([1, 3, 1], |x: Tensor<3>| x.clone().expand([4, 3, 5]) * x.repeat_dim(0, 4)),
    ),
    (
        "heads of attention",
        of_one!([2, 5, 24], |x: Tensor<3>| merge_heads(split_heads(x, 4) * 2.0)),
    ),
    ("padded", of_one!([2, 3, 4, 5], |x: Tensor<4>| x.pad((1, 2, 0, 3), 0.0))),
    ("masked", |l| {
        let (x, y) = (l.leaf([5, 9]), l.leaf([5, 9]));
        let mask = l.constant([5, 9]).greater_elem(0.0);
        flat(x.clone().mask_fill(mask.clone(), -1.0) + x.mask_where(mask, y))
    }),
    ("sorted", of_one!([4, 33], |x: Tensor<2>| x.sort(1))),
    ("convolution 3x3", |l| convolution(l, [6, 8, 3], [1, 1, 1])),
    ("convolution 4x4 of patches", |l| convolution(l, [3, 16, 4], [4, 0, 1])),
    ("convolution 2x2, every second", |l| convolution(l, [8, 12, 2], [2, 0, 1])),
    ("convolution 7x7 of each channel", |l| convolution(l, [10, 10, 7], [1, 3, 10])),
    ("convolution 1x1", |l| convolution(l, [6, 9, 1], [1, 0, 1])),
    ("attention", |l| {
        let [q, k, v] = [[2, 4, 13, 8], [2, 4, 21, 8], [2, 4, 21, 8]].map(|shape| l.leaf(shape));
        let bias = l.leaf([2, 1, 13, 21]);
        flat(attend(q * 3.0, k * 3.0, v, Some(bias)))
    }),
    ("resized, bilinear", of_one!([2, 3, 7, 5], |x: Tensor<4>| resize_bilinear(x, [13, 12]))),
    ("resized, nearest", of_one!([2, 3, 7, 5], |x: Tensor<4>| resize_nearest(x, [14, 9]))),
];
