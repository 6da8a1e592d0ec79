//! The canvas and what pointers do on it.

use super::keys;
use super::layers::Layers;
use super::paint::{cursor, sight};
use super::picture::context;
use super::sight::Sight;
use super::state::Focus;
use super::store::Store;
use crate::canvas::geometry::{Place, View};
use crate::canvas::marks::Board;
use crate::canvas::tools::{Input, Outcome, Setting, Tool};
use leptos::html;
use leptos::prelude::*;
use std::collections::BTreeMap;
use wasm_bindgen::prelude::*;
use web_sys::{HtmlCanvasElement, PointerEvent, ResizeObserver, WheelEvent};

/// Around a fitted picture, CSS px: left, top, right, bottom. On the left are the tools, below the
/// zoom; on narrow screens they lie outside of the canvas.
const AROUND: [f32; 4] = [74.0, 26.0, 26.0, 74.0];
const AROUND_NARROW: [f32; 4] = [10.0; 4];
/// How close to a thing counts as on it, CSS px.
const REACH: f32 = 11.0;

impl Store {
    /// The whole picture in sight.
    pub fn fit(self) {
        if let Some(size) = self.canvas.picture.with_untracked(|p| p.as_ref().map(|p| p.size)) {
            self.canvas.fitted.set(true);
            self.canvas.view.set(View::fit(size, self.canvas.size.get_untracked(), self.around()));
        }
    }

    fn around(self) -> [f32; 4] {
        if self.canvas.size.get_untracked()[0] < 560.0 { AROUND_NARROW } else { AROUND }
    }

    fn fit_scale(self) -> f32 {
        let size = self.canvas.picture.with_untracked(|p| p.as_ref().map_or([1, 1], |p| p.size));
        View::fit(size, self.canvas.size.get_untracked(), self.around()).scale
    }

    /// Zooms around a place on the screen, or the middle.
    pub fn zoom(self, factor: f32, at: Option<Place>) {
        let middle = self.canvas.size.get_untracked().map(|side| side / 2.0);
        let fit = self.fit_scale();
        self.canvas.fitted.set(false);
        self.canvas.view.update(|view| *view = view.zoomed(factor, at.unwrap_or(middle), fit));
    }

    /// Moves the picture on the screen.
    pub fn pan(self, by: Place) {
        let Some(size) = self.canvas.picture.with_untracked(|p| p.as_ref().map(|p| p.size)) else {
            return;
        };
        self.canvas.fitted.set(false);
        let canvas = self.canvas.size.get_untracked();
        self.canvas.view.update(|view| *view = view.panned(by, size, canvas));
    }

    /// Has a negative point cut what live mode shows for the mark, which is what the person sees too
    /// much of.
    fn cut_from_found(self, before: &Board, next: &mut Board) {
        let Some(mark) = next.selected.and_then(|id| next.get_mut(id)) else { return };
        let found = self.talk.live_masks.with_untracked(|masks| {
            let live = masks.get(&mark.id).filter(|live| before.get(mark.id) == Some(&live.mark));
            live.and_then(|live| live.found.as_ref()?.mask.clone())
        });
        if let Some(found) = found {
            mark.cut_from(found);
        }
    }

    /// Feeds a gesture; `tool` overrides the chosen one for a right click.
    pub fn gesture_input(self, input: Input, tool: Tool) {
        let Some(size) = self.canvas.picture.with_untracked(|p| p.as_ref().map(|p| p.size)) else {
            return;
        };
        let setting = Setting {
            tool,
            radius: untrack(|| self.radius()),
            reach: REACH / self.canvas.view.with_untracked(|view| view.scale),
            picture_px: size,
        };
        let board = self.canvas.history.with_untracked(|history| history.now().clone());
        let outcome = self
            .canvas
            .gesture
            .try_update_untracked(|gesture| gesture.take(input, &board, setting))
            .unwrap_or(Outcome::Nothing);
        match outcome {
            Outcome::Nothing => {}
            Outcome::Preview(board) => self.preview(board),
            Outcome::Keep(board)
                if board.marks == self.canvas.history.with_untracked(|h| h.now().marks.clone()) =>
            {
                self.select(board.selected);
            }
            Outcome::Keep(mut next) => {
                if tool == Tool::Negative {
                    self.cut_from_found(&board, &mut next);
                }
                self.keep(next);
            }
            Outcome::Back(board) => self.settle(board),
        }
    }
}

