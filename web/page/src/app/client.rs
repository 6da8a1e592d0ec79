//! The engine's worker, seen from the page: requests go in, replies come back to the caller.

use js_sys::{Array, ArrayBuffer, JSON, Reflect};
use leptos::prelude::{TimeoutHandle, queue_microtask, set_timeout_with_handle, window};
use refvlm_protocol::{Failure, FailureKind, Reply, Request, RequestMessage, SILENCE_S};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;
use wasm_bindgen::prelude::*;
use web_sys::{MessageEvent, Worker, WorkerOptions, WorkerType};

/// A reply with what travels beside it.
#[derive(Debug, Clone)]
pub struct Message {
    /// What has happened.
    pub reply: Reply,
    /// Whether nothing else follows to the same request.
    pub last: bool,
    /// `rgba` of a scene.
    pub rgba: Option<ArrayBuffer>,
    /// `depth` of a scene.
    pub depth: Option<ArrayBuffer>,
}

impl Message {
    /// The last reply to a request that failed.
    pub fn failed(failure: Failure) -> Self {
        Self { reply: Reply::Failed(failure), last: true, rgba: None, depth: None }
    }
}

type Handler = Box<dyn FnMut(Message)>;

/// A worker with the requests it has not answered yet.
pub struct Client {
    line: Rc<Line>,
    next_id: u32,
    // Kept alive as long as the worker.
    _listeners: [Closure<dyn FnMut(JsValue)>; 2],
}

/// What the worker's listeners share.
struct Line {
    worker: Worker,
    waiting: RefCell<HashMap<u32, Handler>>,
    /// Ends a worker that keeps silent.
    watch: Cell<Option<TimeoutHandle>>,
    /// Why the worker can be used no longer.
    dead: RefCell<Option<Failure>>,
}

impl Client {
    /// Starts a worker.
    ///
    /// # Errors
    /// When the browser refuses it.
    pub fn start(url: &str) -> Result<Self, Failure> {
        let options = WorkerOptions::new();
        options.set_type(WorkerType::Module);
        let worker = Worker::new_with_options(url, &options)
            .map_err(|e| crashed(&format!("the worker could not be started: {}", words(&e))))?;
        let line = Rc::new(Line {
            worker,
            waiting: RefCell::default(),
            watch: Cell::default(),
            dead: RefCell::default(),
        });
        let listeners = [
            Closure::<dyn FnMut(JsValue)>::new({
                let line = line.clone();
                move |event: JsValue| line.receive(&event)
            }),
            Closure::<dyn FnMut(JsValue)>::new({
                let line = line.clone();
                move |_| line.end(&crashed("the engine's worker stopped"))
            }),
        ];
        line.worker.set_onmessage(Some(listeners[0].as_ref().unchecked_ref()));
        line.worker.set_onerror(Some(listeners[1].as_ref().unchecked_ref()));
        Ok(Self { line, next_id: 1, _listeners: listeners })
    }

    /// Sends a request with the picture's bytes, if it needs them; they are gone afterwards. The
    /// handler gets every reply, the last one included.
    pub fn send(
        &mut self,
        request: Request,
        rgba: Option<&ArrayBuffer>,
        handler: impl FnMut(Message) + 'static,
    ) -> u32 {
        let id = self.next_id;
        self.next_id += 1;
        self.line.waiting.borrow_mut().insert(id, Box::new(handler));
        if let Err(failure) = self.line.post(&RequestMessage { id, request }, rgba) {
            // Later, because whoever sends may be borrowed for the handler.
            let line = self.line.clone();
            queue_microtask(move || line.deliver(id, Message::failed(failure)));
        }
        self.line.watch();
        id
    }

    /// Ends a request early.
    pub fn abort(&mut self, target: u32) {
        let id = self.next_id;
        self.next_id += 1;
        // It has no reply; where it can't be sent, the request ends by itself.
        let _ = self.line.post(&RequestMessage { id, request: Request::Abort { target } }, None);
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.line.worker.terminate();
        if let Some(watch) = self.line.watch.take() {
            watch.clear();
        }
    }
}

