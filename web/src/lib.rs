//! REF-VLM in a browser tab: what JavaScript can call.
//!
//! Everything of substance is an ordinary Rust function that native tests reach; the exports only
//! turn its errors into JavaScript's.

mod records;
#[cfg(target_arch = "wasm32")]
mod start;

pub use records::{RecordsError, check_records};

use wasm_bindgen::prelude::{JsError, wasm_bindgen};

/// Version of the engine, so that a page can tell which one it loaded.
#[wasm_bindgen]
pub fn version() -> String {
    env!("CARGO_PKG_VERSION").into()
}

/// Checks records in JSON Lines.
///
/// # Errors
/// The first broken record, naming its line and field.
#[wasm_bindgen]
pub fn records_check(json: &str) -> Result<(), JsError> {
    Ok(check_records(json)?)
}
