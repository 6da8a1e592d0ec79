//! What the page knows, as signals in four groups. Copies share them.

use super::client::{Client, crashed};
use super::picture::Picture;
use crate::canvas::geometry::{Place, View};
use crate::canvas::history::History;
use crate::canvas::marks::{Board, Mark};
use crate::canvas::tools::{Gesture, Tool};
use crate::conversation::live::Latest;
use crate::models::{Choice, Models};
use crate::take_home::transcript::Turn;
use leptos::prelude::*;
use refvlm_protocol::{Ask, BackendChoice, Failure, Phase, Ready, Sampling, Task};
use refvlm_record::answer::Found;
use std::collections::HashMap;

/// How the engine is.
#[derive(Debug, Clone, PartialEq)]
pub enum Engine {
    /// No model is needed yet, or the person stopped its load.
    Idle,
    /// The model is on its way.
    Loading { phase: Phase, bytes: u64, total: u64, eta_s: Option<f64> },
    /// It can be asked.
    Ready(Ready),
    /// It cannot.
    Failed(Failure),
}

impl Engine {
    /// Before anything was heard of it.
    pub fn starting() -> Self {
        Engine::Loading { phase: Phase::Download, bytes: 0, total: 0, eta_s: None }
    }
}

/// What is pointed at, on the picture or in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Focus {
    /// A triplet of the turn that is shown; with an index, one of its targets.
    Result { triplet: usize, index: Option<usize> },
    /// A mark, by id.
    Mark(u32),
}

/// Something that went wrong beside the engine, for the person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    pub message: String,
    /// Whether it is a fault and not only news.
    pub fault: bool,
    /// Whether the picture before, with all that was done on it, can be had back.
    pub undo: bool,
}

/// A picture with all that a person did on it, kept when another one is opened.
pub struct Kept {
    pub picture: Picture,
    pub history: History<Board>,
    pub turns: Vec<Turn>,
    pub shown_turn: Option<u32>,
}

/// A mark that live mode asks about: quickly while it moves, and once more with a closer look when
/// it rests.
#[derive(Debug, Clone, PartialEq)]
pub struct Glance {
    pub mark: Mark,
    pub closer: bool,
}

/// What live mode found for a mark.
#[derive(Debug, Clone, PartialEq)]
pub struct LiveMask {
    /// The mark as it was then.
    pub mark: Mark,
    /// None when the model found nothing there.
    pub found: Option<Found>,
}

/// The picture, what is drawn on it, and how it is looked at.
#[derive(Clone, Copy)]
pub struct Canvas {
    pub picture: RwSignal<Option<Picture>, LocalStorage>,
    /// Marks with their undo stack; `shown` also has the gesture under way.
    pub history: RwSignal<History<Board>>,
    pub shown: RwSignal<Board>,
    pub gesture: RwSignal<Gesture>,
    pub tool: RwSignal<Tool>,
    /// Of brush and eraser, as a share of the picture's longer side.
    pub brush: RwSignal<f32>,
    pub view: RwSignal<View>,
    /// Whether the view follows the size of the canvas.
    pub fitted: RwSignal<bool>,
    /// CSS px.
    pub size: RwSignal<[f32; 2]>,
    /// Where keys draw, px; none until the canvas is used by keys.
    pub crosshair: RwSignal<Option<Place>>,
    /// Where the pointer is, px; none when it is elsewhere.
    pub pointer: RwSignal<Option<Place>>,
    /// The picture before this one.
    pub kept: StoredValue<Option<Kept>, LocalStorage>,
}

impl Canvas {
    pub fn new() -> Self {
        Self {
            picture: RwSignal::new_local(None),
            history: RwSignal::new(History::default()),
            shown: RwSignal::new(Board::default()),
            gesture: RwSignal::new(Gesture::default()),
            tool: RwSignal::new(Tool::default()),
            brush: RwSignal::new(0.03),
            view: RwSignal::new(View::default()),
            fitted: RwSignal::new(true),
            size: RwSignal::new([0.0; 2]),
            crosshair: RwSignal::new(None),
            pointer: RwSignal::new(None),
            kept: StoredValue::new_local(None),
        }
    }

