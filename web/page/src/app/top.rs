//! The bar at the top: where pictures come from, how the engine is, light and dark.

use super::chooser::Chooser;
use super::icons::{Glyph, Icon};
use super::rail::IconButton;
use super::source::Sources;
use super::state::Engine;
use super::store::Store;
use super::theme;
use crate::models::Models;
use crate::take_home::transcript::{bytes, count, seconds, sentences};
use leptos::prelude::*;
use refvlm_protocol::{Backend, Phase, Ready};

#[component]
pub fn Top() -> impl IntoView {
    let store = expect_context::<Store>();
    view! {
        <header class="top">
            <h1 class="brand">
                <svg viewBox="0 0 24 24" aria-hidden="true">
                    <path d="M8 4H5.5A1.5 1.5 0 0 0 4 5.5v13A1.5 1.5 0 0 0 5.5 20H8M16 4h2.5A1.5 1.5 0 0 1 20 5.5v13a1.5 1.5 0 0 1-1.5 1.5H16"/>
                    <circle cx="12" cy="12" r="3.2"/>
                </svg>
                "REF-VLM"
            </h1>
            <Show when=move || store.canvas.picture.with(Option::is_some)><Sources/></Show>
            <span class="gap"></span>
            <EngineState/>
            <Chooser/>
            <IconButton icon=Icon::Help name="Help".to_string() key="?" press=move || store.link.help.set(true)/>
            <theme::Switch/>
        </header>
    }
}

#[component]
fn EngineState() -> impl IntoView {
    let store = expect_context::<Store>();
    view! {
        <div class="engine" role="status" aria-busy=move || {
            matches!(store.link.engine.get(), Engine::Loading { .. }).to_string()
        }>
            {move || match store.link.engine.get() {
                Engine::Idle => view! { <Idle/> }.into_any(),
                Engine::Loading { phase, bytes, total, eta_s } => view! {
                    <Loading phase=phase bytes=bytes total=total eta_s=eta_s/>
                }.into_any(),
                Engine::Ready(ready) => view! { <Loaded ready=ready/> }.into_any(),
                Engine::Failed(_) => view! {
                    <span class="loaded"><span class="led off" aria-hidden="true"></span>"No engine"</span>
                }.into_any(),
            }}
            // Not part of what changes with each progress, or it could not be pressed.
            <Show when=move || matches!(store.link.engine.get(), Engine::Loading { .. })>
                <button type="button" class="x" title="Stop loading" aria-label="Stop loading"
                    on:click=move |_| store.stop_loading()>
                    <Glyph icon=Icon::Close/>
                </button>
            </Show>
        </div>
    }
}

/// Why there is no engine, and the way to get it back.
#[component]
pub fn Failed() -> impl IntoView {
    let store = expect_context::<Store>();
    let failure = move || match store.link.engine.get() {
        Engine::Failed(failure) => Some(failure),
        _ => None,
    };
    view! {
        <div class="failed" role="alert">
            {move || failure().map(|failure| sentences(&failure)).map(|[message, remedy]| view! {
                <p><strong>{message}</strong>" "{remedy}</p>
                <button type="button" class="button" on:click=move |_| store.retry()>
                    <Glyph icon=Icon::Retry/><span>"Retry"</span>
                </button>
            })}
        </div>
    }
}

#[component]
fn Loading(phase: Phase, bytes: u64, total: u64, eta_s: Option<f64>) -> impl IntoView {
    let words = match (phase, total) {
        (Phase::Download, 0) => "Loading".to_string(),
        (Phase::Download, total) => {
            let eta = eta_s.filter(|s| *s >= 1.0).map(|s| format!(" \u{b7} {}", seconds(s)));
            format!("{} of {}{}", self::bytes(bytes), self::bytes(total), eta.unwrap_or_default())
        }
        (Phase::Verify, _) => "Checking".into(),
        (Phase::Build, _) => "Preparing".into(),
    };
    let share = if total > 0 { bytes as f64 / total as f64 * 100.0 } else { 0.0 };
    view! {
        <span class="loading">
            <svg class="bar" viewBox="0 0 100 3" preserveAspectRatio="none" aria-hidden="true">
                <rect width="100" height="3" class="rest"/>
                <rect width=format!("{share:.1}") height="3" class="part"/>
            </svg>
            <span>{words}</span>
        </span>
    }
}

/// No model is there, and none is on its way.
#[component]
fn Idle() -> impl IntoView {
    let store = expect_context::<Store>();
    let paused = move || store.link.models.with(Models::paused);
    view! {
        <Show when=paused fallback=|| view! {
            <span class="idle">"The model loads with the first picture."</span>
        }>
            <button type="button" class="button" on:click=move |_| store.retry()>
                <Glyph icon=Icon::Retry/><span>"Load the model"</span>
            </button>
        </Show>
    }
}

#[component]
fn Loaded(ready: Ready) -> impl IntoView {
    let place = match ready.backend {
        Backend::Cpu => "CPU".to_string(),
        Backend::Webgpu => match &ready.adapter {
            Some(adapter) => format!("WebGPU \u{b7} {adapter}"),
            None => "WebGPU".into(),
        },
    };
    let about = format!(
        "{} \u{b7} {} parameters \u{b7} {} \u{b7} {}{} \u{b7} {}",
        ready.preset,
        count(ready.parameters),
        ready.quantisation,
        bytes(ready.package_bytes),
        if ready.cached { " from the cache" } else { "" },
        ready.version,
    );
    view! {
        <span class="loaded" title=about>
            <span class="led" aria-hidden="true"></span>
            <span>{place}</span>
        </span>
    }
}
