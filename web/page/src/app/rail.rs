//! The tools beside the canvas, and the buttons on it.

use super::icons::{Glyph, Icon};
use super::store::Store;
use crate::canvas::tools::Tool;
use leptos::prelude::*;

fn icon(tool: Tool) -> Icon {
    match tool {
        Tool::Move => Icon::Move,
        Tool::Point => Icon::Point,
        Tool::Negative => Icon::Negative,
        Tool::Box => Icon::Box,
        Tool::Scribble => Icon::Scribble,
        Tool::Brush => Icon::Brush,
        Tool::Eraser => Icon::Eraser,
    }
}

/// A button with an icon and a name that is read and shown on hover.
#[component]
pub fn IconButton(
    #[prop(into)] icon: Signal<Icon>,
    #[prop(into)] name: Signal<String>,
    #[prop(optional, into)] key: &'static str,
    #[prop(optional, into)] pressed: Option<Signal<bool>>,
    #[prop(optional, into)] disabled: Signal<bool>,
    press: impl Fn() + 'static,
) -> impl IntoView {
    let title = move || match key {
        "" => name.get(),
        key => format!("{} ({key})", name.get()),
    };
    view! {
        <button
            type="button"
            class="tool"
            title=title
            aria-label=move || name.get()
            aria-pressed=move || pressed.map(|pressed| pressed.get().to_string())
            disabled=move || disabled.get()
            on:click=move |_| press()
        >
            <Glyph icon=icon/>
        </button>
    }
}

#[component]
pub fn Rail() -> impl IntoView {
    let store = expect_context::<Store>();
    const KEYS: [&str; 7] = ["1", "2", "3", "4", "5", "6", "7"];
    let tools = Tool::ALL.into_iter().zip(KEYS).map(|(tool, key)| {
        view! {
            <IconButton
                icon=icon(tool)
                name=tool.name().to_string()
                key=key
                pressed=Signal::derive(move || store.canvas.tool.get() == tool)
                press=move || store.pick(tool)
            />
        }
    });
    view! {
        <div class="rail" role="toolbar" aria-label="Tools" aria-orientation="vertical">
            <div class="group">{tools.collect_view()}</div>
            <div class="group">
                <IconButton icon=Icon::Undo name="Undo".to_string() key="Ctrl+Z"
                    disabled=Signal::derive(move || store.canvas.history.with(|h| !h.can_undo()))
                    press=move || store.undo()/>
                <IconButton icon=Icon::Redo name="Redo".to_string() key="Ctrl+Shift+Z"
                    disabled=Signal::derive(move || store.canvas.history.with(|h| !h.can_redo()))
                    press=move || store.redo()/>
                <IconButton icon=Icon::Clear name="Clear prompts".to_string()
                    disabled=Signal::derive(move || store.canvas.shown.with(|b| b.marks.is_empty()))
                    press=move || store.clear()/>
            </div>
        </div>
    }
}

/// The size of the brush, where it matters. Its track is logarithmic: 0.4 to 25 % of the picture.
#[component]
pub fn BrushSize() -> impl IntoView {
    let store = expect_context::<Store>();
    let (low, high) = (0.004_f32.ln(), 0.25_f32.ln());
    let at =
        move || ((store.canvas.brush.get().ln() - low) / (high - low) * 100.0).round().to_string();
    let set = move |ev| {
        let share: f32 = event_target_value(&ev).parse().unwrap_or(50.0) / 100.0;
        store.canvas.brush.set((low + share * (high - low)).exp());
    };
    view! {
        <Show when=move || store.canvas.tool.get().sized() && store.canvas.picture.with(Option::is_some)>
            <label class="brush" title="Brush size ([ and ])">
                <span class="dot small" aria-hidden="true"></span>
                <input type="range" min="0" max="100" aria-label="Brush size" prop:value=at on:input=set/>
                <span class="dot large" aria-hidden="true"></span>
            </label>
        </Show>
    }
}

/// Zoom, and what lies over the picture.
#[component]
pub fn StageBar() -> impl IntoView {
    let store = expect_context::<Store>();
    let zoom = move || format!("{:.0} %", store.canvas.view.with(|view| view.scale) * 100.0);
    let has_truth =
        move || store.canvas.picture.with(|p| p.as_ref().is_some_and(|p| p.truth.is_some()));
    view! {
        <div class="stagebar left" role="toolbar" aria-label="Zoom">
            <IconButton icon=Icon::Minus name="Zoom out".to_string() key="-" press=move || store.zoom(0.8, None)/>
            <span class="zoom" aria-live="off">{zoom}</span>
            <IconButton icon=Icon::Plus name="Zoom in".to_string() key="+" press=move || store.zoom(1.25, None)/>
            <IconButton icon=Icon::Fit name="Fit".to_string() key="0" press=move || store.fit()/>
        </div>
        <div class="stagebar right" role="toolbar" aria-label="Layers">
            <Show when=has_truth>
                <Toggle icon=Icon::Truth name="Truth" on=store.talk.truth/>
            </Show>
            <Toggle icon=Icon::Eye name="Results" on=store.talk.results/>
            <Toggle icon=Icon::Live name="Live" on=store.talk.live/>
        </div>
    }
}

#[component]
fn Toggle(icon: Icon, name: &'static str, on: RwSignal<bool>) -> impl IntoView {
    view! {
        <button type="button" class="toggle" aria-pressed=move || on.get().to_string()
            on:click=move |_| on.update(|on| *on = !*on)>
            <Glyph icon=icon/>
            <span>{name}</span>
        </button>
    }
}
