//! A browser under control, hands to use it with, and a server that can misbehave.

mod browser;
pub mod input;
mod server;

pub use browser::{Browser, Screen, decoded};
pub use server::{Fault, Server};
