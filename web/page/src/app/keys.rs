//! Everything by keyboard.

use super::store::Store;
use crate::canvas::geometry::{Place, inside};
use crate::canvas::tools::{Input, Tool};
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::{Element, EventTarget, KeyboardEvent};

/// Whether keys go into a field.
pub fn in_field(target: Option<EventTarget>) -> bool {
    matches(target, "input:not([type=range]), textarea, select, dialog *")
}

/// Whether Space and Enter press a button.
pub fn on_button(target: Option<EventTarget>) -> bool {
    matches(target, "button, a, summary, input, [role=radio]")
}

fn matches(target: Option<EventTarget>, selector: &str) -> bool {
    let element = target.and_then(|target| target.dyn_into::<Element>().ok());
    element.is_some_and(|element| element.matches(selector).unwrap_or(false))
}

/// Keys that work wherever no field has them.
pub fn anywhere(store: Store, ev: &KeyboardEvent) {
    let stops = ev.key() == "Escape" && untrack(|| store.talk.busy());
    if stops && !ev.default_prevented() {
        store.stop();
        ev.prevent_default();
        return;
    }
    if in_field(ev.target()) || ev.default_prevented() || ev.alt_key() {
        return;
    }
    let command = ev.ctrl_key() || ev.meta_key();
    match (ev.key().to_lowercase().as_str(), command) {
        ("z", true) if ev.shift_key() => store.redo(),
        ("z", true) => store.undo(),
        ("y", true) => store.redo(),
        (_, true) => return,
        ("[", _) => store.canvas.brush.update(|b| *b = (*b / 1.2).max(0.004)),
        ("]", _) => store.canvas.brush.update(|b| *b = (*b * 1.2).min(0.25)),
        ("+" | "=", _) => store.zoom(1.25, None),
        ("-", _) => store.zoom(0.8, None),
        ("0", _) => store.fit(),
        ("?", _) => store.link.help.set(true),
        ("delete" | "backspace", _) => {
            match store.canvas.shown.with_untracked(|board| board.selected) {
                Some(id) => store.remove(id),
                None => return,
            }
        }
        ("escape", _) => {
            if store.canvas.gesture.with_untracked(crate::canvas::tools::Gesture::active) {
                store.gesture_input(Input::Cancel, store.canvas.tool.get_untracked());
            } else {
                store.select(None);
                store.canvas.crosshair.set(None);
            }
        }
        (digit, _) => {
            let number = digit.parse::<usize>().ok().and_then(|n| n.checked_sub(1));
            match number.and_then(|n| Tool::ALL.get(n)) {
                Some(tool) => store.pick(*tool),
                None => return,
            }
        }
    }
    ev.prevent_default();
}

/// Keys of the canvas: arrows move a crosshair, Enter presses and releases there.
pub fn on_canvas(store: Store, ev: &KeyboardEvent) {
    if ev.ctrl_key() || ev.meta_key() || ev.alt_key() {
        return;
    }
    let Some(size) = store.canvas.picture.with_untracked(|p| p.as_ref().map(|p| p.size)) else {
        return;
    };
    let step = size[0].max(size[1]) as f32 / if ev.shift_key() { 20.0 } else { 100.0 };
    let tool = store.canvas.tool.get_untracked();
    let at = store
        .canvas
        .crosshair
        .get_untracked()
        .unwrap_or([size[0] as f32 / 2.0, size[1] as f32 / 2.0]);
    let by: Place = match ev.key().as_str() {
        "ArrowLeft" => [-step, 0.0],
        "ArrowRight" => [step, 0.0],
        "ArrowUp" => [0.0, -step],
        "ArrowDown" => [0.0, step],
        "Enter" => {
            ev.prevent_default();
            store.canvas.crosshair.set(Some(at));
            let clicks = matches!(tool, Tool::Point | Tool::Negative);
            if store.canvas.gesture.with_untracked(crate::canvas::tools::Gesture::active) {
                // A box needs its second corner pressed as well as released.
                store.gesture_input(Input::Down(at), tool);
                store.gesture_input(Input::Up(at), tool);
            } else {
                store.gesture_input(Input::Down(at), tool);
                if clicks || tool == Tool::Box {
                    store.gesture_input(Input::Up(at), tool);
                }
            }
            return;
        }
        _ => return,
    };
    ev.prevent_default();
    let at = inside([at[0] + by[0], at[1] + by[1]], size);
    store.canvas.crosshair.set(Some(at));
    store.gesture_input(Input::Move(at), tool);
}

impl Store {
    /// Takes a tool; what was half drawn is given up.
    pub fn pick(self, tool: Tool) {
        self.gesture_input(Input::Cancel, self.canvas.tool.get_untracked());
        self.canvas.tool.set(tool);
    }
}
