//! The application: signals, DOM and canvas.

mod ask;
mod chooser;
mod client;
mod conversation;
mod export;
mod help;
mod icons;
mod keys;
mod layers;
mod models;
mod paint;
mod picture;
mod rail;
mod settings;
mod sight;
mod source;
mod stage;
mod start;
mod state;
mod store;
mod talk;
mod theme;
mod top;

use ask::Composer;
use icons::{Glyph, Icon};
use leptos::prelude::*;
use rail::{BrushSize, Rail, StageBar};
use source::{Camera, Start};
use stage::Stage;
use store::Store;
use talk::Talk;
use top::{Failed, Top};
use web_sys::{ClipboardEvent, DragEvent};

#[component]
fn App() -> impl IntoView {
    let store = Store::new();
    provide_context(store);
    store.suggest();
    store.follow();
    conversation::follow_live(store);
    window_event_listener(leptos::ev::keydown, move |ev| keys::anywhere(store, &ev));
    window_event_listener(leptos::ev::paste, move |ev: ClipboardEvent| {
        // From Word or Excel come words and a picture of them: in a field, the words are meant.
        let words = ev.clipboard_data().and_then(|data| data.get_data("text/plain").ok());
        if keys::in_field(ev.target()) && words.is_some_and(|words| !words.is_empty()) {
            return;
        }
        if store.open_transfer(ev.clipboard_data()) {
            ev.prevent_default();
        }
    });
    let over = RwSignal::new(false);
    let drop = move |ev: DragEvent| {
        ev.prevent_default();
        over.set(false);
        store.open_transfer(ev.data_transfer());
    };
    let open = move || store.canvas.picture.with(Option::is_some);
    view! {
        <div class="page" class:over=move || over.get() class:open=open
            class:asked=move || store.talk.turns.with(|turns| !turns.is_empty())
            on:dragover=move |ev| {
                ev.prevent_default();
                over.set(true);
            }
            on:dragleave=move |ev: DragEvent| if ev.related_target().is_none() {
                over.set(false);
            }
            on:drop=drop>
            <Top/>
            <Failed/>
            <main class="work">
                <section class="stage" aria-label="Picture" aria-busy=move || {
                    (open() && !store.link.seen.get()).to_string()
                }>
                    <Stage/>
                    <Show when=open fallback=|| view! { <Start/> }>
                        <Rail/>
                        <BrushSize/>
                        <StageBar/>
                    </Show>
                </section>
                <Show when=open>
                    <section class="talk" aria-label="Questions and answers">
                        <Talk/>
                        <Composer/>
                    </section>
                </Show>
            </main>
            <Notices/>
            <Camera/>
            <help::Help/>
        </div>
    }
}

/// What the person has to know; news goes by itself.
#[component]
fn Notices() -> impl IntoView {
    let store = expect_context::<Store>();
    Effect::new(move |_| {
        let notice = store.link.notice.get();
        if notice.as_ref().is_some_and(|notice| !notice.fault && !notice.undo) {
            let gone = move || {
                if store.link.notice.get_untracked() == notice {
                    store.link.notice.set(None);
                }
            };
            set_timeout(gone, std::time::Duration::from_secs(3));
        }
    });
    view! {
        <div class="notices" aria-live="assertive">
            {move || store.link.notice.get().map(|notice| view! {
                <div class="notice" class:fault=notice.fault>
                    <span>{notice.message}</span>
                    {notice.undo.then(|| view! {
                        <button type="button" class="button" on:click=move |_| store.back()>
                            <Glyph icon=Icon::Undo/><span>"Back"</span>
                        </button>
                    })}
                    <button type="button" class="x" aria-label="Close" on:click=move |_| store.link.notice.set(None)>
                        <Glyph icon=Icon::Close/>
                    </button>
                </div>
            })}
        </div>
    }
}

/// Puts the application on the page.
pub fn run() {
    mount_to_body(App);
}
