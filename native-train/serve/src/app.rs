//! What all requests share: who may ask, how much waits, and the way to a worker.

use crate::failure::{Failure, Kind};
use crate::queue::{Asking, Job, Photo, Queue, Said};
use crate::settings::Settings;
use axum::body::Body;
use axum::http::{HeaderMap, Request, header};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use futures_util::StreamExt;
use refvlm_model::package::Quantisation;
use refvlm_record::Ask;
use refvlm_record::answer::Answer;
use refvlm_record::event::Event;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What is read and thrown away of a body that is refused, so that its sender hears why.
const MOST_DRAINED: usize = 64 << 20;
/// How long that may take.
const DRAIN: Duration = Duration::from_secs(5);

/// A place in the queue.
pub type Place = Arc<OwnedSemaphorePermit>;

/// The model that answers, as it is shown.
#[derive(Debug, Clone)]
pub struct Card {
    /// Its name.
    pub id: String,
    /// Number of parameters.
    pub parameters: usize,
    /// The preset that it was made of.
    pub preset: String,
    /// How its weights are stored.
    pub quantisation: Quantisation,
    /// The licence of its weights.
    pub licence: String,
}

/// What all requests share.
pub struct App {
    /// What the server was told.
    pub settings: Settings,
    /// Questions that wait.
    pub queue: Arc<Queue>,
    /// The model.
    pub card: Card,
    /// When the server started, seconds since 1970.
    pub started: u64,
    places: Arc<Semaphore>,
    asked: AtomicU64,
}

impl App {
    /// A server's state.
    pub fn new(settings: Settings, queue: Arc<Queue>, card: Card) -> Self {
        let limits = settings.limits;
        let places = Arc::new(Semaphore::new(limits.queue.saturating_add(limits.workers)));
        Self { settings, queue, card, started: now(), places, asked: AtomicU64::new(0) }
    }

    /// Another name for each request.
    pub fn number(&self) -> String {
        let number = self.asked.fetch_add(1, Ordering::Relaxed);
        format!("{:x}-{number:x}", self.started)
    }

    /// When a request that begins now has to be answered.
    pub fn deadline(&self) -> Instant {
        Instant::now() + self.settings.limits.request
    }

    /// Whether a request may ask.
    ///
    /// # Errors
    /// When the token is missing or wrong.
    pub fn admit(&self, headers: &HeaderMap) -> Result<(), Failure> {
        let Some(token) = &self.settings.token else { return Ok(()) };
        let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let given = given.and_then(|value| {
            let (scheme, rest) = value.split_once(' ')?;
            match scheme.to_ascii_lowercase().as_str() {
                "bearer" => Some(rest.trim().to_string()),
                "basic" => {
                    let login = BASE64_STANDARD.decode(rest.trim()).ok()?;
                    let login = String::from_utf8(login).ok()?;
                    Some(login.split_once(':')?.1.to_string())
                }
                _ => None,
            }
        });
        // Hashes take equally long to compare however far two tokens agree.
        let same = |given: String| Sha256::digest(given) == Sha256::digest(token);
        match given {
            Some(given) if same(given.clone()) => Ok(()),
            Some(_) => Err(Failure::new(
                Kind::Token,
                "the token is wrong; ask the person who runs the server",
            )),
            None => Err(Failure::new(
                Kind::Token,
                "a token is needed; send the header Authorization: Bearer TOKEN",
            )),
        }
    }

    /// The body of a request that may ask, and its place in the queue.
    ///
    /// # Errors
    /// When it may not ask, is too long or slow, or as many wait as may.
    pub async fn body(
        &self,
        request: Request<Body>,
        deadline: Instant,
    ) -> Result<(Place, Vec<u8>), Failure> {
        let admitted = self.admit(request.headers());
        let limit = self.settings.limits.body_bytes;
        let length = request.headers().get(header::CONTENT_LENGTH);
        let length = length.and_then(|v| v.to_str().ok()?.parse::<usize>().ok());
        let long = length.is_some_and(|length| length > limit);
        let place = match (admitted, long) {
            (Err(failure), _) => Err(failure),
            (Ok(()), true) => Err(too_long(limit)),
            (Ok(()), false) => match self.places.clone().try_acquire_owned() {
                Ok(place) => Ok(Arc::new(place)),
                Err(_) => Err(Failure::busy()),
            },
        };
        let body = request.into_body();
        let place = match place {
            Ok(place) => place,
            Err(failure) => {
                drain(body, 0).await;
                return Err(failure);
            }
        };
        let read = async {
            let mut bytes = Vec::with_capacity(length.unwrap_or(0).min(limit));
            let mut parts = body.into_data_stream();
            while let Some(part) = parts.next().await {
                let part = part.map_err(|e| {
                    Failure::new(Kind::Json, format!("the body broke off ({e}); send it again"))
                })?;
                if bytes.len() + part.len() > limit {
                    let read = bytes.len();
                    drop(bytes);
                    drain(Body::from_stream(parts), read).await;
                    return Err(too_long(limit));
                }
                bytes.extend_from_slice(&part);
            }
            Ok(bytes)
        };
        let bytes = self.within(deadline, read).await??;
        Ok((place, bytes))
    }

