//! Attention without a matrix of all scores: keys come a block at a time, and what was summed is
//! rescaled when a larger score is met (online softmax).

use crate::exp::exp;
use crate::multiply::{Columns, Right};
use crate::threads::{parts, side_by_side};

/// Queries and keys that are scored at once.
const QUERIES: usize = 64;
const KEYS: usize = 256;

/// A bias at or below this hides a key.
const HIDDEN: f32 = -1e8;

/// Sizes of an attention.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heads {
    /// Batch times heads.
    pub count: usize,
    /// Queries of each.
    pub queries: usize,
    /// Keys of each.
    pub keys: usize,
    /// Keys that there is room for: from one head's first key to the next head's.
    pub room: usize,
    /// Numbers of a query, a key and a value.
    pub width: usize,
}

/// `softmax(q kᵀ * scale + bias) v`; `bias(head)` gives that of a head, `[queries, keys]`, where there
/// is one: 0 where attending is allowed, a large negative number elsewhere.
///
/// # Shapes
/// `q` `[count, queries, width]`, `k` and `v` `[count, room, width]` -> as `q`
///
/// # Panics
/// When a length does not agree with the sizes.
pub fn attention<'a>(
    heads: Heads,
    [q, k, v]: [&[f32]; 3],
    scale: f32,
    bias: impl Fn(usize) -> Option<&'a [f32]> + Sync,
) -> Vec<f32> {
    let Heads { count, queries, keys, room, width } = heads;
    let mut y = vec![0.0; count * queries * width];
    assert!(keys <= room && q.len() == y.len());
    assert!(k.len() == count * room * width && v.len() == k.len());
    if y.is_empty() || keys == 0 {
        return y;
    }
    // A part is some queries of a head.
    let tasks: Vec<(usize, usize, &mut [f32])> = y
        .chunks_mut(queries * width)
        .enumerate()
        .flat_map(|(head, y)| {
            y.chunks_mut(QUERIES * width).enumerate().map(move |(i, y)| (head, i * QUERIES, y))
        })
        .collect();
    let run = |(head, first, y): (usize, usize, &mut [f32])| {
        let q = &q[head * queries * width..][first * width..][..y.len()];
        let [k, v] = [k, v].map(|x| &x[head * room * width..][..keys * width]);
        let rows = y.len() / width;
        let bias = bias(head).map(|bias| &bias[first * keys..][..rows * keys]);
        some_queries(q, [k, v], width, scale, bias, y);
    };
    let threads = parts(2 * count * queries * keys * width).min(tasks.len());
    let mut groups: Vec<Vec<_>> = (0..threads.max(1)).map(|_| vec![]).collect();
    // In turn, since under a causal mask later queries see more keys.
    for (i, task) in tasks.into_iter().enumerate() {
        let group = i % groups.len();
        groups[group].push(task);
    }
    side_by_side(groups.into_iter(), |group| group.into_iter().for_each(&run));
    y
}

fn some_queries(
    q: &[f32],
    [k, v]: [&[f32]; 2],
    width: usize,
    scale: f32,
    bias: Option<&[f32]>,
    y: &mut [f32],
) {
    let (rows, keys) = (y.len() / width, k.len() / width);
    let mut scores = vec![0.0; rows * keys.min(KEYS)];
    let mut tops = vec![f32::NEG_INFINITY; rows];
    let mut sums = vec![0.0f32; rows];
    for first in (0..keys).step_by(KEYS) {
        let count = KEYS.min(keys - first);
        let part = |row: usize| bias.map(|bias| &bias[row * keys + first..][..count]);
        // A hidden key adds nothing once a row has seen one that is not.
        let hidden = |row: usize| {
            tops[row] > HIDDEN / 2.0
                && part(row).is_some_and(|bias| bias.iter().all(|&bias| bias <= HIDDEN))
        };
        if (0..rows).all(hidden) {
            continue;
        }
        let scores = &mut scores[..rows * count];
        let keys_here = Right::transposed(&k[first * width..][..count * width], width);
        // SAFETY: all of it is borrowed.
        unsafe { Columns::new(scores, rows, count).put(q, keys_here, 0..count, scale, false) };
        for (row, scores) in scores.chunks_exact_mut(count).enumerate() {
            let (old, bias) = (tops[row], part(row));
            let (top, sum) = weights(scores, bias, old);
            let kept = exp(old - top);
            (tops[row], sums[row]) = (top, sums[row] * kept + sum);
            if first > 0 && kept != 1.0 {
                y[row * width..][..width].iter_mut().for_each(|y| *y *= kept);
            }
        }
        let values = Right::plain(&v[first * width..][..count * width], width);
        // SAFETY: all of it is borrowed.
        unsafe { Columns::new(y, rows, width).put(scores, values, 0..width, 1.0, first > 0) };
    }
    for (y, sum) in y.chunks_exact_mut(width).zip(sums) {
        y.iter_mut().for_each(|y| *y /= sum);
    }
}

