//! Questions that wait for a worker.
//!
//! Looking at a picture costs more than answering, so a worker would rather answer about the one
//! that it looked at last, and leaves a question to a worker without work that knows its picture.
//! Nothing is passed over more than [`MOST_PASSED`] times for that.

use crate::failure::Failure;
use refvlm_model::event::Event;
use refvlm_record::Ask;
use sha2::{Digest, Sha256};
use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::mpsc::UnboundedSender;

/// How often a question may be passed over for one about a picture that was just looked at.
const MOST_PASSED: usize = 4;

/// An encoded picture and what it is known by.
#[derive(Debug, Clone)]
pub struct Photo {
    /// PNG, JPEG, WebP or GIF.
    pub bytes: std::sync::Arc<[u8]>,
    /// Equal for equal bytes.
    pub key: [u8; 32],
}

impl Photo {
    /// A picture by its bytes.
    pub fn new(bytes: Vec<u8>) -> Self {
        let key = Sha256::digest(&bytes).into();
        Self { bytes: bytes.into(), key }
    }
}

/// What a worker says of a question.
#[derive(Debug)]
pub enum Said {
    /// The picture's columns and rows, and the question as it is asked; always the first.
    Begun {
        /// `[width, height]` in px.
        size: [u32; 2],
        /// The question.
        ask: Box<Ask>,
    },
    /// A step of the answer.
    Event(Event),
    /// The end, without an answer.
    Failed(Failure),
}

/// Makes the question once the picture's `[width, height]` are known.
pub type Asking = Box<dyn FnOnce([u32; 2]) -> Result<Ask, Failure> + Send>;

/// A question that waits.
pub struct Job {
    /// The picture.
    pub photo: Photo,
    /// The question.
    pub asking: Asking,
    /// Takes what is said. It never makes a worker wait: an answer is small beside its picture.
    pub said: UnboundedSender<Said>,
    /// When an answer is of no use any more.
    pub deadline: Instant,
    /// The place in the queue, which is free again when the job and its request are gone.
    pub place: std::sync::Arc<OwnedSemaphorePermit>,
    /// How often it was passed over.
    pub passed: usize,
}

impl Job {
    /// Whether the answer came too late, or its client left.
    pub fn is_over(&self) -> bool {
        self.said.is_closed() || Instant::now() >= self.deadline
    }
}

#[derive(Default)]
struct Waiting {
    jobs: VecDeque<Job>,
    /// The pictures that workers without work looked at last.
    idle: Vec<Option<[u8; 32]>>,
    running: usize,
    closed: bool,
}

/// Questions that wait.
#[derive(Default)]
pub struct Queue {
    waiting: Mutex<Waiting>,
    more: Condvar,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a question at the end.
    ///
    /// # Errors
    /// Gives it back when the queue is closed.
    pub fn put(&self, job: Job) -> Result<(), Job> {
        let mut waiting = self.lock();
        if waiting.closed {
            return Err(job);
        }
        waiting.jobs.push_back(job);
        drop(waiting);
        // The one that looked at its picture must hear of it.
        self.more.notify_all();
        Ok(())
    }

    /// Waits for the next question, of a worker that looked at the picture with the key `seen`
    /// last; none when the queue is closed. Questions whose clients left are dropped.
    pub fn take(&self, seen: Option<[u8; 32]>) -> Option<Job> {
        let mut waiting = self.lock();
        loop {
            waiting.jobs.retain(|job| !job.is_over());
            if let Some(at) = chosen(&waiting.jobs, &waiting.idle, seen) {
                for job in waiting.jobs.iter_mut().take(at) {
                    job.passed += 1;
                }
                if let Some(job) = waiting.jobs.remove(at) {
                    waiting.running += 1;
                    if !waiting.jobs.is_empty() {
                        // What was left to this worker is now anyone's.
                        self.more.notify_all();
                    }
                    return Some(job);
                }
            }
            if waiting.closed && waiting.jobs.is_empty() {
                return None;
            }
            waiting.idle.push(seen);
            waiting = self.more.wait(waiting).unwrap_or_else(PoisonError::into_inner);
            if let Some(at) = waiting.idle.iter().position(|idle| *idle == seen) {
                waiting.idle.swap_remove(at);
            }
        }
    }

