//! What runs once when the module is instantiated.

use wasm_bindgen::prelude::wasm_bindgen;

unsafe extern "C" {
    fn __wasm_call_ctors();
}

/// Runs the static constructors, once.
///
/// Dependencies register things in static constructors. Where a module never names
/// `__wasm_call_ctors`, the linker takes it for a command, and wraps every export so that each
/// call from JavaScript runs all constructors again: milliseconds per call. Naming it here makes
/// the module a library whose constructors run now and never again.
#[wasm_bindgen(start)]
fn start() {
    // SAFETY: the linker defines this function without parameters or result, and the start
    // function runs once, before any other export.
    unsafe { __wasm_call_ctors() }
    // A panic aborts without a word; thrown, its text reaches the worker's error handler.
    std::panic::set_hook(Box::new(|info| wasm_bindgen::throw_str(&info.to_string())));
}
