//! How much memory something holds.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// The system's allocator, counting what each thread holds:
/// `#[global_allocator] static ALLOCATOR: Counting = Counting;`.
pub struct Counting;

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
    static MOST: Cell<isize> = const { Cell::new(0) };
}

fn count(change: isize) {
    // A thread that is ending has no counters any more.
    let _ = HELD.try_with(|held| {
        held.set(held.get() + change);
        let _ = MOST.try_with(|most| most.set(most.get().max(held.get())));
    });
}

// SAFETY: every call is handed to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Old and new may both be held while the contents are copied.
        count(size as isize);
        count(-(layout.size() as isize));
        unsafe { System.realloc(pointer, layout, size) }
    }
}

/// What this thread held at once, and holds still, more than before; in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// At the worst moment.
    pub most: isize,
    /// In the end.
    pub left: isize,
}

impl Held {
    /// Runs something and says what it held; all zeros where [`Counting`] is not the allocator.
    pub fn by<T>(run: impl FnOnce() -> T) -> (T, Self) {
        let before = HELD.get();
        MOST.set(before);
        let result = run();
        (result, Self { most: MOST.get() - before, left: HELD.get() - before })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[global_allocator]
    static ALLOCATOR: Counting = Counting;

    #[test]
    fn what_is_held_and_what_is_left_is_counted() {
        let (kept, held) = Held::by(|| {
            drop(vec![1u8; 1 << 20]);
            vec![1u8; 1 << 10]
        });
        assert!(held.most >= 1 << 20, "{held:?}");
        assert_eq!(held.left, kept.len() as isize);
    }
}
