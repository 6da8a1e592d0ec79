//! What a page and the engine in its worker say to each other. The same shapes are the JavaScript
//! API, and [`Event`] is also a line of `refvlm infer --json`.
//!
//! A message to the worker is a plain object, `postMessage({id, request}, ...)`; the picture's bytes
//! travel in the same object beside it, as a transferred `ArrayBuffer` named `rgba`. Back comes
//! `{id, last, reply}`, where `reply` is the JSON text of a [`Reply`]: the engine writes it, and
//! the page reads it, without objects in between. Beside it travel `rgba` and `depth` of a
//! scene.
//!
//! **Ids** are chosen by the page and never used twice. Every reply to a request has its id, and
//! each request but `abort` gets exactly one reply whose `last` is true. The worker says so, since
//! it knows; the page need not work it out from the reply.
//!
//! **The model is lost** with a failure whose [`Failure::lost`] says so; the worker is of no use
//! then. So is one that says nothing for [`SILENCE_S`] although it was asked something.
//!
//! **Order.** Requests are served one after the other in the order in which they came. `abort` is
//! seen at once, between any two tokens and during a download.
//!
//! Coordinates are px of the picture that is set, lengths of time seconds.

mod failure;

pub use failure::{Failure, FailureKind};
pub use refvlm_record::event::{Event, Finish, Shape, Stage, Timings};
pub use refvlm_record::{Ask, Prompt, Record, Rle, Sampling, Task, Unit};

use serde::{Deserialize, Serialize};

/// A message to the worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RequestMessage {
    /// Chosen by the page.
    pub id: u32,
    /// What is wanted.
    pub request: Request,
}

/// A worker that says nothing for so many seconds, although it was asked something, is dead.
pub const SILENCE_S: u64 = 120;

/// What a page can ask of the worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// Loads a package; a model that is there already is replaced when the new one is complete.
    /// Ends with `ready`, `aborted` or `failed`, `progress` before.
    Load {
        /// Address of the package's folder (or of its `refvlm.json`), absolute or relative to the
        /// page.
        url: String,
        /// Where to compute.
        #[serde(default)]
        backend: BackendChoice,
    },
    /// Draws a scene that no training has seen; needs no model, and sets no picture. Ends with
    /// `scene` or `failed`.
    Generate {
        /// Decides everything about the scene.
        seed: u32,
        /// Longest side in px, 16 to 4096; the layout is the same at every size.
        #[serde(default = "scene_side")]
        side: u32,
    },
    /// Sets the picture that questions are about. Beside it travels `rgba`, `width * height * 4`
    /// bytes, row-major and upright; transparent parts are laid on white. Ends with `image_set` or
    /// `failed`; the picture before then stays.
    SetImage {
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
    },
    /// Asks about the picture. Ends with the event `done`, with `aborted` or `failed`; other
    /// events before.
    Ask {
        /// The question.
        ask: Ask,
    },
    /// Ends another request, waiting or running; it is answered with `aborted`. Nothing happens
    /// when it is over already. Has no reply of its own. A picture that is being looked at is not
    /// interrupted.
    Abort {
        /// Id of the request to end.
        target: u32,
    },
    /// Forgets picture and model. Ends with `unloaded`.
    Unload,
}

fn scene_side() -> u32 {
    384
}

/// Where the page wants the engine to compute.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BackendChoice {
    /// Whatever answers soonest here.
    #[default]
    Auto,
    /// The processor, with SIMD.
    Cpu,
    /// The graphics card; `no_webgpu` where that is not possible.
    Webgpu,
}

/// Where the engine computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    /// The processor, with SIMD, one thread.
    Cpu,
    /// The graphics card.
    Webgpu,
}

/// What the worker answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Reply {
    /// How far loading is.
    Progress {
        /// What is being done.
        phase: Phase,
        /// Bytes so far.
        bytes: u64,
        /// Bytes in all; 0 until that is known.
        total: u64,
        /// Estimated seconds until the last byte; none while there is nothing to estimate from.
        eta_s: Option<f64>,
    },
    /// The model is loaded.
    Ready(Ready),
    /// The picture was looked at; questions are about it from now on.
    ImageSet {
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
        /// How long that took.
        seconds: f64,
    },
    /// A scene. Beside it travel `rgba` (`width * height * 4` bytes) and `depth` (`width * height`
    /// 32-bit floats, metres), both row-major.
    Scene(Box<Scene>),
    /// A step of an answer. [`Event::Failed`] never comes this way, but as `failed`.
    Event {
        /// The step.
        event: Event,
    },
    /// The request was aborted.
    Aborted,
    /// Picture and model are forgotten.
    Unloaded,
    /// The request failed.
    Failed(Failure),
}

/// The stages of loading, which overlap when there are several shards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Bytes come from the network or the cache.
    Download,
    /// Bytes are checked against their sha-256.
    Verify,
    /// The model is filled with them.
    Build,
}

/// What was loaded, and where it computes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ready {
    /// Name of the model's preset.
    pub preset: String,
    /// How its weights are stored: `f32`, `f16`, `q8` or `q4`.
    pub quantisation: String,
    /// Number of parameters.
    pub parameters: u64,
    /// Bytes of the package.
    pub package_bytes: u64,
    /// Where it computes.
    pub backend: Backend,
    /// The graphics card's name, where one computes.
    pub adapter: Option<String>,
    /// True when every shard came from the browser's cache.
    pub cached: bool,
    /// Version of the engine.
    pub version: String,
}

/// A generated scene with its truth.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scene {
    /// The seed that made it.
    pub seed: u32,
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// The truth. Each object is a target with box and visible mask, people with joints. Turns are
    /// questions with their right answers; the first names every object, with its mask.
    pub record: Record,
}
