//! An HTTP server around one model.
//!
//! [`Server`] listens and hands requests to `routes`; these read them (`chat`, `label_studio`,
//! `cvat`), and `app` takes their questions to a worker by way of the `queue`. Only a `worker` knows
//! a session, so a slow client never holds up the model.

mod app;
mod chat;
mod cvat;
mod failure;
mod interact;
mod json;
mod label_studio;
mod photos;
mod prompts;
mod queue;
mod reply;
mod routes;
mod server;
mod settings;
mod site;
mod worker;

pub use server::{ServeError, Server, Stopper};
pub use settings::{LabelStudio, Limits, Settings};
