//! Getting the model that the picture needs, one at a time.

use super::client::Client;
use super::state::{Engine, address, remember};
use super::store::Store;
use crate::conversation::answer::{Answer, Cut};
use crate::conversation::live::Latest;
use crate::models::{Choice, Kind, MANIFEST, Models, Order, package_bytes};
use leptos::prelude::*;
use refvlm_protocol::{Backend, BackendChoice, Failure, FailureKind, Reply, Request};
use std::collections::HashMap;
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::Response;

const NO_PHOTOS: &str = "This server has no model for photos. The model for drawn scenes answers; \
     about photos it is mostly wrong.";

impl Store {
    /// Loads the model that is wanted, where it is not there. Returns whether it does.
    pub fn follow(self) -> bool {
        let order = self.link.models.try_update(Models::order).flatten();
        if let Some(order) = order {
            self.load(order);
        }
        if self.link.models.try_update_untracked(Models::tell_once) == Some(true) {
            self.fault(NO_PHOTOS.into());
        }
        order.is_some()
    }

    /// Lets the person decide which model answers.
    pub fn choose(self, choice: Choice) {
        self.link.models.update(|models| models.choose(choice));
        remember(choice);
        self.follow();
    }

    /// Loads what is wanted in a new worker: the old one may be of no use.
    pub fn retry(self) {
        self.end_worker();
        self.link.models.update(Models::resume);
        self.follow();
    }

    /// After a graphics card was lost, or was too small: loads the model to the processor. Picture,
    /// prompts and conversation stay, and the question that was being answered is asked again.
    /// Returns whether there is this way on; `backend` is where the model was.
    pub fn go_on_without_card(self, failure: &Failure, backend: Backend) -> bool {
        let card = matches!(failure.kind, FailureKind::DeviceLost | FailureKind::OutOfMemory)
            && backend == Backend::Webgpu
            && self.link.backend.get_value() == BackendChoice::Auto;
        if !card {
            return false;
        }
        self.link.backend.set_value(BackendChoice::Cpu);
        if let Some((_, id)) = self.talk.running.get_untracked() {
            let mut ask = None;
            self.talk.turns.update(|turns| {
                if let Some(turn) = turns.iter_mut().find(|turn| turn.id == id) {
                    turn.answer = Answer::default();
                    ask = Some(turn.ask.clone());
                }
            });
            self.talk.waiting.set(ask.map(|ask| (id, ask)));
        }
        self.retry();
        self.fault("The graphics card failed. The processor goes on.".into());
        true
    }

    /// Stops the load under way.
    pub fn stop_loading(self) {
        if let Some(request) = self.link.loading.get_value() {
            self.abort(request);
        }
    }

    /// Starts a worker, where there is none that can be used.
    ///
    /// # Errors
    /// When the browser refuses it, or the page names none.
    pub fn start_worker(self) -> Result<(), Failure> {
        if self.link.client.with_value(Option::is_some) {
            return Ok(());
        }
        let client = address("refvlm-worker").and_then(|url| Client::start(&url))?;
        self.link.client.set_value(Some(client));
        Ok(())
    }

    /// Ends the worker; what was under way will never be answered.
    fn end_worker(self) {
        self.stop_all();
        self.link.client.set_value(None);
        self.link.loading.set_value(None);
        self.talk.running.set(None);
        self.talk.live_queue.set_value(Latest::default());
        self.talk.live_request.set_value(None);
    }

    /// Gives up the model that is there, then loads another; memory holds one at a time.
    fn load(self, order: Order) {
        if self.link.engine.with_untracked(|engine| matches!(engine, Engine::Failed(f) if f.lost)) {
            self.end_worker();
        }
        self.stop_all();
        self.stop_loading();
        self.talk.live_masks.set(HashMap::new());
        self.link.seen.set(false);
        self.link.engine.set(Engine::starting());
        let url = match self.start_worker().and_then(|()| address(order.kind.meta())) {
            Ok(url) => url,
            Err(failure) => return self.not_loaded(order.kind, failure),
        };
        self.send(Request::Unload, None, |_| {});
        let request = Request::Load { url, backend: self.link.backend.get_value() };
        let sent = self.send(request, None, move |message| {
            // What was taken back may still be heard of.
            if self.link.models.with_untracked(|models| models.current(order)) {
                self.hear_load(order.kind, message.reply);
            }
        });
        self.link.loading.set_value(sent);
    }

    fn hear_load(self, kind: Kind, reply: Reply) {
        if let Reply::Progress { phase, bytes, total, eta_s } = reply {
            return self.link.engine.set(Engine::Loading { phase, bytes, total, eta_s });
        }
        self.link.loading.set_value(None);
        match reply {
            Reply::Ready(ready) => {
                self.link.models.update(|models| {
                    models.ready(kind);
                    models.weighs(kind, ready.package_bytes);
                });
                self.link.engine.set(Engine::Ready(ready));
                self.show_engine_the_picture();
            }
            Reply::Failed(failure) => self.not_loaded(kind, failure),
            Reply::Aborted => {
                self.link.models.update(Models::cancel);
                if !self.follow() {
                    self.link.engine.set(Engine::Idle);
                    self.give_up(Cut::Aborted);
                }
            }
            _ => {}
        }
    }

    fn not_loaded(self, kind: Kind, failure: Failure) {
        if self.go_on_without_card(&failure, Backend::Webgpu) {
            return;
        }
        let absent = self.link.models.try_update(|models| models.failed(kind, &failure));
        if absent != Some(true) {
            self.give_up(Cut::Failed(failure.clone()));
            self.link.engine.set(Engine::Failed(failure));
        }
        self.follow();
    }

    /// Asks the host how large the packages are, and whether there is one for photos.
    pub fn look_up_sizes(self) {
        for kind in Kind::ALL {
            let known = self.link.models.with_untracked(|models| models.bytes(kind).is_some());
            if known
                || (kind == Kind::Photo && self.link.models.with_untracked(Models::photos_absent))
            {
                continue;
            }
            spawn_local(async move {
                match manifest(kind).await {
                    Some(Manifest::Bytes(bytes)) => {
                        if let Some(bytes) = package_bytes(&bytes) {
                            self.link.models.update(|models| models.weighs(kind, bytes));
                        }
                    }
                    Some(Manifest::Absent) if kind == Kind::Photo => {
                        self.link.models.update(Models::no_photos);
                    }
                    _ => {}
                }
            });
        }
    }
}

enum Manifest {
    Bytes(Vec<u8>),
    /// The host has no such file.
    Absent,
}

/// The manifest of a package; none where the host can't be asked.
async fn manifest(kind: Kind) -> Option<Manifest> {
    let folder = address(kind.meta()).ok()?;
    let url = format!("{}/{MANIFEST}", folder.trim_end_matches('/'));
    let response = JsFuture::from(window().fetch_with_str(&url)).await.ok()?;
    let response: Response = response.dyn_into().ok()?;
    let kind = response.headers().get("content-type").ok().flatten().unwrap_or_default();
    // A host of single-page sites answers with a page for every file that it does not have.
    if matches!(response.status(), 404 | 410) || kind.starts_with("text/html") {
        return Some(Manifest::Absent);
    }
    let bytes = JsFuture::from(response.array_buffer().ok()?).await.ok()?;
    Some(Manifest::Bytes(js_sys::Uint8Array::new(&bytes).to_vec()))
}
