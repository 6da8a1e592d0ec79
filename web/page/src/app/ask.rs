//! Where questions are written.

use super::icons::{Glyph, Icon};
use super::rail::IconButton;
use super::settings::Settings;
use super::state::Focus;
use super::store::Store;
use crate::canvas::palette::prompt_class;
use crate::conversation::question::{self, task_name};
use crate::take_home::transcript::percent;
use leptos::html;
use leptos::prelude::*;
use refvlm_protocol::Task;
use refvlm_record::mention::{Piece, cut, marker};
use web_sys::{HtmlTextAreaElement, KeyboardEvent};

#[component]
pub fn Composer() -> impl IntoView {
    let store = expect_context::<Store>();
    let field = NodeRef::<html::Textarea>::new();
    let settings = RwSignal::new(false);
    let running = move || store.talk.busy();
    let empty = move || store.draft.text.with(|text| text.trim().is_empty());
    // 0 lets the words decide; behind it are the tasks.
    let task_index = move || {
        let task = store.draft.task.get();
        let at = Task::ALL.iter().position(|t| *t == task).map_or(0, |at| at + 1);
        if store.draft.task_chosen.get() { at } else { 0 }.to_string()
    };
    let choose = move |ev| {
        let at: usize = event_target_value(&ev).parse().unwrap_or_default();
        let task = at.checked_sub(1).and_then(|at| Task::ALL.get(at).copied());
        store.draft.task_chosen.set(task.is_some());
        if let Some(task) = task {
            store.draft.task.set(task);
        }
        store.suggest();
    };
    let automatic = move || match store.draft.task_chosen.get() {
        true => "Automatic".to_string(),
        false => format!("Automatic: {}", task_name(store.draft.task.get()).to_lowercase()),
    };
    // While nothing is typed a ready-made question stands in the field's place.
    let typed = move |ev| {
        store.draft.text.set(event_target_value(&ev));
        store.draft.ready_made.set(untrack(empty));
        store.suggest();
    };
    let value =
        move || if store.draft.ready_made.get() { String::new() } else { store.draft.text.get() };
    let key = move |ev: KeyboardEvent| {
        // Code 229: the Enter that ends a composition, where that is over by then.
        let composing = ev.is_composing() || ev.key_code() == 229;
        if ev.key() == "Enter" && !ev.shift_key() && !composing {
            ev.prevent_default();
            store.ask();
        }
    };
    // The field grows with its words.
    Effect::new(move |_| {
        store.draft.text.track();
        if let Some(field) = field.get() {
            request_animation_frame(move || grow(&field));
        }
    });
    view! {
        <form class="composer" aria-label="Question" on:submit=move |ev| {
            ev.prevent_default();
            if running() { store.stop() } else { store.ask() }
        }>
            <Prompts field=field/>
            <div class="line">
                <span class="select">
                    <select aria-label="Kind of answer" prop:value=task_index on:change=choose>
                        <option value="0">{automatic}</option>
                        {Task::ALL.iter().enumerate().map(|(at, task)| view! {
                            <option value=(at + 1).to_string()>{task_name(*task)}</option>
                        }).collect_view()}
                    </select>
                    <Glyph icon=Icon::Chevron/>
                </span>
                <Ready field=field/>
            </div>
            <div class="field">
                <div class="written">
                <div class="ink" class:ghost=move || store.draft.ready_made.get() aria-hidden="true">{move || inked(store)}</div>
                <textarea node_ref=field rows="1" aria-label="Question" spellcheck="false"
                    autocomplete="off" enterkeyhint="send"
                    placeholder=move || store.draft.text.get() prop:value=value
                    on:input=typed on:keydown=key></textarea>
                </div>
                <div class="send">
                    <IconButton icon=Icon::Sliders name="Settings".to_string()
                        pressed=Signal::derive(move || settings.get())
                        press=move || settings.update(|open| *open = !*open)/>
                    // One button, so that the focus stays on it while an answer comes and goes.
                    <button type="submit" class="go"
                        title=move || if running() { "Stop (Esc)" } else { "Ask (Enter)" }
                        aria-label=move || if running() { "Stop" } else { "Ask" }
                        disabled=move || !running() && (!store.may_ask() || empty())>
                        <Glyph icon=Signal::derive(move || if running() { Icon::Stop } else { Icon::Send })/>
                    </button>
                </div>
            </div>
            <Show when=move || settings.get()><Settings/></Show>
        </form>
    }
}

fn grow(field: &HtmlTextAreaElement) {
    let style = web_sys::HtmlElement::style(field);
    let _ = style.set_property("height", "0");
    let _ = style.set_property("height", &format!("{}px", field.scroll_height()));
}