    /// Notes that a question which was taken is answered or given up.
    pub fn done(&self) {
        let mut waiting = self.lock();
        waiting.running = waiting.running.saturating_sub(1);
    }

    /// How many questions wait, and how many are being answered.
    pub fn counts(&self) -> [usize; 2] {
        let waiting = self.lock();
        [waiting.jobs.len(), waiting.running]
    }

    /// Takes no more questions. Workers end when those that wait are answered.
    pub fn close(&self) {
        self.lock().closed = true;
        self.more.notify_all();
    }

    /// Drops the questions that wait.
    pub fn clear(&self) {
        self.lock().jobs.clear();
    }
}

/// The place of the next question: the first about the picture that was just seen, else the first
/// whose picture no worker without work has seen; one that was passed over often enough before all.
fn chosen(
    jobs: &VecDeque<Job>,
    idle: &[Option<[u8; 32]>],
    seen: Option<[u8; 32]>,
) -> Option<usize> {
    let is_seen = |job: &Job| Some(job.photo.key) == seen;
    let is_free = |job: &Job| !idle.contains(&Some(job.photo.key));
    let at = jobs.iter().position(is_seen).or_else(|| jobs.iter().position(is_free))?;
    Some(jobs.iter().take(at).position(|job| job.passed >= MOST_PASSED).unwrap_or(at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::time::Duration;
    use tokio::sync::{Semaphore, mpsc};

    fn job(picture: &str) -> (Job, mpsc::UnboundedReceiver<Said>) {
        let (said, heard) = mpsc::unbounded_channel();
        let place = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
        let job = Job {
            photo: Photo::new(picture.into()),
            asking: Box::new(|_| Err(Failure::lost())),
            said,
            deadline: Instant::now() + Duration::from_secs(60),
            place: Arc::new(place),
            passed: 0,
        };
        (job, heard)
    }

    fn put(queue: &Queue, pictures: &[&str]) -> Vec<mpsc::UnboundedReceiver<Said>> {
        let mut heard = Vec::new();
        for picture in pictures {
            let (job, said) = job(picture);
            assert!(queue.put(job).is_ok());
            heard.push(said);
        }
        heard
    }

    fn next(queue: &Queue, seen: &str) -> String {
        let job = queue.take(Some(Photo::new(seen.into()).key)).unwrap();
        String::from_utf8(job.photo.bytes.to_vec()).unwrap()
    }

    #[test]
    fn a_picture_that_was_seen_goes_first_but_nobody_waits_for_ever() {
        let queue = Queue::default();
        let _heard = put(&queue, &["a", "b", "b", "b", "b", "b", "b"]);
        let order: Vec<String> = (0..7).map(|_| next(&queue, "b")).collect();
        assert_eq!(order.join(""), "bbbbabb");
    }

    #[test]
    fn a_question_is_left_to_the_worker_that_saw_its_picture() {
        let key = |picture: &str| Some(Photo::new(picture.into()).key);
        let (first, _first) = job("a");
        let (second, _second) = job("b");
        let jobs = VecDeque::from([first, second]);
        assert_eq!(chosen(&jobs, &[], key("c")), Some(0));
        assert_eq!(chosen(&jobs, &[key("a")], key("c")), Some(1));
        assert_eq!(chosen(&jobs, &[key("a"), key("b")], key("c")), None);
        assert_eq!(chosen(&jobs, &[key("a"), key("b")], key("b")), Some(1));
    }

    #[test]
    fn what_nobody_waits_for_is_dropped() {
        let queue = Queue::default();
        let mut heard = put(&queue, &["a", "b"]);
        heard.remove(0);
        assert_eq!(next(&queue, "a"), "b");
        assert_eq!(queue.counts(), [0, 1]);
    }

    #[test]
    fn a_closed_queue_hands_out_what_waits_and_takes_nothing() {
        let queue = Queue::default();
        let _heard = put(&queue, &["a"]);
        queue.close();
        assert!(queue.put(job("b").0).is_err());
        assert!(queue.take(None).is_some() && queue.take(None).is_none());
    }
}
