//! What few need: how sure results have to be, what is shown of an answer's making, and how
//! tokens are chosen.

use super::store::Store;
use leptos::prelude::*;

#[component]
pub fn Settings() -> impl IntoView {
    let store = expect_context::<Store>();
    let greedy = move || store.draft.sampling.with(|s| s.temperature <= 0.0);
    let number = |ev| event_target_value(&ev).parse::<f64>().ok();
    view! {
        <fieldset class="settings">
            <legend class="sr">"Settings"</legend>
            <label class="wide">
                <span>{move || format!("Grey results below {:.0} %", store.talk.least.get() * 100.0)}</span>
                <input type="range" min="0" max="100" step="5"
                    prop:value=move || (store.talk.least.get() * 100.0).round().to_string()
                    on:input=move |ev| if let Some(v) = number(ev) {
                        store.talk.least.set((v.clamp(0.0, 100.0) / 100.0) as f32);
                    }/>
            </label>
            <label class="check">
                <input type="checkbox" prop:checked=move || store.talk.details.get()
                    on:change=move |ev| store.talk.details.set(event_target_checked(&ev))/>
                <span>"Plan and timings"</span>
            </label>
            <label>
                <span>"Temperature"</span>
                <input type="number" min="0" max="2" step="0.1"
                    prop:value=move || store.draft.sampling.with(|s| s.temperature.to_string())
                    on:change=move |ev| if let Some(v) = number(ev) {
                        store.draft.sampling.update(|s| s.temperature = v.clamp(0.0, 2.0) as f32);
                    }/>
            </label>
            <label>
                <span>"Top k"</span>
                <input type="number" min="0" max="1000" step="1" disabled=greedy
                    prop:value=move || store.draft.sampling.with(|s| s.top_k.to_string())
                    on:change=move |ev| if let Some(v) = number(ev) {
                        store.draft.sampling.update(|s| s.top_k = v.clamp(0.0, 1000.0) as usize);
                    }/>
            </label>
            <label>
                <span>"Top p"</span>
                <input type="number" min="0.05" max="1" step="0.05" disabled=greedy
                    prop:value=move || store.draft.sampling.with(|s| s.top_p.to_string())
                    on:change=move |ev| if let Some(v) = number(ev) {
                        store.draft.sampling.update(|s| s.top_p = v.clamp(0.05, 1.0) as f32);
                    }/>
            </label>
            <label>
                <span>"Seed"</span>
                <input type="number" min="0" step="1" disabled=greedy
                    prop:value=move || store.draft.sampling.with(|s| s.seed.to_string())
                    on:change=move |ev| if let Some(v) = number(ev) {
                        // What a double can count exactly.
                        store.draft.sampling.update(|s| s.seed = v.clamp(0.0, 9e15) as u64);
                    }/>
            </label>
            <label>
                <span>"Most tokens"</span>
                <input type="number" min="16" max="1024" step="16"
                    prop:value=move || store.draft.budget.get().to_string()
                    on:change=move |ev| if let Some(v) = number(ev) {
                        store.draft.budget.set(v.clamp(16.0, 1024.0) as usize);
                    }/>
            </label>
            <label class="check">
                <input type="checkbox" prop:checked=move || store.draft.constrained.get()
                    on:change=move |ev| store.draft.constrained.set(event_target_checked(&ev))/>
                <span>"Grammar"</span>
            </label>
        </fieldset>
    }
}