/// What the pointers on the canvas are doing.
#[derive(Default)]
struct Pointers {
    down: BTreeMap<i32, Place>,
    panning: bool,
    pinching: bool,
    tool: Tool,
    space: bool,
}

#[component]
pub fn Stage() -> impl IntoView {
    let store = expect_context::<Store>();
    let canvas = NodeRef::<html::Canvas>::new();
    let pointers = StoredValue::new_local(Pointers::default());
    watch_size(store, canvas);
    draw_when_needed(store, canvas);
    let space = move |held: bool| pointers.update_value(|p| p.space = held);
    let typing = |ev: &web_sys::KeyboardEvent| keys::in_field(ev.target());
    window_event_listener(leptos::ev::keydown, move |ev| {
        if ev.key() == " " && !typing(&ev) && !keys::on_button(ev.target()) {
            ev.prevent_default();
            space(true);
        }
    });
    window_event_listener(leptos::ev::keyup, move |ev| {
        if ev.key() == " " {
            space(false);
        }
    });

    let down = move |ev: PointerEvent| {
        if store.canvas.picture.with_untracked(Option::is_none) {
            return;
        }
        let at = place(&ev);
        if let Some(canvas) = canvas.get_untracked() {
            let _ = canvas.set_pointer_capture(ev.pointer_id());
        }
        store.canvas.crosshair.set(None);
        pointers.update_value(|p| {
            p.down.insert(ev.pointer_id(), at);
            if p.down.len() == 2 {
                p.pinching = true;
                p.panning = false;
                store.gesture_input(Input::Cancel, p.tool);
                return;
            }
            if ev.button() == 1 || p.space {
                p.panning = true;
                return;
            }
            let chosen = store.canvas.tool.get_untracked();
            let negative = ev.button() == 2 || (ev.shift_key() && chosen != Tool::Move);
            p.tool = if negative { Tool::Negative } else { chosen };
            let at = store.canvas.view.with_untracked(|view| view.to_picture(at));
            store.gesture_input(Input::Down(at), p.tool);
        });
    };
    let moved = move |ev: PointerEvent| {
        let at = place(&ev);
        let on_picture = store.canvas.view.with_untracked(|view| view.to_picture(at));
        let sized = ev.pointer_type() != "touch" && store.canvas.tool.get_untracked().sized();
        if sized || store.canvas.pointer.get_untracked().is_some() {
            store.canvas.pointer.set(sized.then_some(on_picture));
        }
        pointers.update_value(|p| {
            let before: Vec<Place> = p.down.values().copied().collect();
            let Some(last) = p.down.get_mut(&ev.pointer_id()) else {
                // A box between its two clicks follows the pointer.
                store.gesture_input(Input::Move(on_picture), p.tool);
                point_at(store, on_picture);
                return;
            };
            let by = [at[0] - last[0], at[1] - last[1]];
            *last = at;
            if p.pinching {
                let now: Vec<Place> = p.down.values().copied().collect();
                if let ([a, b], [c, d]) = (before.as_slice(), now.as_slice()) {
                    let fit = store.fit_scale();
                    store.canvas.fitted.set(false);
                    store.canvas.view.update(|view| *view = view.pinched([*a, *b], [*c, *d], fit));
                }
            } else if p.panning {
                store.pan(by);
            } else {
                store.gesture_input(Input::Move(on_picture), p.tool);
            }
        });
    };
    let up = move |ev: PointerEvent, cancelled: bool| {
        let at = store.canvas.view.with_untracked(|view| view.to_picture(place(&ev)));
        pointers.update_value(|p| {
            if p.down.remove(&ev.pointer_id()).is_none() {
                return;
            }
            let still = p.pinching || p.panning;
            if p.down.is_empty() {
                (p.pinching, p.panning) = (false, false);
            }
            if !still {
                let input = if cancelled { Input::Cancel } else { Input::Up(at) };
                store.gesture_input(input, p.tool);
            }
        });
    };
    let wheel = move |ev: WheelEvent| {
        ev.prevent_default();
        let at = [ev.offset_x() as f32, ev.offset_y() as f32];
        // Lines or pages instead of px, as some mice say.
        let unit = if ev.delta_mode() == 0 { 1.0 } else { 24.0 };
        let by = (ev.delta_y() * unit).clamp(-240.0, 240.0) as f32;
        store.zoom((-by * 0.0022).exp(), Some(at));
    };
    let label =
        move || match store.canvas.picture.with(|p| p.as_ref().map(|p| (p.name.clone(), p.size))) {
            Some((name, [w, h])) => {
                format!("{name}, {w} by {h} px. Arrows move a crosshair, Enter draws.")
            }
            None => "No picture".into(),
        };
    view! {
        <canvas
            node_ref=canvas
            class="canvas"
            class:grab=move || store.canvas.tool.get() == Tool::Move
            class:keyed=move || store.canvas.crosshair.get().is_some()
            class:none=move || store.canvas.picture.with(Option::is_none)
            tabindex=move || if store.canvas.picture.with(Option::is_some) { "0" } else { "-1" }
            role="application"
            aria-label=label
            on:pointerdown=down
            on:pointermove=moved
            on:pointerup=move |ev| up(ev, false)
            on:pointercancel=move |ev| up(ev, true)
            on:pointerleave=move |_| {
                store.canvas.pointer.set(None);
                store.talk.focus.set(None);
            }
            on:wheel=wheel
            on:contextmenu=|ev| ev.prevent_default()
            on:keydown=move |ev| keys::on_canvas(store, &ev)
            on:focus=move |_| if seen(canvas) {
                let size = store.canvas.picture.with_untracked(|p| p.as_ref().map(|p| p.size));
                store.canvas.crosshair.set(size.map(|size| size.map(|side| side as f32 / 2.0)));
            }
            on:blur=move |_| store.canvas.crosshair.set(None)
        ></canvas>
    }
}