    /// As for a picture that was just opened; tool and brush stay.
    pub fn reset(self) {
        self.history.update(|history| history.reset(Board::default()));
        self.shown.set(Board::default());
        self.gesture.set(Gesture::default());
        self.crosshair.set(None);
        self.fitted.set(true);
    }
}

/// The question that is being written.
#[derive(Clone, Copy)]
pub struct Draft {
    pub task: RwSignal<Task>,
    /// Whether the person chose the task; else it follows the words and the prompts.
    pub task_chosen: RwSignal<bool>,
    pub text: RwSignal<String>,
    /// Whether the words are a ready-made question that follows task and prompts.
    pub ready_made: RwSignal<bool>,
    pub sampling: RwSignal<Sampling>,
    pub budget: RwSignal<usize>,
    pub constrained: RwSignal<bool>,
}

impl Draft {
    pub fn new() -> Self {
        let ask = Ask::new(Task::GcgSegmentation, "", Vec::new());
        Self {
            task: RwSignal::new(ask.task),
            task_chosen: RwSignal::new(false),
            text: RwSignal::new(ask.text),
            ready_made: RwSignal::new(true),
            sampling: RwSignal::new(ask.sampling),
            budget: RwSignal::new(ask.budget),
            constrained: RwSignal::new(ask.constrained),
        }
    }
}

/// What is less sure than that is greyed, until the person says otherwise.
const LEAST_CONFIDENCE: f32 = 0.4;

/// What was asked and answered, also by live mode, and what of it is shown.
#[derive(Clone, Copy)]
pub struct Talk {
    pub turns: RwSignal<Vec<Turn>>,
    /// Id of the turn whose results are on the picture.
    pub shown_turn: RwSignal<Option<u32>>,
    /// Request of the answer under way, and its turn.
    pub running: RwSignal<Option<(u32, u32)>>,
    /// The turn that waits for a model, and its question.
    pub waiting: RwSignal<Option<(u32, Ask)>>,
    pub focus: RwSignal<Option<Focus>>,
    pub results: RwSignal<bool>,
    pub truth: RwSignal<bool>,
    /// Results of less confidence are greyed.
    pub least: RwSignal<f32>,
    /// Whether plans and timings are shown.
    pub details: RwSignal<bool>,
    /// Whether each prompt is given its mask at once, without a question.
    pub live: RwSignal<bool>,
    pub live_masks: RwSignal<HashMap<u32, LiveMask>>,
    pub live_queue: StoredValue<Latest<Glance>>,
    /// Request of the mask under way, and whether it looks closer.
    pub live_request: StoredValue<Option<(u32, bool)>>,
    next_turn: StoredValue<u32>,
}

impl Talk {
    pub fn new() -> Self {
        Self {
            turns: RwSignal::new(Vec::new()),
            shown_turn: RwSignal::new(None),
            running: RwSignal::new(None),
            waiting: RwSignal::new(None),
            focus: RwSignal::new(None),
            results: RwSignal::new(true),
            truth: RwSignal::new(false),
            least: RwSignal::new(LEAST_CONFIDENCE),
            details: RwSignal::new(false),
            live: RwSignal::new(true),
            live_masks: RwSignal::new(HashMap::new()),
            live_queue: StoredValue::new(Latest::default()),
            live_request: StoredValue::new(None),
            next_turn: StoredValue::new(0),
        }
    }

    /// As for a picture that was just opened.
    pub fn reset(self) {
        self.turns.set(Vec::new());
        self.waiting.set(None);
        self.shown_turn.set(None);
        self.focus.set(None);
        self.truth.set(false);
        self.results.set(true);
        self.live_masks.set(HashMap::new());
    }

