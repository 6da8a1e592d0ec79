//! The conversation: questions, answers as they stream, and what they are tied to.

use super::icons::{Glyph, Icon};
use super::rail::IconButton;
use super::source::CreditLine;
use super::state::Focus;
use super::store::Store;
use crate::canvas::palette::{prompt_class, result_class};
use crate::conversation::question::{self, task_name, unit_name};
use crate::models::{Held, knows_about};
use crate::take_home::transcript::{Turn, percent, state, timings};
use leptos::html;
use leptos::prelude::*;
use refvlm_protocol::{Shape, Task, Unit};
use refvlm_record::answer::Found;
use refvlm_record::mention::{self, cut, marker};
use refvlm_record::reading::{Piece, Reading};
use wasm_bindgen::JsCast;

fn unit_icon(unit: Unit) -> Icon {
    match unit {
        Unit::Box => Icon::Box,
        Unit::Mask => Icon::Mask,
        Unit::Keypoint => Icon::Skeleton,
        Unit::Depth => Icon::Depth,
    }
}

#[component]
pub fn Talk() -> impl IntoView {
    let store = expect_context::<Store>();
    let scroll = NodeRef::<html::Div>::new();
    // New words are kept in sight, unless the person scrolled up to read.
    Effect::new(move |before: Option<usize>| {
        let count = store.talk.turns.with(Vec::len);
        if let Some(scroll) = scroll.get() {
            let below = scroll.scroll_height() - scroll.scroll_top() - scroll.client_height();
            if below < 160 || before != Some(count) {
                request_animation_frame(move || scroll.set_scroll_top(scroll.scroll_height()));
            }
        }
        count
    });
    let ids =
        move || store.talk.turns.with(|turns| turns.iter().map(|turn| turn.id).collect::<Vec<_>>());
    view! {
        <div class="scroll" node_ref=scroll role="region" aria-label="Conversation" tabindex="0">
            <About/>
            <Show when=move || store.talk.turns.with(Vec::is_empty)><Starters/></Show>
            <ol class="turns">
                <For each=ids key=|id| *id children=move |id| view! { <TurnView id=id/> }/>
            </ol>
        </div>
    }
}

/// What the model knows, and who took the picture.
#[component]
fn About() -> impl IntoView {
    let store = expect_context::<Store>();
    let knows = move || {
        let models = store.link.models.get();
        match models.held() {
            Held::Loading(kind) | Held::Ready(kind) => Some(knows_about(kind, models.picture())),
            Held::Nothing | Held::Failed(_) => None,
        }
    };
    let credit = move || store.canvas.picture.with(|p| p.as_ref().and_then(|p| p.credit));
    view! {
        <div class="about">
            <p class="knows">{knows}</p>
            {move || credit().map(|credit| view! { <p>"Photo: "<CreditLine credit=credit/></p> })}
        </div>
    }
}

/// Questions to begin with.
#[component]
fn Starters() -> impl IntoView {
    let store = expect_context::<Store>();
    let questions = move || {
        let numbers = store.canvas.shown.with(question::by_attention);
        let ready = question::starters(numbers.len());
        ready.iter().filter_map(|r| Some((r.task, r.about(&numbers)?))).collect::<Vec<_>>()
    };
    view! {
        <ul class="starters" aria-label="Questions to begin with">
            <For each=questions key=Clone::clone children=move |(task, words)| {
                let icon = task.units().first().map_or(Icon::Words, |unit| unit_icon(*unit));
                let icon = if task == Task::Mixed { Icon::Depth } else { icon };
                let shown = super::ask::chipped(store, &words);
                view! {
                    <li>
                        <button type="button" disabled=move || !store.may_ask()
                            on:click=move |_| store.ask_ready(task, words.clone())>
                            <Glyph icon=icon/><span>{shown}</span>
                        </button>
                    </li>
                }
            }/>
        </ul>
    }
}

