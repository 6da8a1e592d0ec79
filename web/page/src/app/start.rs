//! What runs once when the module is instantiated.

use wasm_bindgen::prelude::wasm_bindgen;

unsafe extern "C" {
    fn __wasm_call_ctors();
}

/// Runs the static constructors, once, and starts the page.
///
/// Where a module never names `__wasm_call_ctors`, the linker takes it for a command and runs all
/// constructors again at each call from JavaScript; the engine's `start.rs` says more.
#[wasm_bindgen(start)]
fn start() {
    // SAFETY: the linker defines this function without parameters or result, and the start
    // function runs once, before any other export.
    unsafe { __wasm_call_ctors() }
    super::run();
}
