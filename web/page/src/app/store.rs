//! Everything the page knows, as signals that its parts share.

use super::client::{Client, crashed, words};
use super::picture::Picture;
use crate::canvas::geometry::{Place, View};
use crate::canvas::history::History;
use crate::canvas::marks::{Board, Mark};
use crate::canvas::tools::{Gesture, Tool};
use crate::conversation::answer::Found;
use crate::conversation::live::Latest;
use crate::conversation::question;
use crate::take_home::transcript::{Turn, sentences};
use leptos::prelude::*;
use refvlm_protocol::{Ask, BackendChoice, Failure, Phase, Ready, Reply, Request, Sampling, Task};
use std::collections::HashMap;

/// How the engine is.
#[derive(Debug, Clone, PartialEq)]
pub enum Engine {
    /// The model is on its way.
    Loading { phase: Phase, bytes: u64, total: u64, eta_s: Option<f64> },
    /// It can be asked.
    Ready(Ready),
    /// It cannot.
    Failed(Failure),
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
}

/// What live mode found for a mark.
#[derive(Debug, Clone, PartialEq)]
pub struct LiveMask {
    /// The mark as it was then.
    pub mark: Mark,
    /// None when the model found nothing there.
    pub found: Option<Found>,
    /// From the edit to the mask.
    pub seconds: f64,
}

/// The page's state. Copies share it.
#[derive(Clone, Copy)]
pub struct Store {
    pub picture: RwSignal<Option<Picture>, LocalStorage>,
    /// Whether the engine looked at the picture.
    pub seen: RwSignal<bool>,
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
    pub canvas: RwSignal<[f32; 2]>,
    /// Where keys draw, px; none until the canvas is used by keys.
    pub crosshair: RwSignal<Option<Place>>,
    /// Where the pointer is, px; none when it is elsewhere.
    pub pointer: RwSignal<Option<Place>>,

    pub task: RwSignal<Task>,
    /// Whether the person chose the task; else it follows the prompts.
    pub task_chosen: RwSignal<bool>,
    pub text: RwSignal<String>,
    /// Whether the words are a ready-made question that follows task and prompts.
    pub ready_made: RwSignal<bool>,
    pub sampling: RwSignal<Sampling>,
    pub budget: RwSignal<usize>,
    pub constrained: RwSignal<bool>,
    pub turns: RwSignal<Vec<Turn>>,
    /// Id of the turn whose results are on the picture.
    pub shown_turn: RwSignal<Option<u32>>,
    /// Request of the answer under way, and its turn.
    pub running: RwSignal<Option<(u32, u32)>>,
    pub focus: RwSignal<Option<Focus>>,
    pub results: RwSignal<bool>,
    pub truth: RwSignal<bool>,

    pub live: RwSignal<bool>,
    pub live_masks: RwSignal<HashMap<u32, LiveMask>>,
    pub live_queue: StoredValue<Latest<Mark>>,

    pub engine: RwSignal<Engine>,
    pub notice: RwSignal<Option<Notice>>,
    pub camera: RwSignal<bool>,
    client: StoredValue<Option<Client>, LocalStorage>,
    next_turn: StoredValue<u32>,
}

impl Store {
    pub fn new() -> Self {
        Self {
            picture: RwSignal::new_local(None),
            seen: RwSignal::new(false),
            history: RwSignal::new(History::default()),
            shown: RwSignal::new(Board::default()),
            gesture: RwSignal::new(Gesture::default()),
            tool: RwSignal::new(Tool::default()),
            brush: RwSignal::new(0.03),
            view: RwSignal::new(View::default()),
            fitted: RwSignal::new(true),
            canvas: RwSignal::new([0.0; 2]),
            crosshair: RwSignal::new(None),
            pointer: RwSignal::new(None),
            task: RwSignal::new(Task::GcgSegmentation),
            task_chosen: RwSignal::new(false),
            text: RwSignal::new(String::new()),
            ready_made: RwSignal::new(true),
            sampling: RwSignal::new(Sampling::default()),
            budget: RwSignal::new(Ask::new(Task::Vqa, "", Vec::new()).budget),
            constrained: RwSignal::new(true),
            turns: RwSignal::new(Vec::new()),
            shown_turn: RwSignal::new(None),
            running: RwSignal::new(None),
            focus: RwSignal::new(None),
            results: RwSignal::new(true),
            truth: RwSignal::new(false),
            live: RwSignal::new(false),
            live_masks: RwSignal::new(HashMap::new()),
            live_queue: StoredValue::new(Latest::default()),
            engine: RwSignal::new(starting()),
            notice: RwSignal::new(None),
            camera: RwSignal::new(false),
            client: StoredValue::new_local(None),
            next_turn: StoredValue::new(0),
        }
    }

