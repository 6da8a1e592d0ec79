//! Which model answers: the one that the picture needs, unless the person says otherwise.

use super::icons::{Glyph, Icon};
use super::store::Store;
use crate::models::{Choice, Held, Kind};
use crate::take_home::transcript::bytes;
use leptos::html;
use leptos::prelude::*;
use wasm_bindgen::JsCast;

/// The name of the model that answers, and behind it all that can be chosen.
#[component]
pub fn Chooser() -> impl IntoView {
    let store = expect_context::<Store>();
    let open = RwSignal::new(false);
    let place = NodeRef::<html::Div>::new();
    let button = NodeRef::<html::Button>::new();
    let within = move |target: Option<web_sys::EventTarget>| {
        let target = target.and_then(|target| target.dyn_into::<web_sys::Node>().ok());
        place.get_untracked().is_some_and(|place| place.contains(target.as_ref()))
    };
    let outside = window_event_listener(leptos::ev::pointerdown, move |ev| {
        if !within(ev.target()) {
            open.set(false);
        }
    });
    on_cleanup(move || outside.remove());
    let name = move || {
        let models = store.link.models.get();
        match models.held() {
            Held::Loading(kind) | Held::Ready(kind) => kind.name(),
            Held::Nothing | Held::Failed(_) => models.choice().name(),
        }
    };
    let close = move || {
        open.set(false);
        if let Some(button) = button.get_untracked() {
            let _ = button.focus();
        }
    };
    view! {
        <div class="chooser" node_ref=place
            on:keydown=move |ev| if ev.key() == "Escape" && open.get_untracked() {
                ev.prevent_default();
                close();
            }
            on:focusout=move |ev| if ev.related_target().is_some() && !within(ev.related_target()) {
                open.set(false);
            }>
            <button type="button" class="toggle" node_ref=button
                title="Which model answers" aria-label=move || format!("Model: {}", name())
                aria-expanded=move || open.get().to_string()
                on:click=move |_| {
                    open.update(|open| *open = !*open);
                    if open.get_untracked() {
                        store.look_up_sizes();
                    }
                }>
                <span>{name}</span>
                <Glyph icon=Icon::Chevron/>
            </button>
            <Show when=move || open.get()>
                <ul class="sheet" aria-label="Which model answers">
                    {Choice::ALL.map(|choice| view! {
                        <li><Item choice=choice chosen=close/></li>
                    }).collect_view()}
                </ul>
            </Show>
        </div>
    }
}

#[component]
fn Item(choice: Choice, chosen: impl Fn() + Copy + 'static) -> impl IntoView {
    let store = expect_context::<Store>();
    let absent = move || {
        choice == Choice::Always(Kind::Photo)
            && store.link.models.with(|models| models.photos_absent())
    };
    let size = move || match choice {
        Choice::Automatic => None,
        _ if absent() => Some("not on this server".to_string()),
        Choice::Always(kind) => store.link.models.with(|models| models.bytes(kind)).map(bytes),
    };
    let words = match choice {
        Choice::Automatic => "Photos for your pictures, drawn scenes for new scenes.",
        Choice::Always(kind) => kind.knows(),
    };
    let is = move || store.link.models.with(|models| models.choice() == choice);
    view! {
        <button type="button" aria-pressed=move || is().to_string() disabled=absent
            on:click=move |_| {
                store.choose(choice);
                chosen();
            }>
            <span class="choice">{choice.name()}<span class="size">{size}</span></span>
            <span class="words">{words}</span>
        </button>
    }
}