/// The words as they stand in the field, its chips in the colours of their prompts.
fn inked(store: Store) -> impl IntoView {
    let board = store.canvas.shown.get();
    let parts = cut(&store.draft.text.get()).into_iter().map(|part| match part {
        Piece::Words(words) => view! { <span>{words}</span> }.into_any(),
        Piece::Prompt(number) => {
            let mark = board.marks.get(number.wrapping_sub(1));
            let class =
                mark.map_or("mention lost".into(), |m| format!("mention {}", prompt_class(m.id)));
            view! { <span class=class>{marker(number)}</span> }.into_any()
        }
    });
    // A last line without words has a height too.
    (parts.collect_view(), "\u{200b}")
}

/// Words with small chips for the prompts they mention.
pub fn chipped(store: Store, text: &str) -> impl IntoView + use<> {
    let board = store.canvas.shown.get_untracked();
    let parts = cut(text).into_iter().map(|part| match part {
        Piece::Words(words) => view! { <span>{words}</span> }.into_any(),
        Piece::Prompt(number) => {
            let mark = board.marks.get(number.wrapping_sub(1));
            let class =
                mark.map_or("chip".into(), |mark| format!("chip {}", prompt_class(mark.id)));
            view! { <span class=class><span class="sr">"prompt "</span>{number}</span> }.into_any()
        }
    });
    parts.collect_view()
}

/// The prompts on the picture, as a list.
#[component]
fn Prompts(field: NodeRef<html::Textarea>) -> impl IntoView {
    let store = expect_context::<Store>();
    // Not of what is being drawn: on a phone the list would move the picture under the finger.
    let marks = move || {
        store.canvas.history.with(|history| {
            let numbered = history.now().marks.iter().enumerate();
            numbered.map(|(at, mark)| (mark.id, at + 1, mark.kind())).collect::<Vec<_>>()
        })
    };
    let mention = move |id: u32, number: usize| {
        store.select(Some(id));
        let Some(field) = field.get_untracked() else { return };
        if store.draft.ready_made.get_untracked() {
            return;
        }
        let caret = field.selection_start().ok().flatten();
        let text = store.draft.text.get_untracked();
        let (text, caret) = question::with_chip(&text, caret.unwrap_or(u32::MAX), number);
        store.draft.text.set(text);
        store.suggest();
        let _ = field.focus();
        request_animation_frame(move || {
            let _ = field.set_selection_range(caret, caret);
        });
    };
    let selected = move |id: u32| store.canvas.shown.with(|board| board.selected == Some(id));
    let live = move |id: u32| {
        let masks = store.talk.live_masks.get();
        let mask = masks.get(&id).filter(|_| store.talk.live.get())?;
        Some(mask.found.as_ref().map_or("\u{2013}".into(), |found| percent(found.confidence)))
    };
    view! {
        <Show when=move || !marks().is_empty()>
            <ul class="prompts" aria-label="Prompts">
                <For each=marks key=|mark| *mark children=move |(id, number, kind)| view! {
                    <li class=format!("prompt {}", prompt_class(id)) class:selected=move || selected(id)
                        on:pointerenter=move |_| store.talk.focus.set(Some(Focus::Mark(id)))
                        on:pointerleave=move |_| store.talk.focus.set(None)>
                        <button type="button" class="name" aria-pressed=move || selected(id).to_string()
                            on:focus=move |_| store.talk.focus.set(Some(Focus::Mark(id)))
                            on:blur=move |_| store.talk.focus.set(None)
                            on:click=move |_| mention(id, number)>
                            <span class="sr">"Prompt "</span>
                            <span class="square">{number}</span>
                            <span>{kind}</span>
                            {move || live(id).map(|words| view! { <span class="fast">{words}</span> })}
                        </button>
                        <button type="button" class="x" title="Delete (Del)" aria-label=format!("Delete prompt {number}")
                            on:click=move |_| store.remove(id)>
                            <Glyph icon=Icon::Close/>
                        </button>
                    </li>
                }/>
            </ul>
        </Show>
    }
}

/// Questions to pick.
#[component]
fn Ready(field: NodeRef<html::Textarea>) -> impl IntoView {
    let store = expect_context::<Store>();
    let questions = move || {
        let numbers = store.canvas.shown.with(question::by_attention);
        let ready = question::ready_for(store.draft.task.get(), numbers.len());
        let words = ready.iter().filter_map(|ready| ready.about(&numbers));
        words.filter(|words| *words != store.draft.text.get()).collect::<Vec<_>>()
    };
    let pick = move |words: String| {
        store.draft.text.set(words);
        store.draft.ready_made.set(false);
        store.suggest();
        if let Some(field) = field.get_untracked() {
            let _ = field.focus();
        }
    };
    view! {
        <ul class="ready" aria-label="Ready-made questions">
            <For each=questions key=Clone::clone children=move |words| {
                let shown = chipped(store, &words);
                view! {
                    <li><button type="button" on:click=move |_| pick(words.clone())>{shown}</button></li>
                }
            }/>
        </ul>
    }
}