#[component]
fn TurnView(id: u32) -> impl IntoView {
    let store = expect_context::<Store>();
    let turn = Memo::new(move |last: Option<&Option<Turn>>| {
        let found = store.talk.turns.with(|turns| turns.iter().find(|turn| turn.id == id).cloned());
        // When the conversation is cleared the last state stays until the view is gone.
        found.or_else(|| last.cloned().flatten())
    });
    let with =
        move |read: fn(&Turn) -> String| turn.with(|t| t.as_ref().map(read).unwrap_or_default());
    let reading = Memo::new(move |_| {
        turn.with(|t| t.as_ref().map_or(Reading::default(), |t| t.answer.reading.clone()))
    });
    let over = Memo::new(move |_| turn.with(|t| t.as_ref().is_none_or(|t| t.answer.over())));
    let shows = Memo::new(move |_| turn.with(|t| t.as_ref().is_some_and(|t| t.answer.shows())));
    let failed = Memo::new(move |_| turn.with(|t| t.as_ref().is_some_and(|t| t.answer.failed())));
    let waits =
        move || store.talk.waiting.with(|w| w.as_ref().is_some_and(|(turn, _)| *turn == id));
    let current = move || store.talk.shown_turn.get() == Some(id);
    let question = turn.with_untracked(|t| t.as_ref().map(asked));
    let task = turn.with_untracked(|t| t.as_ref().map(|t| task_name(t.ask.task)));
    let plan_lines = move || reading.with(|r| r.plan.clone());
    view! {
        <li class="turn" class:current=current>
            <div class="question">
                <p>{question}</p>
                <span class="task">{task}</span>
            </div>
            <Show when=move || store.talk.details.get() && reading.with(|r| !r.plan.is_empty())>
                <details class="plan">
                    <summary>
                        <Glyph icon=Icon::Chevron/>
                        {move || if reading.with(|r| r.planning) { "Planning" } else { "Plan" }}
                    </summary>
                    <ul>{move || plan_lines().into_iter().map(|line| view! { <li>{line}</li> }).collect_view()}</ul>
                </details>
            </Show>
            <div class="answer" aria-live="polite" aria-busy=move || (!over.get()).to_string()>
                <p>
                    {move || reading.with(|r| r.body.iter().map(|piece| phrase(store, id, piece)).collect_view())}
                    <Show when=move || !over.get()><span class="caret" aria-hidden="true"></span></Show>
                </p>
            </div>
            <Show when=move || shows.get()>
                <Results id=id turn=turn/>
            </Show>
            <footer class="foot">
                <p class="state" class:fault=move || failed.get() role=move || failed.get().then_some("alert")>
                    {move || if waits() { "Waits for the model.".into() } else { with(|turn| state(&turn.answer)) }}
                    <Show when=move || store.talk.details.get()>
                        <span class="timings">{move || with(|turn| timings(&turn.answer))}</span>
                    </Show>
                </p>
                <Show when=move || over.get() && !failed.get()>
                    <Actions id=id turn=turn/>
                </Show>
            </footer>
        </li>
    }
}

/// The question with its chips.
fn asked(turn: &Turn) -> impl IntoView + use<> {
    let parts = cut(&turn.ask.text).into_iter().map(|part| match part {
        mention::Piece::Words(words) => view! { <span>{words}</span> }.into_any(),
        mention::Piece::Prompt(k) => match turn.marks.get(k.wrapping_sub(1)) {
            Some((id, number)) => {
                let class = format!("chip {}", prompt_class(*id));
                view! { <span class=class><span class="sr">"prompt "</span>{*number}</span> }
                    .into_any()
            }
            None => view! { <span>{marker(k)}</span> }.into_any(),
        },
    });
    parts.collect_view()
}

/// Points at a triplet of a turn, and shows that turn.
fn point(store: Store, turn: u32, triplet: usize, index: Option<usize>) {
    store.talk.shown_turn.set(Some(turn));
    store.talk.results.set(true);
    store.talk.focus.set(Some(Focus::Result { triplet, index }));
}

