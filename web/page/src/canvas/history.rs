//! Undo and redo.

/// Earlier states that are kept.
const MOST: usize = 200;

/// A value with its past and its undone future.
#[derive(Debug, Clone, Default)]
pub struct History<T> {
    past: Vec<T>,
    now: T,
    future: Vec<T>,
}

impl<T: Clone + PartialEq> History<T> {
    /// The present.
    pub fn now(&self) -> &T {
        &self.now
    }

    /// Makes `next` the present; the old one can be had back. Without a change nothing happens.
    pub fn push(&mut self, next: T) {
        if next == self.now {
            return;
        }
        self.past.push(std::mem::replace(&mut self.now, next));
        if self.past.len() > MOST {
            self.past.remove(0);
        }
        self.future.clear();
    }

    /// Replaces the present without a step to undo, as for a selection.
    pub fn replace(&mut self, now: T) {
        self.now = now;
    }

    /// Forgets everything and starts from `now`.
    pub fn reset(&mut self, now: T) {
        *self = Self { past: Vec::new(), now, future: Vec::new() };
    }

    /// Goes back a step; false at the first step.
    pub fn undo(&mut self) -> bool {
        let Some(before) = self.past.pop() else { return false };
        self.future.push(std::mem::replace(&mut self.now, before));
        true
    }

    /// Takes an undo back; false when nothing was undone.
    pub fn redo(&mut self) -> bool {
        let Some(after) = self.future.pop() else { return false };
        self.past.push(std::mem::replace(&mut self.now, after));
        true
    }

    /// Whether there is something to go back to.
    pub fn can_undo(&self) -> bool {
        !self.past.is_empty()
    }

    /// Whether there is something to take back.
    pub fn can_redo(&self) -> bool {
        !self.future.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn back_and_forth() {
        let mut history = History::<u32>::default();
        history.push(1);
        history.push(2);
        history.push(2);
        assert!(history.undo() && history.undo() && !history.undo());
        assert_eq!(*history.now(), 0);
        assert!(history.redo());
        assert_eq!(*history.now(), 1);
        history.push(7);
        assert!(!history.can_redo(), "a new branch forgets the old one");
        assert!(history.undo() && history.can_redo());
        assert_eq!(*history.now(), 1);
    }

    #[test]
    fn the_past_is_bounded_and_a_replacement_is_no_step() {
        let mut history = History::<usize>::default();
        for k in 1..=MOST + 50 {
            history.push(k);
        }
        history.replace(9999);
        let mut steps = 0;
        while history.undo() {
            steps += 1;
        }
        assert_eq!(steps, MOST);
        assert_eq!(*history.now(), 50);
        history.reset(3);
        assert!(!history.can_undo() && !history.can_redo());
    }
}
