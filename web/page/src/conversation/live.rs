//! Live mode: while a prompt is dragged, only the newest of the waiting requests is served.

/// One request runs, at most one waits.
#[derive(Debug, Clone, PartialEq)]
pub struct Latest<T> {
    running: bool,
    waiting: Option<T>,
}

impl<T> Default for Latest<T> {
    fn default() -> Self {
        Self { running: false, waiting: None }
    }
}

impl<T> Latest<T> {
    /// Offers a request: it comes back when it can start now, else it takes the place of the one
    /// that waits.
    pub fn offer(&mut self, request: T) -> Option<T> {
        if self.running {
            self.waiting = Some(request);
            return None;
        }
        self.running = true;
        Some(request)
    }

    /// The running request is over: the one to start now, if one waits.
    pub fn over(&mut self) -> Option<T> {
        let next = self.waiting.take();
        self.running = next.is_some();
        next
    }

    /// Drops what waits; what runs is left to end.
    pub fn forget(&mut self) {
        self.waiting = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_fifty_fast_edits_the_first_and_the_last_run() {
        let mut latest = Latest::default();
        let mut run: Vec<u32> = (0..50).filter_map(|edit| latest.offer(edit)).collect();
        while let Some(next) = latest.over() {
            run.push(next);
        }
        assert_eq!(run, [0, 49]);
        assert_eq!(latest.offer(50), Some(50), "idle again");
    }

    #[test]
    fn what_waits_can_be_forgotten() {
        let mut latest = Latest::default();
        latest.offer(1);
        latest.offer(2);
        latest.forget();
        assert_eq!(latest.over(), None);
        assert_eq!(latest.offer(3), Some(3));
    }
}
