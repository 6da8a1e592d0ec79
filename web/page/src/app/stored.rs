//! What the session keeps of a person's choices. Storage may be forbidden; then nothing is kept.

use crate::models::Choice;
use leptos::prelude::window;

/// Where the choice of the model is kept.
const MODEL: &str = "refvlm-model";

/// The model that the person chose earlier in this session.
pub fn stored_choice() -> Choice {
    let storage = window().session_storage().ok().flatten();
    let key = storage.and_then(|storage| storage.get_item(MODEL).ok().flatten());
    Choice::of_key(key.as_deref())
}

/// Keeps the choice of the model for this session.
pub fn keep_choice(choice: Choice) {
    if let Some(storage) = window().session_storage().ok().flatten() {
        let _ = storage.set_item(MODEL, choice.key());
    }
}
