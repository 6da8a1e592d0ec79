//! What JavaScript can call. Values cross as JSON in the protocol's shapes, bytes as typed arrays,
//! and an error is thrown as the JSON of a [`Failure`]. Events and scenes are written as whole
//! replies, which the worker hands on as they are.

use crate::{Engine, WebError, backend};
use js_sys::{Array, Float32Array, Function, Promise, Uint8Array};
use refvlm_protocol::{Ask, Event, Failure, Reply};
use serde::Serialize;
use serde::de::DeserializeOwned;
use wasm_bindgen::prelude::{JsCast, JsValue, wasm_bindgen};
use wasm_bindgen_futures::JsFuture;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = performance)]
    fn now() -> f64;
}

/// Version of the engine.
#[wasm_bindgen]
pub fn version() -> String {
    env!("CARGO_PKG_VERSION").into()
}

/// Where a package is to be loaded: `cpu` or `webgpu`. `choice` is what the page asked for; `real`
/// says whether the graphics card is hardware rather than a software renderer.
#[wasm_bindgen(js_name = chooseBackend)]
pub async fn choose_backend(
    manifest: Vec<u8>,
    choice: String,
    real: bool,
) -> Result<String, JsValue> {
    let choice = parse(&format!("\"{choice}\""))?;
    let backend = backend::choose(&manifest, choice, real, clock).await.map_err(thrown)?;
    Ok(json(&backend)?.trim_matches('"').into())
}

fn clock() -> f64 {
    now() / 1000.0
}

/// The engine as JavaScript sees it. One call at a time: the worker awaits each before the next.
#[wasm_bindgen(js_name = Engine)]
pub struct Exported(Engine);

#[wasm_bindgen(js_class = Engine)]
impl Exported {
    /// An engine without a model.
    #[wasm_bindgen(constructor)]
    #[allow(clippy::new_without_default, reason = "JavaScript has no Default")]
    pub fn new() -> Self {
        Self(Engine::new(clock))
    }

    /// As [`Engine::begin`], on a backend that [`choose_backend`] returned; returns the wanted
    /// shards.
    pub fn begin(&mut self, manifest: &[u8], backend: &str) -> Result<String, JsValue> {
        let device = backend::device(parse(&format!("\"{backend}\""))?).map_err(thrown)?;
        self.0.begin(manifest, device).map_err(thrown).and_then(|wanted| json(&wanted))
    }

    /// As [`Engine::tokenizer`].
    pub fn tokenizer(&mut self, json: &[u8]) -> Result<(), JsValue> {
        self.0.tokenizer(json).map_err(thrown)
    }

    /// As [`Engine::shard`].
    pub fn shard(&mut self, file: &str, bytes: &[u8]) -> Result<(), JsValue> {
        self.0.shard(file, bytes).map_err(thrown)
    }

    /// As [`Engine::finish`]; returns what was loaded.
    pub fn finish(&mut self) -> Result<String, JsValue> {
        self.0.finish().map_err(thrown).and_then(|loaded| json(&loaded))
    }

    /// As [`Engine::cancel`].
    pub fn cancel(&mut self) {
        self.0.cancel();
    }

    /// As [`Engine::unload`].
    pub fn unload(&mut self) {
        self.0.unload();
    }

    /// As [`Engine::set_image`].
    pub async fn set_image(
        &mut self,
        width: u32,
        height: u32,
        rgba: Vec<u8>,
    ) -> Result<f64, JsValue> {
        self.0.set_image(width, height, &rgba).await.map_err(thrown)
    }

    /// As [`Engine::ask`]: `emit` takes a reply's JSON and whether it is the last one, and returns a
    /// promise of whether to go on.
    pub async fn ask(&mut self, ask: &str, emit: Function) -> Result<bool, JsValue> {
        let ask: Ask = parse(ask)?;
        let mut broken = None;
        let step = async |event: Event| match emitted(&emit, event).await {
            Ok(go_on) => go_on,
            Err(error) => {
                broken = Some(error);
                false
            }
        };
        let ended = self.0.ask(&ask, step).await.map_err(thrown)?;
        broken.map_or(Ok(ended), Err)
    }

    /// As [`Engine::scene`]: `[reply as JSON, rgba, depth]`.
    pub fn scene(&mut self, seed: u32, side: u32) -> Result<Array, JsValue> {
        let drawn = self.0.scene(seed, side).map_err(thrown)?;
        let scene = json(&Reply::Scene(Box::new(drawn.scene)))?;
        let rgba = Uint8Array::from(drawn.rgba.as_slice());
        let depth = Float32Array::from(drawn.depth.as_slice());
        Ok(Array::of3(&scene.into(), &rgba, &depth))
    }
}

async fn emitted(emit: &Function, event: Event) -> Result<bool, JsValue> {
    let last = event.is_last();
    let reply = json(&Reply::Event { event })?;
    let promise: Promise = emit.call2(&JsValue::NULL, &reply.into(), &last.into())?.dyn_into()?;
    Ok(JsFuture::from(promise).await?.is_truthy())
}

fn json(value: &impl Serialize) -> Result<String, JsValue> {
    serde_json::to_string(value).map_err(|e| thrown(WebError::Reply(e.to_string())))
}

fn parse<T: DeserializeOwned>(text: &str) -> Result<T, JsValue> {
    serde_json::from_str(text).map_err(|e| thrown(WebError::Request(e.to_string())))
}

fn thrown(error: WebError) -> JsValue {
    let failure = Failure::from(error);
    // A failure is made of strings and a flag: its JSON cannot fail.
    serde_json::to_string(&failure).unwrap_or(failure.message).into()
}