    /// Waits until the deadline.
    ///
    /// # Errors
    /// When it passes.
    pub async fn within<T>(
        &self,
        deadline: Instant,
        work: impl Future<Output = T>,
    ) -> Result<T, Failure> {
        let late = |_| Failure::late(self.settings.limits.request.as_secs());
        tokio::time::timeout_at(deadline.into(), work).await.map_err(late)
    }

    /// Asks, and waits until a worker has looked at the picture.
    ///
    /// # Errors
    /// When picture or question cannot be used, or it took too long.
    pub async fn ask(
        self: &Arc<Self>,
        place: Place,
        photo: Photo,
        asking: Asking,
        deadline: Instant,
    ) -> Result<Hearing, Failure> {
        let (said, mut heard) = unbounded_channel();
        let job = Job { photo, asking, said, deadline, place, passed: 0 };
        let closing = "the server is shutting down; ask again when it is back";
        self.queue.put(job).map_err(|_| Failure::new(Kind::Closing, closing))?;
        match self.within(deadline, heard.recv()).await? {
            Some(Said::Begun { size, ask }) => {
                Ok(Hearing { app: self.clone(), heard, size, ask: *ask, deadline })
            }
            Some(Said::Failed(failure)) => Err(failure),
            Some(Said::Event(_)) | None => Err(self.silence(deadline)),
        }
    }

    /// Why nothing more is said.
    fn silence(&self, deadline: Instant) -> Failure {
        match Instant::now() >= deadline {
            true => Failure::late(self.settings.limits.request.as_secs()),
            false => Failure::lost(),
        }
    }
}

/// An answer that is being heard. Dropping it ends the worker's work on it.
pub struct Hearing {
    app: Arc<App>,
    heard: UnboundedReceiver<Said>,
    /// `[width, height]` of the picture in px.
    pub size: [u32; 2],
    /// The question as it was asked.
    pub ask: Ask,
    deadline: Instant,
}

impl Hearing {
    /// The next event; none after the last.
    ///
    /// # Errors
    /// When the model failed or it took too long.
    pub async fn next(&mut self) -> Result<Event, Failure> {
        match self.app.within(self.deadline, self.heard.recv()).await? {
            Some(Said::Event(Event::Failed { error })) => Err(Failure::new(Kind::Engine, error)),
            Some(Said::Event(event)) => Ok(event),
            Some(Said::Failed(failure)) => Err(failure),
            Some(Said::Begun { .. }) | None => Err(self.app.silence(self.deadline)),
        }
    }

    /// The whole answer.
    ///
    /// # Errors
    /// As [`Hearing::next`].
    pub async fn all(&mut self) -> Result<Answer, Failure> {
        let mut answer = Answer::default();
        while !answer.progress.over() {
            take(&mut answer, self.next().await?);
        }
        Ok(answer)
    }
}

/// Grows an answer, and keeps run lengths alone of its masks: unpacked, those of one large picture
/// would take more memory than the model.
pub fn take(answer: &mut Answer, event: Event) {
    answer.take(event);
    let last = answer.triplets.last_mut().and_then(|triplet| triplet.found.last_mut());
    if let Some(found) = last {
        found.mask = None;
    }
}

fn too_long(limit: usize) -> Failure {
    let message = format!(
        "the body is longer than {:.1} MiB; send a smaller picture or one as JPEG",
        limit as f64 / f64::from(1 << 20)
    );
    Failure::new(Kind::BodySize, message)
}

/// Reads what is left of a body and forgets it: a client that is still sending would otherwise be
/// cut off before it reads the answer.
async fn drain(body: Body, mut read: usize) {
    let rest = async {
        let mut parts = body.into_data_stream();
        while let Some(Ok(part)) = parts.next().await {
            read += part.len();
            if read > MOST_DRAINED {
                return;
            }
        }
    };
    // A client that sends for longer is cut off.
    let _ = tokio::time::timeout(DRAIN, rest).await;
}

/// Seconds since 1970.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
