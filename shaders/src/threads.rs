//! Large work on several threads.

/// Products of weights and inputs from which a second thread gains more than it takes to wake.
const LARGE: usize = 1 << 20;

/// Parts in which to compute so many products.
pub(crate) fn parts(products: usize) -> usize {
    if products < LARGE { 1 } else { threads() }
}

#[cfg(feature = "threads")]
fn threads() -> usize {
    rayon::current_num_threads().max(1)
}

#[cfg(not(feature = "threads"))]
fn threads() -> usize {
    1
}

/// Runs each part, on threads where there are several.
#[cfg(feature = "threads")]
pub(crate) fn side_by_side<T: Send>(
    parts: impl ExactSizeIterator<Item = T> + Send,
    run: impl Fn(T) + Sync + Send,
) {
    if parts.len() == 1 {
        return parts.for_each(run);
    }
    let run = &run;
    rayon::scope(|scope| {
        for part in parts {
            scope.spawn(move |_| run(part));
        }
    });
}

#[cfg(not(feature = "threads"))]
pub(crate) fn side_by_side<T>(parts: impl ExactSizeIterator<Item = T>, run: impl Fn(T)) {
    parts.for_each(run);
}