impl Line {
    fn post(&self, message: &RequestMessage, rgba: Option<&ArrayBuffer>) -> Result<(), Failure> {
        if let Some(failure) = &*self.dead.borrow() {
            return Err(failure.clone());
        }
        let fault = |e: String| Failure {
            kind: FailureKind::Engine,
            message: format!("the request could not be sent: {e}"),
            remedy: "Try again.".into(),
            lost: false,
        };
        let text = serde_json::to_string(message).map_err(|e| fault(e.to_string()))?;
        let object = JSON::parse(&text).map_err(|e| fault(words(&e)))?;
        let transfer = Array::new();
        if let Some(rgba) = rgba {
            Reflect::set(&object, &"rgba".into(), rgba).map_err(|e| fault(words(&e)))?;
            transfer.push(rgba);
        }
        self.worker.post_message_with_transfer(&object, &transfer).map_err(|e| fault(words(&e)))
    }

    fn receive(self: &Rc<Self>, event: &JsValue) {
        let Some(event) = event.dyn_ref::<MessageEvent>() else { return };
        let data = event.data();
        let part = |name: &str| Reflect::get(&data, &name.into()).unwrap_or(JsValue::UNDEFINED);
        let text = part("reply").as_string().unwrap_or_default();
        match (part("id").as_f64(), serde_json::from_str(&text)) {
            (Some(id), Ok(reply)) => {
                let bytes = |name: &str| part(name).dyn_into::<ArrayBuffer>().ok();
                let last = part("last").is_truthy();
                let (rgba, depth) = (bytes("rgba"), bytes("depth"));
                self.deliver(id as u32, Message { reply, last, rgba, depth });
                self.watch();
            }
            (_, reply) => {
                let why = reply.err().map_or("no number".into(), |e| e.to_string());
                self.end(&crashed(&format!(
                    "the engine sent what this page does not know ({why})"
                )));
            }
        }
    }

    /// Hands a reply on. The handler is taken out meanwhile, since it may send another request.
    fn deliver(&self, id: u32, message: Message) {
        let handler = self.waiting.borrow_mut().remove(&id);
        let Some(mut handler) = handler else { return };
        let last = message.last;
        handler(message);
        if !last {
            self.waiting.borrow_mut().insert(id, handler);
        }
    }

    /// Counts the silence from now on, while anything is waited for.
    fn watch(self: &Rc<Self>) {
        if let Some(watch) = self.watch.take() {
            watch.clear();
        }
        if self.waiting.borrow().is_empty() || self.dead.borrow().is_some() {
            return;
        }
        let line = Rc::downgrade(self);
        let silent = move || {
            if let Some(line) = line.upgrade() {
                line.end(&crashed("the engine does not answer"));
            }
        };
        self.watch.set(set_timeout_with_handle(silent, Duration::from_secs(SILENCE_S)).ok());
    }

    /// Ends the worker; whatever still waits for it fails.
    fn end(&self, failure: &Failure) {
        self.dead.borrow_mut().get_or_insert_with(|| failure.clone());
        self.worker.terminate();
        let ids: Vec<u32> = self.waiting.borrow().keys().copied().collect();
        for id in ids {
            self.deliver(id, Message::failed(failure.clone()));
        }
    }
}

/// The failure of an engine that is no more.
pub fn crashed(message: &str) -> Failure {
    Failure {
        kind: FailureKind::Crashed,
        message: message.into(),
        remedy: "Load the model again.".into(),
        lost: true,
    }
}

/// Whether the browser lends this page a part of itself, such as `clipboard`; some it lends to
/// secure pages only.
pub fn lends(part: &str) -> bool {
    Reflect::get(&window().navigator(), &part.into()).is_ok_and(|part| part.is_object())
}

/// What JavaScript threw, in words.
pub fn words(error: &JsValue) -> String {
    let message = Reflect::get(error, &"message".into()).ok().and_then(|m| m.as_string());
    message.or_else(|| error.as_string()).unwrap_or_else(|| format!("{error:?}"))
}
