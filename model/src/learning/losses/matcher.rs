//! The group Hungarian matcher.

/// Assigns to each prediction a target of its own triplet so that the sum of the costs is least.
///
/// `sizes` are the triplets' sizes, `cost(prediction, target)` is asked inside triplets of at
/// least two only, with indices over the whole batch. The answer holds the target of each
/// prediction. A triplet with a cost that is not finite keeps its order: the loss then shows the
/// fault, the matcher must not hide it.
pub fn match_groups(sizes: &[usize], cost: impl Fn(usize, usize) -> f64) -> Vec<usize> {
    let mut targets = Vec::with_capacity(sizes.iter().sum());
    for &size in sizes {
        let start = targets.len();
        let block: Vec<f64> = if size < 2 {
            Vec::new()
        } else {
            (0..size * size).map(|at| cost(start + at / size, start + at % size)).collect()
        };
        let solved = if block.is_empty() || block.iter().any(|c| !c.is_finite()) {
            None
        } else {
            lsap::solve(size, size, &block, false).ok()
        };
        let mut order: Vec<usize> = (0..size).collect();
        if let Some((rows, columns)) = solved {
            for (row, column) in rows.into_iter().zip(columns) {
                if let Some(target) = order.get_mut(row) {
                    *target = column;
                }
            }
        }
        targets.extend(order.into_iter().map(|target| start + target));
    }
    targets
}
