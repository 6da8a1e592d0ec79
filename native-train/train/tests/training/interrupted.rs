//! A task that asks for a stop while it runs, as Ctrl-C does.

use burn::tensor::Device;
use refvlm_train::{Losses, Part, Score, Task};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Raises `stop` when it has computed some parts, where there is such a number.
pub struct Interrupted<'a, T> {
    task: &'a T,
    stop: &'a AtomicBool,
    after: Option<usize>,
    parts: AtomicUsize,
}

impl<'a, T> Interrupted<'a, T> {
    pub fn new(task: &'a T, stop: &'a AtomicBool, after: Option<usize>) -> Self {
        Self { task, stop, after, parts: AtomicUsize::new(0) }
    }
}

impl<T: Task> Task for Interrupted<'_, T> {
    type Module = T::Module;
    type Item = T::Item;

    fn item(&self, step: usize, part: Part) -> Result<T::Item, String> {
        self.task.item(step, part)
    }

    fn loss(&self, module: &T::Module, item: T::Item, device: &Device) -> Result<Losses, String> {
        if Some(self.parts.fetch_add(1, Ordering::Relaxed) + 1) == self.after {
            self.stop.store(true, Ordering::Relaxed);
        }
        self.task.loss(module, item, device)
    }

    fn score(&self, module: &T::Module, device: &Device) -> Result<Vec<Score>, String> {
        self.task.score(module, device)
    }
}
