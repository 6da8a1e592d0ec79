//! Whose turn it is at a device's stream of random numbers.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// To be held while a device is seeded and weights are drawn. Some devices share one stream of random
/// numbers among all threads, and what another draws between a seed and its weights would change
/// them. Dropout holds it by itself.
pub fn drawing() -> MutexGuard<'static, ()> {
    static DRAWING: Mutex<()> = Mutex::new(());
    DRAWING.lock().unwrap_or_else(PoisonError::into_inner)
}
