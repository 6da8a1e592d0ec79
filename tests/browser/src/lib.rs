//! A browser under control, and a server that can misbehave.

mod browser;
mod server;

pub use browser::Browser;
pub use server::{Fault, Server};