/// Whether the focus came by keys.
fn seen(canvas: NodeRef<html::Canvas>) -> bool {
    canvas.get_untracked().is_some_and(|canvas| canvas.matches(":focus-visible").unwrap_or(false))
}

fn place(ev: &PointerEvent) -> Place {
    [ev.offset_x() as f32, ev.offset_y() as f32]
}

/// Points at the result under the pointer.
fn point_at(store: Store, at: Place) {
    let hit = store.shown_answer(|answer| answer.at(at)).flatten();
    let focus = hit
        .filter(|_| store.talk.results.get_untracked())
        .map(|(triplet, index)| Focus::Result { triplet, index: Some(index) });
    if store.talk.focus.get_untracked() != focus {
        store.talk.focus.set(focus);
    }
}

/// Keeps the canvas as large as its place.
fn watch_size(store: Store, canvas: NodeRef<html::Canvas>) {
    Effect::new(move |_| {
        let Some(canvas) = canvas.get() else { return };
        let Some(parent) = canvas.parent_element() else { return };
        let measured = parent.clone();
        let resized = Closure::<dyn FnMut()>::new(move || {
            let size = [measured.client_width() as f32, measured.client_height() as f32];
            if size != store.canvas.size.get_untracked() && size[0] > 0.0 && size[1] > 0.0 {
                store.canvas.size.set(size);
                if store.canvas.fitted.get_untracked() {
                    store.fit();
                }
            }
        });
        if let Ok(observer) = ResizeObserver::new(resized.as_ref().unchecked_ref()) {
            observer.observe(&parent);
            // The canvas lives as long as the page.
            std::mem::forget(observer);
        }
        resized.forget();
    });
    Effect::new(move |_| {
        store.canvas.picture.track();
        store.fit();
    });
}

