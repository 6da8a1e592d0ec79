//! The engine's worker, seen from the page: requests go in, replies come back to whoever asked.

use js_sys::{Array, ArrayBuffer, JSON, Object, Reflect};
use refvlm_protocol::{Failure, FailureKind, Reply, ReplyMessage, Request, RequestMessage};
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use wasm_bindgen::prelude::*;
use web_sys::{MessageEvent, Worker, WorkerOptions, WorkerType};

/// Bytes that travel beside a reply.
#[derive(Debug, Default, Clone)]
pub struct Bytes {
    /// `rgba` of a scene.
    pub rgba: Option<ArrayBuffer>,
    /// `depth` of a scene.
    pub depth: Option<ArrayBuffer>,
}

type Handler = Box<dyn FnMut(Reply, Bytes)>;

/// A worker with the requests it has not answered yet.
pub struct Client {
    worker: Worker,
    waiting: Rc<RefCell<HashMap<u32, Handler>>>,
    next_id: u32,
    // Kept alive as long as the worker.
    _listeners: [Closure<dyn FnMut(JsValue)>; 2],
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
        let waiting = Rc::new(RefCell::new(HashMap::<u32, Handler>::new()));
        let listeners = [
            Closure::<dyn FnMut(JsValue)>::new({
                let waiting = waiting.clone();
                move |event: JsValue| receive(&waiting, &event)
            }),
            Closure::<dyn FnMut(JsValue)>::new({
                let waiting = waiting.clone();
                move |_| fail_all(&waiting, &crashed("the engine's worker stopped"))
            }),
        ];
        worker.set_onmessage(Some(listeners[0].as_ref().unchecked_ref()));
        worker.set_onerror(Some(listeners[1].as_ref().unchecked_ref()));
        Ok(Self { worker, waiting, next_id: 1, _listeners: listeners })
    }

    /// Sends a request with the picture's bytes, if it needs them; they are gone afterwards. The
    /// handler gets every reply, the last one included.
    pub fn send(
        &mut self,
        request: Request,
        rgba: Option<&ArrayBuffer>,
        handler: impl FnMut(Reply, Bytes) + 'static,
    ) -> u32 {
        let id = self.next_id;
        self.next_id += 1;
        self.waiting.borrow_mut().insert(id, Box::new(handler));
        if let Err(failure) = self.post(&RequestMessage { id, request }, rgba) {
            // Later, because whoever sends may be borrowed for the handler.
            let waiting = self.waiting.clone();
            let fail = move || deliver(&waiting, id, Reply::Failed(failure), Bytes::default());
            leptos::prelude::queue_microtask(fail);
        }
        id
    }

    /// Ends a request early.
    pub fn abort(&mut self, target: u32) {
        let id = self.next_id;
        self.next_id += 1;
        // It has no reply; where it can't be sent, the request ends by itself.
        let _ = self.post(&RequestMessage { id, request: Request::Abort { target } }, None);
    }

    fn post(&self, message: &RequestMessage, rgba: Option<&ArrayBuffer>) -> Result<(), Failure> {
        let fault = |e: String| Failure {
            kind: FailureKind::Engine,
            message: format!("the request could not be sent: {e}"),
            remedy: "Try again.".into(),
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
}

impl Drop for Client {
    fn drop(&mut self) {
        self.worker.terminate();
    }
}

fn receive(waiting: &RefCell<HashMap<u32, Handler>>, event: &JsValue) {
    let Some(event) = event.dyn_ref::<MessageEvent>() else { return };
    let data = event.data();
    let bytes = |name: &str| {
        Reflect::get(&data, &name.into()).ok().and_then(|v| v.dyn_into::<ArrayBuffer>().ok())
    };
    let beside = Bytes { rgba: bytes("rgba"), depth: bytes("depth") };
    // Only what the protocol knows is turned into text; the bytes are not.
    let plain = Object::new();
    for name in ["id", "reply"] {
        let value = Reflect::get(&data, &name.into()).unwrap_or(JsValue::UNDEFINED);
        let _ = Reflect::set(&plain, &name.into(), &value);
    }
    let text = JSON::stringify(&plain).ok().and_then(|text| text.as_string()).unwrap_or_default();
    match serde_json::from_str::<ReplyMessage>(&text) {
        Ok(ReplyMessage { id, reply }) => deliver(waiting, id, reply, beside),
        Err(e) => {
            let failure = crashed(&format!("the engine sent what this page does not know ({e})"));
            fail_all(waiting, &failure);
        }
    }
}

/// Hands a reply on. The handler is taken out meanwhile, since it may send another request.
fn deliver(waiting: &RefCell<HashMap<u32, Handler>>, id: u32, reply: Reply, bytes: Bytes) {
    let Some(mut handler) = waiting.borrow_mut().remove(&id) else { return };
    let last = reply.is_last();
    handler(reply, bytes);
    if !last {
        waiting.borrow_mut().insert(id, handler);
    }
}

fn fail_all(waiting: &RefCell<HashMap<u32, Handler>>, failure: &Failure) {
    let ids: Vec<u32> = waiting.borrow().keys().copied().collect();
    for id in ids {
        deliver(waiting, id, Reply::Failed(failure.clone()), Bytes::default());
    }
}

/// The failure of an engine that is no more.
pub fn crashed(message: &str) -> Failure {
    Failure {
        kind: FailureKind::Crashed,
        message: message.into(),
        remedy: "Load the model again.".into(),
    }
}

/// Whether the browser lends this page a part of itself, such as `clipboard`; some it lends to
/// secure pages only.
pub fn lends(part: &str) -> bool {
    let navigator = leptos::prelude::window().navigator();
    Reflect::get(&navigator, &part.into()).is_ok_and(|part| part.is_object())
}

/// What JavaScript threw, in words.
pub fn words(error: &JsValue) -> String {
    let message = Reflect::get(error, &"message".into()).ok().and_then(|m| m.as_string());
    message.or_else(|| error.as_string()).unwrap_or_else(|| format!("{error:?}"))
}
