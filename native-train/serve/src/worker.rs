//! Threads that answer: each has a session of its own, and all share the weights.
//!
//! A session is stateful (its cache holds the picture and what was read), so a thread each keeps it
//! simple. A model as small as the embedded one runs on one core at a time, so more workers use
//! more cores; on a graphics card one is right, as burn ties work to the thread that began it.

use crate::failure::{Failure, Kind};
use crate::queue::{Job, Photo, Queue, Said};
use burn::tensor::Device;
use refvlm_files::picture::{decode_picture, dimensions};
use refvlm_model::engine::Session;
use refvlm_model::image::Picture as View;
use refvlm_weights::package::Package;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

/// What errors call a picture of a request.
const PICTURE: &str = "picture";

/// What a worker needs.
pub struct Worker {
    /// The model.
    pub package: Package,
    /// Where it computes.
    pub device: Device,
    /// Questions that wait.
    pub queue: Arc<Queue>,
    /// Most pixels of a picture.
    pub pixels: u64,
}

/// A session and the picture it looks at.
struct Looking {
    session: Session,
    seen: Option<([u8; 32], [u32; 2])>,
}

impl Worker {
    /// Answers until the queue is closed.
    pub fn run(self) {
        let mut looking: Option<Looking> = None;
        loop {
            let key = looking.as_ref().and_then(|l| l.seen).map(|(key, _)| key);
            let Some(job) = self.queue.take(key) else { return };
            let said = job.said.clone();
            // A session that panicked may be in any state: the next question opens another.
            let answered = catch_unwind(AssertUnwindSafe(|| {
                let mut open = match looking.take() {
                    Some(open) => open,
                    None => Looking { session: self.package.session(&self.device)?, seen: None },
                };
                let outcome = self.answer(&mut open, job);
                looking = Some(open);
                outcome
            }));
            self.queue.done();
            let failure = match answered {
                Ok(Ok(())) => continue,
                Ok(Err(failure)) => failure,
                Err(_) => Failure::lost(),
            };
            // A client that left needs no reason.
            let _ = said.send(Said::Failed(failure));
        }
    }

    fn answer(&self, open: &mut Looking, job: Job) -> Result<(), Failure> {
        let size = self.look(open, &job.photo)?;
        let Job { asking, said, deadline, place, .. } = job;
        let ask = asking(size)?;
        let mut answer = open.session.ask(&ask)?;
        let over = || said.is_closed() || std::time::Instant::now() >= deadline;
        if said.send(Said::Begun { size, ask: Box::new(ask) }).is_err() {
            return Ok(());
        }
        while !over() {
            let Some(event) = pollster::block_on(answer.next()) else { break };
            if said.send(Said::Event(event)).is_err() {
                break;
            }
        }
        drop(place);
        Ok(())
    }

    /// Looks at a picture unless it is the one before the session; returns `[width, height]`.
    fn look(&self, open: &mut Looking, photo: &Photo) -> Result<[u32; 2], Failure> {
        if let Some((key, size)) = open.seen
            && key == photo.key
        {
            return Ok(size);
        }
        let name = Path::new(PICTURE);
        let [width, height] = dimensions(&photo.bytes, name)?;
        if u64::from(width) * u64::from(height) > self.pixels {
            let message = format!(
                "{PICTURE}: {width}x{height} px are more than the {} megapixels that this server \
                 takes; scale it down",
                self.pixels as f64 / 1e6
            );
            return Err(Failure::new(Kind::PictureSize, message));
        }
        let picture = decode_picture(&photo.bytes, name)?;
        open.seen = None;
        let view = View::new(picture.width, picture.height, &picture.rgb);
        let view = view.map_err(|e| Failure::new(Kind::Picture, format!("{PICTURE}: {e}")))?;
        pollster::block_on(open.session.set_image(view))?;
        let size = [picture.width, picture.height];
        open.seen = Some((photo.key, size));
        Ok(size)
    }
}