fn phrase(store: Store, turn: u32, piece: &Piece) -> AnyView {
    match piece {
        Piece::Words(words) => view! { <span>{words.clone()}</span> }.into_any(),
        Piece::Phrase { words, triplet: None } => {
            view! { <span class="bare">{words.clone()}</span> }.into_any()
        }
        Piece::Phrase { words, triplet: Some(triplet) } => {
            let triplet = *triplet;
            let lit = move || {
                store.talk.shown_turn.get() == Some(turn)
                    && matches!(store.talk.focus.get(), Some(Focus::Result { triplet: t, .. }) if t == triplet)
            };
            view! {
                <button type="button" class=format!("phrase {}", result_class(triplet)) class:lit=lit
                    on:pointerenter=move |_| point(store, turn, triplet, None)
                    on:pointerleave=move |_| store.talk.focus.set(None)
                    on:focus=move |_| point(store, turn, triplet, None)
                    on:blur=move |_| store.talk.focus.set(None)
                    on:click=move |_| point(store, turn, triplet, None)>
                    <span class="number">{triplet + 1}</span>{words.clone()}
                </button>
            }
            .into_any()
        }
    }
}

/// Everything that was found, as a list.
#[component]
fn Results(id: u32, turn: Memo<Option<Turn>>) -> impl IntoView {
    let store = expect_context::<Store>();
    let rows = move || {
        let Some(turn) = turn.get() else { return Vec::new() };
        let numbered = turn.answer.said.triplets.iter().enumerate();
        numbered
            .flat_map(|(number, triplet)| {
                (0..triplet.found.len())
                    .map(move |index| (number, index, triplet.concept.clone(), triplet.unit))
            })
            .collect()
    };
    view! {
        <ul class="results" aria-label="Found">
            <For
                each=rows
                key=|(number, index, ..)| (*number, *index)
                children=move |(number, index, concept, unit)| {
                    // Which of its proposals a target is may change, and the row stays.
                    let found = Memo::new(move |_| turn.with(|turn| {
                        let triplet = turn.as_ref()?.answer.said.triplets.get(number)?;
                        triplet.found.get(index).cloned()
                    }));
                    view! { <Row store=store turn=id number=number index=index concept=concept unit=unit found=found/> }
                }
            />
        </ul>
    }
}

#[component]
fn Row(
    store: Store,
    turn: u32,
    number: usize,
    index: usize,
    concept: String,
    unit: Unit,
    found: Memo<Option<Found>>,
) -> impl IntoView {
    let truth = store.canvas.picture.with_untracked(|p| p.as_ref().and_then(|p| p.truth.clone()));
    let agreement = move || {
        let agreement = found.with(|found| truth.as_ref()?.agreement(found.as_ref()?))?;
        Some(
            view! { <span class="truth" title="Against the truth of the scene">{agreement.label()}</span> },
        )
    };
    let lit = move || {
        store.talk.shown_turn.get() == Some(turn)
            && matches!(store.talk.focus.get(), Some(Focus::Result { triplet, index: i })
                if triplet == number && i.is_none_or(|i| i == index))
    };
    let detail = found.with_untracked(|found| match found.as_ref().map(|found| &found.shape) {
        Some(Shape::Depth { metres, .. }) => crate::canvas::palette::depth_picture(metres)
            .map(|(_, [near, far])| format!("{near:.1}\u{2013}{far:.1} m")),
        _ => None,
    });
    let several = found.with_untracked(|found| found.as_ref().map_or(0, |f| f.others().len())) + 1;
    let others = (several > 1).then(|| {
        let name = format!("Show the next of the {several} things that may be meant");
        let press = move || store.talk.another(turn, number, index);
        view! { <IconButton icon=Icon::Extents name=name press=press/> }
    });
    let confidence =
        Memo::new(move |_| found.with(|found| found.as_ref().map_or(0.0, |f| f.confidence)));
    let unsure = move || confidence.get() < store.talk.least.get();
    let sure = move || percent(confidence.get());
    let width = move || format!("{:.0}", confidence.get().clamp(0.0, 1.0) * 100.0);
    view! {
        <li class="row">
            <button type="button" class=format!("result {}", result_class(number)) class:lit=lit class:unsure=unsure
                on:pointerenter=move |_| point(store, turn, number, Some(index))
                on:pointerleave=move |_| store.talk.focus.set(None)
                on:focus=move |_| point(store, turn, number, Some(index))
                on:blur=move |_| store.talk.focus.set(None)>
                <span class="number">{number + 1}</span>
                <span class="concept">{concept}</span>
                <span class="unit" title=unit_name(unit)>
                    <Glyph icon=unit_icon(unit)/><span class="sr">{unit_name(unit)}</span>
                </span>
                {detail.map(|detail| view! { <span class="detail">{detail}</span> })}
                {agreement}
                <span class="sure" title=move || if unsure() { "Confidence: low" } else { "Confidence" }>
                    <svg viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true">
                        <rect width="100" height="4" class="rest"/>
                        <rect width=width height="4" class="part"/>
                    </svg>
                    {sure}
                </span>
            </button>
            {others}
        </li>
    }
}