    /// Starts the worker and loads the model; a worker that is there already is ended.
    pub fn load(self) {
        self.stop_all();
        self.client.set_value(None);
        // What was under way will never be answered.
        self.running.set(None);
        self.live_queue.set_value(Latest::default());
        self.seen.set(false);
        self.engine.set(starting());
        let client = address("refvlm-worker").and_then(|url| Client::start(&url));
        let (client, url) = match client.and_then(|c| Ok((c, address("refvlm-model")?))) {
            Ok(both) => both,
            Err(failure) => return self.engine.set(Engine::Failed(failure)),
        };
        self.client.set_value(Some(client));
        let request = Request::Load { url, backend: BackendChoice::Auto };
        self.send(request, None, move |reply, _| match reply {
            Reply::Progress { phase, bytes, total, eta_s } => {
                self.engine.set(Engine::Loading { phase, bytes, total, eta_s });
            }
            Reply::Ready(ready) => {
                self.engine.set(Engine::Ready(ready));
                self.show_engine_the_picture();
            }
            Reply::Failed(failure) => self.engine.set(Engine::Failed(failure)),
            _ => {}
        });
    }

    /// Sends a request to the worker; none when there is no worker.
    pub fn send(
        self,
        request: Request,
        rgba: Option<&js_sys::ArrayBuffer>,
        handler: impl FnMut(Reply, super::client::Bytes) + 'static,
    ) -> Option<u32> {
        self.client
            .try_update_value(|client| Some(client.as_mut()?.send(request, rgba, handler)))
            .flatten()
    }

    /// Ends a request early.
    pub fn abort(self, request: u32) {
        self.client.update_value(|client| {
            if let Some(client) = client {
                client.abort(request);
            }
        });
    }

    /// Puts a failure where it belongs: one that costs the model at the engine, any other as a
    /// notice.
    pub fn failed(self, failure: &Failure) {
        if failure.kind.loses_model() {
            self.seen.set(false);
            self.engine.set(Engine::Failed(failure.clone()));
        } else {
            self.fault(sentences(failure).join(" "));
        }
    }

    /// Tells the person of a fault.
    pub fn fault(self, message: String) {
        self.notice.set(Some(Notice { message, fault: true }));
    }

    /// Tells the person of a success that is not seen otherwise.
    pub fn news(self, message: &str) {
        self.notice.set(Some(Notice { message: message.into(), fault: false }));
    }

    /// Opens a picture: a new conversation begins.
    pub fn open(self, picture: Picture) {
        self.stop_all();
        batch_reset(self);
        self.picture.set(Some(picture));
        self.show_engine_the_picture();
    }

    fn show_engine_the_picture(self) {
        self.seen.set(false);
        let Some(picture) = self.picture.get_untracked() else { return };
        if !matches!(self.engine.get_untracked(), Engine::Ready(_)) {
            return;
        }
        let rgba = match picture.rgba() {
            Ok(rgba) => rgba,
            Err(e) => {
                return self.fault(format!("The picture's pixels can't be read: {}.", words(&e)));
            }
        };
        let [width, height] = picture.size;
        let serial = picture.serial;
        self.send(Request::SetImage { width, height }, Some(&rgba), move |reply, _| {
            let current =
                self.picture.with_untracked(|p| p.as_ref().is_some_and(|p| p.serial == serial));
            match reply {
                Reply::ImageSet { .. } if current => self.seen.set(true),
                Reply::Failed(failure) if current => self.failed(&failure),
                _ => {}
            }
        });
    }