/// Adds the bias to scores and makes weights of them, relative to the largest one so far; returns
/// that one and the weights' sum.
fn weights(scores: &mut [f32], bias: Option<&[f32]>, top: f32) -> (f32, f32) {
    #[inline(always)]
    fn plain(scores: &mut [f32], bias: Option<&[f32]>, top: f32) -> (f32, f32) {
        if let Some(bias) = bias {
            scores.iter_mut().zip(bias).for_each(|(score, bias)| *score += bias);
        }
        // Lanes of their own, because the order of a sum and of NaN is not the compiler's to change.
        let mut tops = [top; 16];
        let (whole, rest) = scores.as_chunks::<16>();
        for scores in whole {
            for (top, &score) in tops.iter_mut().zip(scores) {
                *top = if score > *top { score } else { *top };
            }
        }
        let top = tops.iter().chain(rest).fold(top, |a, &b| if b > a { b } else { a });
        let mut sums = [0.0; 16];
        let (whole, rest) = scores.as_chunks_mut::<16>();
        for scores in whole {
            for (sum, score) in sums.iter_mut().zip(scores) {
                *score = exp(*score - top);
                *sum += *score;
            }
        }
        rest.iter_mut().for_each(|score| *score = exp(*score - top));
        (top, sums.iter().sum::<f32>() + rest.iter().sum::<f32>())
    }
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
        #[target_feature(enable = "avx2,fma")]
        fn wide(scores: &mut [f32], bias: Option<&[f32]>, top: f32) -> (f32, f32) {
            plain(scores, bias, top)
        }
        // SAFETY: the processor has the instructions.
        return unsafe { wide(scores, bias, top) };
    }
    plain(scores, bias, top)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(n: usize, k: usize) -> Vec<f32> {
        (0..n).map(|i| ((i * k) % 1009) as f32 / 200.0 - 2.5).collect()
    }

    fn plainly(heads: Heads, [q, k, v]: [&[f32]; 3], bias: Option<&[f32]>) -> Vec<f32> {
        let Heads { count, queries, keys, room, width } = heads;
        let mut y = vec![];
        for row in 0..count * queries {
            let head = row / queries;
            let q = &q[row * width..][..width];
            let row_of = |x: &[f32], key: usize| x[(head * room + key) * width..][..width].to_vec();
            let mut scores: Vec<f64> = (0..keys)
                .map(|key| {
                    let k = row_of(k, key);
                    let dot: f64 = q.iter().zip(k).map(|(q, k)| f64::from(q * k)).sum();
                    let bias = bias.map_or(0.0, |bias| bias[row % queries * keys + key]);
                    dot * 0.3 + f64::from(bias)
                })
                .collect();
            let top = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            scores.iter_mut().for_each(|score| *score = (*score - top).exp());
            let sum: f64 = scores.iter().sum();
            y.extend((0..width).map(|d| {
                let terms =
                    scores.iter().enumerate().map(|(key, w)| w * f64::from(row_of(v, key)[d]));
                (terms.sum::<f64>() / sum) as f32
            }));
        }
        y
    }

    #[test]
    fn blocks_of_keys_give_what_all_scores_give() {
        for (count, queries, keys, width) in
            [(1, 1, 1, 1), (2, 3, 7, 5), (3, 1, 300, 64), (1, 70, 519, 16), (2, 130, 257, 24)]
        {
            let room = keys + count % 3 * 5;
            let heads = Heads { count, queries, keys, room, width };
            let q = numbers(count * queries * width, 7919);
            let [k, v] = [613, 757].map(|n| numbers(count * room * width, n));
            // What comes behind a query is hidden; the first row of the last case sees nothing of
            // the first block, and another sees nothing at all.
            let mut causal = vec![0.0f32; queries * keys];
            for (row, bias) in causal.chunks_mut(keys).enumerate() {
                let seen = keys.saturating_sub(queries) + row + 1;
                bias[seen.min(keys)..].fill(-1e9);
            }
            let mut odd = causal.clone();
            odd[..keys.min(256)].fill(-1e9);
            for bias in [None, Some(&causal[..]), Some(&odd[..])] {
                let expected = plainly(heads, [&q, &k, &v], bias);
                let found = attention(heads, [&q, &k, &v], 0.3, |_| bias);
                let all = found.iter().zip(&expected).enumerate();
                for (i, (found, expected)) in all {
                    // Of a row that sees nothing the scores are lost beside the bias.
                    let blind = bias.is_some_and(|bias| {
                        let row = i / width % queries;
                        bias[row * keys..][..keys].iter().all(|&b| b < 0.0)
                    });
                    let off = (found - expected).abs();
                    assert!(found.is_finite() && (blind || off < 2e-5), "{heads:?} {i}: {off}");
                }
            }
        }
    }
}
