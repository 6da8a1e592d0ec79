//! The engine and its API in a real browser, against the same engine natively.

mod answers;
mod api;
mod asking;
mod at_once;
mod bounds;
mod faults;
mod figures;
mod hands;
mod hosts;
mod known;
mod models;
mod page;
mod pictures;
mod states;
mod storage;
mod taken;
mod walk;
mod webgpu;

use refvlm_browser_tests::{Browser, Server};

/// Loads the model into `window.model` of an empty page.
const LOAD: &str = "
    const { RefVlm } = await import(new URL('engine/refvlm.js', location.href));
    window.RefVlm = RefVlm;
    window.progress = [];
    window.model = await RefVlm.load('models/scenes', { onProgress: (p) => progress.push(p) });
    return model.info;";

/// Makes `window.RefVlm` without loading anything.
const IMPORT: &str = "
    window.RefVlm = (await import(new URL('engine/refvlm.js', location.href))).RefVlm;";

/// An empty page of the site.
fn blank(server: &Server) -> Browser {
    Browser::open(server, "blank.html")
}