    /// Whether a question can be asked now.
    pub fn can_ask(self) -> bool {
        self.seen.get() && matches!(self.engine.get(), Engine::Ready(_))
    }

    /// Ends the answer under way and what live mode waits for.
    pub fn stop_all(self) {
        if let Some((request, _)) = self.running.get_untracked() {
            self.abort(request);
        }
        self.live_queue.update_value(Latest::forget);
    }

    /// Shows a board without keeping it.
    pub fn preview(self, board: Board) {
        self.shown.set(board);
    }

    /// Keeps a board as a step that can be undone.
    pub fn keep(self, board: Board) {
        self.history.update(|history| history.push(board.clone()));
        self.settle(board);
    }

    /// Makes a board the shown one, and lets a ready-made question follow it.
    pub fn settle(self, board: Board) {
        self.shown.set(board);
        self.suggest();
    }

    pub fn undo(self) {
        self.step(History::undo);
    }

    pub fn redo(self) {
        self.step(History::redo);
    }

    fn step(self, go: fn(&mut History<Board>) -> bool) {
        self.gesture.set(Gesture::default());
        let went = self.history.try_update(go).unwrap_or(false);
        if went {
            self.settle(self.history.with_untracked(|history| history.now().clone()));
        }
    }

    pub fn select(self, id: Option<u32>) {
        let mut board = self.history.with_untracked(|history| history.now().clone());
        board.selected = id;
        self.history.update(|history| history.replace(board.clone()));
        self.settle(board);
    }

    /// Takes a mark away; its number goes out of the question too.
    pub fn remove(self, id: u32) {
        let mut board = self.history.with_untracked(|history| history.now().clone());
        if let Some(number) = board.remove(id) {
            if !self.ready_made.get_untracked() {
                self.text.update(|text| *text = question::without(text, number));
            }
            self.keep(board);
        }
    }

    pub fn clear(self) {
        let mut board = self.history.with_untracked(|history| history.now().clone());
        board.clear();
        self.keep(board);
    }

    /// Lets a ready-made question follow task and prompts.
    pub fn suggest(self) {
        if !self.ready_made.get_untracked() {
            return;
        }
        let numbers = self.shown.with_untracked(question::by_attention);
        if !self.task_chosen.get_untracked() {
            self.task.set(question::natural_task(numbers.len()));
        }
        let task = self.task.get_untracked();
        let ready = question::ready_for(task, numbers.len());
        let words = ready.iter().find_map(|ready| ready.about(&numbers)).unwrap_or_default();
        self.text.set(words);
    }

    /// A number for a new turn.
    pub fn next_turn_id(self) -> u32 {
        self.next_turn
            .try_update_value(|next| {
                *next += 1;
                *next
            })
            .unwrap_or_default()
    }

    /// The brush's radius, px of the picture.
    pub fn radius(self) -> f32 {
        let side = self.picture.with(|p| p.as_ref().map_or(1, |p| p.size[0].max(p.size[1])));
        self.brush.get() * side as f32
    }
}

fn batch_reset(store: Store) {
    store.history.update(|history| history.reset(Board::default()));
    store.shown.set(Board::default());
    store.gesture.set(Gesture::default());
    store.turns.set(Vec::new());
    store.shown_turn.set(None);
    store.focus.set(None);
    store.truth.set(false);
    store.results.set(true);
    store.live_masks.set(HashMap::new());
    store.crosshair.set(None);
    store.fitted.set(true);
    store.notice.set(None);
    store.suggest();
}

fn starting() -> Engine {
    Engine::Loading { phase: Phase::Download, bytes: 0, total: 0, eta_s: None }
}

/// An address that the page's head gives, made absolute.
fn address(name: &str) -> Result<String, Failure> {
    let missing = || crashed(&format!("the page has no <meta name=\"{name}\">"));
    let meta = document().query_selector(&format!("meta[name={name}]")).ok().flatten();
    let content = meta.and_then(|meta| meta.get_attribute("content")).ok_or_else(missing)?;
    let base = document().base_uri().ok().flatten().ok_or_else(missing)?;
    web_sys::Url::new_with_base(&content, &base).map(|url| url.href()).map_err(|_| missing())
}