    /// Whether the results on the picture are about this mark, so that its own mask is not needed.
    pub fn answered(self, mark: u32) -> bool {
        let shown = self.shown_turn.get_untracked();
        self.turns.with_untracked(|turns| {
            let turn = turns.iter().find(|turn| Some(turn.id) == shown);
            turn.is_some_and(|t| t.answer.shows() && t.marks.iter().any(|(id, _)| *id == mark))
        })
    }

    /// Shows the next of what may be meant by a target of a turn.
    pub fn another(self, id: u32, triplet: usize, index: usize) {
        self.turns.update(|turns| {
            let turn = turns.iter_mut().find(|turn| turn.id == id);
            let triplet = turn.and_then(|turn| turn.answer.said.triplets.get_mut(triplet));
            if let Some(found) = triplet.and_then(|triplet| triplet.found.get_mut(index)) {
                *found = found.next();
            }
        });
        self.shown_turn.set(Some(id));
    }

    /// Whether a question of the person is being answered, or waits for a model.
    pub fn busy(self) -> bool {
        self.running.with(Option::is_some) || self.waiting.with(Option::is_some)
    }

    /// A number for a new turn.
    pub fn next_id(self) -> u32 {
        self.next_turn
            .try_update_value(|next| {
                *next += 1;
                *next
            })
            .unwrap_or_default()
    }
}

/// The engine's worker, and what the person has to be told.
#[derive(Clone, Copy)]
pub struct Link {
    pub engine: RwSignal<Engine>,
    /// Which model is wanted, and which one is there.
    pub models: RwSignal<Models>,
    /// Where models are computed: on the processor alone, once a graphics card was lost.
    pub backend: StoredValue<BackendChoice>,
    /// Request of the load under way.
    pub loading: StoredValue<Option<u32>>,
    /// Whether the engine looked at the picture.
    pub seen: RwSignal<bool>,
    pub client: StoredValue<Option<Client>, LocalStorage>,
    pub notice: RwSignal<Option<Notice>>,
    /// Whether the camera is open.
    pub camera: RwSignal<bool>,
    /// Whether the sheet of tools and keys is open.
    pub help: RwSignal<bool>,
}

impl Link {
    pub fn new() -> Self {
        Self {
            engine: RwSignal::new(Engine::Idle),
            models: RwSignal::new(Models::new(remembered())),
            backend: StoredValue::new(BackendChoice::Auto),
            loading: StoredValue::new(None),
            seen: RwSignal::new(false),
            client: StoredValue::new_local(None),
            notice: RwSignal::new(None),
            camera: RwSignal::new(false),
            help: RwSignal::new(false),
        }
    }
}

/// Where the session keeps which model the person chose.
const CHOICE: &str = "refvlm-model";

/// What the person chose earlier in this session. Storage may be forbidden.
fn remembered() -> Choice {
    let storage = window().session_storage().ok().flatten();
    let key = storage.and_then(|storage| storage.get_item(CHOICE).ok().flatten());
    Choice::of_key(key.as_deref())
}

/// Keeps the person's choice for the session.
pub fn remember(choice: Choice) {
    if let Some(storage) = window().session_storage().ok().flatten() {
        let _ = storage.set_item(CHOICE, choice.key());
    }
}

/// An address that the page's head gives, made absolute.
///
/// # Errors
/// When the page has none of that name.
pub fn address(name: &str) -> Result<String, Failure> {
    let missing = || crashed(&format!("the page has no <meta name=\"{name}\">"));
    let meta = document().query_selector(&format!("meta[name={name}]")).ok().flatten();
    let content = meta.and_then(|meta| meta.get_attribute("content")).ok_or_else(missing)?;
    let base = document().base_uri().ok().flatten().ok_or_else(missing)?;
    web_sys::Url::new_with_base(&content, &base).map(|url| url.href()).map_err(|_| missing())
}