/// Copy and download.
#[component]
fn Actions(id: u32, turn: Memo<Option<Turn>>) -> impl IntoView {
    let store = expect_context::<Store>();
    let menu = RwSignal::new(false);
    let place = NodeRef::<html::Div>::new();
    let outside = window_event_listener(leptos::ev::pointerdown, move |ev| {
        let target = ev.target().and_then(|target| target.dyn_into::<web_sys::Node>().ok());
        let within = place.get_untracked().is_some_and(|menu| menu.contains(target.as_ref()));
        if !within && menu.get_untracked() {
            menu.set(false);
        }
    });
    on_cleanup(move || outside.remove());
    let act = move |action: fn(Store, &Turn)| {
        menu.set(false);
        store.talk.shown_turn.set(Some(id));
        if let Some(turn) = turn.get_untracked() {
            action(store, &turn);
        }
    };
    let masks = move || {
        turn.with(|t| {
            t.as_ref().is_some_and(|t| t.answer.said.triplets.iter().any(|t| t.unit == Unit::Mask))
        })
    };
    let coco = move || turn.with(|t| t.as_ref().is_some_and(|t| store.has_coco(t)));
    let shown = move || store.talk.shown_turn.get() == Some(id);
    let shows = move || turn.with(|t| t.as_ref().is_some_and(|t| t.answer.shows()));
    view! {
        <div class="actions">
            <Show when=move || shows() && !shown()>
                <IconButton icon=Icon::Eye name="Show on the picture".to_string()
                    press=move || store.talk.shown_turn.set(Some(id))/>
            </Show>
            <IconButton icon=Icon::Copy name="Copy the answer".to_string()
                press=move || act(|store, turn| store.copy_text(&turn.answer.words()))/>
            <div class="menu" node_ref=place on:keydown=move |ev| if ev.key() == "Escape" && menu.get_untracked() {
                ev.prevent_default();
                menu.set(false);
            }>
                <button type="button" class="tool" title="Download" aria-label="Download"
                    aria-expanded=move || menu.get().to_string()
                    on:click=move |_| menu.update(|open| *open = !*open)>
                    <Glyph icon=Icon::Download/>
                </button>
                <Show when=move || menu.get()>
                    <div class="sheet">
                        <button type="button" on:click=move |_| act(|store, _| store.save_picture())>"Picture (PNG)"</button>
                        <button type="button" on:click=move |_| act(|store, _| store.copy_picture())>"Copy picture"</button>
                        <Show when=masks>
                            <button type="button" on:click=move |_| act(|store, turn| store.save_masks(turn))>"Masks (PNG)"</button>
                            <button type="button" on:click=move |_| act(|store, turn| store.save_cutouts(turn))>"Cut-outs (PNG)"</button>
                        </Show>
                        <Show when=coco>
                            <button type="button" on:click=move |_| act(|store, turn| store.save_coco(turn))>"COCO JSON"</button>
                        </Show>
                        <button type="button" on:click=move |_| act(|store, _| store.save_transcript())>"Transcript (Markdown)"</button>
                    </div>
                </Show>
            </div>
        </div>
    }
}
