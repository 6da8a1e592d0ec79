//! Cutting a map into square windows and putting it together again.

use burn::tensor::Tensor;

/// Windows of a map, which is padded with zeros below and to the right until they fit.
///
/// # Shapes
/// `[batch, h, w, c] -> [batch * windows, side, side, c]`, raster order
pub(super) fn cut(x: Tensor<4>, side: usize) -> Tensor<4> {
    let [b, h, w, c] = x.dims();
    let (rows, columns) = (h.div_ceil(side), w.div_ceil(side));
    pad(pad(x, 1, rows * side), 2, columns * side)
        .reshape([b, rows, side, columns, side, c])
        .permute([0, 1, 3, 2, 4, 5])
        .reshape([b * rows * columns, side, side, c])
}

/// The inverse of [`cut`]: the map of `size`, padding dropped.
///
/// # Shapes
/// `[batch * windows, side, side, c] -> [batch, h, w, c]`
pub(super) fn join(windows: Tensor<4>, [h, w]: [usize; 2]) -> Tensor<4> {
    let [count, side, _, c] = windows.dims();
    let (rows, columns) = (h.div_ceil(side), w.div_ceil(side));
    windows
        .reshape([count / (rows * columns), rows, columns, side, side, c])
        .permute([0, 1, 3, 2, 4, 5])
        .reshape([count / (rows * columns), rows * side, columns * side, c])
        .narrow(1, 0, h)
        .narrow(2, 0, w)
}

/// Zeros behind, up to `length` along an axis.
fn pad(x: Tensor<4>, axis: usize, length: usize) -> Tensor<4> {
    let mut shape = x.dims();
    if shape[axis] == length {
        return x;
    }
    shape[axis] = length - shape[axis];
    let zeros = Tensor::<4>::zeros(shape, (&x.device(), x.dtype()));
    Tensor::cat(vec![x, zeros], axis)
}
