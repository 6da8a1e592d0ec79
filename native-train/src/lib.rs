//! Everything around the model that needs files, under one roof: each part is a crate of its own.

pub use refvlm_draw as draw;
pub use refvlm_eval::{answers, clicks, coco, evaluate, hands, metrics, objects, report, work};
pub use refvlm_files::{distance, files, output, picture, records};
pub use refvlm_metrics as scores;
pub use refvlm_serve as serve;
pub use refvlm_train as train;
pub use refvlm_weights::{
    chat, fetch, huggingface, import, inspect, mean, merge, package, photo, presets, vocabulary,
};

/// The example in the documentation compiles.
#[cfg(doctest)]
#[doc = include_str!("../../docs/library.md")]
struct Library;