/// Draws at the next frame after anything that is seen has changed.
fn draw_when_needed(store: Store, canvas: NodeRef<html::Canvas>) {
    let layers = StoredValue::new_local(Layers::default());
    let waiting = StoredValue::new(false);
    Effect::new(move |_| {
        store.track_sight();
        if waiting.get_value() {
            return;
        }
        waiting.set_value(true);
        request_animation_frame(move || {
            waiting.set_value(false);
            if let Some(canvas) = canvas.get_untracked() {
                layers.update_value(|layers| draw(store, &canvas, layers));
            }
        });
    });
}

fn draw(store: Store, canvas: &HtmlCanvasElement, layers: &mut Layers) {
    let size = store.canvas.size.get_untracked();
    let ratio = window().device_pixel_ratio();
    let [w, h] = size.map(|side| (f64::from(side) * ratio).round() as u32);
    if canvas.width() != w || canvas.height() != h {
        canvas.set_width(w);
        canvas.set_height(h);
    }
    let Ok(c) = context(canvas) else { return };
    let _ = c.set_transform(ratio, 0.0, 0.0, ratio, 0.0, 0.0);
    store.with_sight(size, store.canvas.view.get_untracked(), true, |see| sight(&c, layers, see));
    let view = store.canvas.view.get_untracked();
    let tool = store.canvas.tool.get_untracked();
    let radius = tool.sized().then(|| untrack(|| store.radius()) * view.scale);
    if let Some(at) = store.canvas.crosshair.get_untracked() {
        cursor(&c, view.to_screen(at), radius, true);
    } else if let (Some(at), Some(radius)) = (store.canvas.pointer.get_untracked(), radius) {
        cursor(&c, view.to_screen(at), Some(radius), false);
    }
}

impl Store {
    /// Reads the answer whose results are on the picture.
    pub fn shown_answer<T>(
        self,
        read: impl FnOnce(&crate::conversation::answer::Answer) -> T,
    ) -> Option<T> {
        let id = self.talk.shown_turn.get_untracked()?;
        self.talk.turns.with_untracked(|turns| {
            turns.iter().find(|turn| turn.id == id).map(|turn| read(&turn.answer))
        })
    }

    fn track_sight(self) {
        self.canvas.picture.track();
        self.canvas.view.track();
        self.canvas.size.track();
        self.canvas.shown.track();
        self.talk.turns.track();
        self.talk.shown_turn.track();
        self.talk.focus.track();
        self.talk.results.track();
        self.talk.truth.track();
        self.talk.least.track();
        self.talk.live.track();
        self.talk.live_masks.track();
        self.canvas.crosshair.track();
        self.canvas.pointer.track();
        self.canvas.tool.track();
        self.canvas.brush.track();
    }

    /// Lends what is to be seen.
    pub fn with_sight(
        self,
        canvas: [f32; 2],
        view: View,
        handles: bool,
        draw: impl FnOnce(&Sight),
    ) {
        let Some(picture) = self.canvas.picture.get_untracked() else { return };
        let answer = self.shown_answer(Clone::clone).filter(|_| self.talk.results.get_untracked());
        let board = self.canvas.shown.get_untracked();
        let masks = self.talk.live_masks.get_untracked();
        let shown = self.talk.live.get_untracked() && self.talk.results.get_untracked();
        let there = |id: &u32| shown && board.get(*id).is_some() && !self.talk.answered(*id);
        let live = masks.iter().filter(|(id, _)| there(id));
        let see = Sight {
            picture: &picture,
            view,
            canvas,
            answer: answer.as_ref(),
            least: self.talk.least.get_untracked(),
            truth: picture.truth.as_deref().filter(|_| self.talk.truth.get_untracked()),
            live: live.filter_map(|(id, mask)| Some((*id, mask.found.as_ref()?))).collect(),
            board: &board,
            focus: self.talk.focus.get_untracked(),
            handles,
        };
        draw(&see);
    }
}
