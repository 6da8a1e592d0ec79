//! What the page's parts share, and what they do with it.

use super::client::{Message, words};
use super::picture::Picture;
use super::state::{Canvas, Draft, Engine, Kept, Link, Notice, Talk};
use crate::canvas::history::History;
use crate::canvas::marks::Board;
use crate::canvas::tools::Gesture;
use crate::conversation::answer::Cut;
use crate::conversation::live::Latest;
use crate::conversation::question;
use crate::models::Models;
use crate::take_home::transcript::sentences;
use leptos::prelude::*;
use refvlm_protocol::{Backend, Failure, Reply, Request};
use refvlm_record::intent::task_of;

/// The page's state. Copies share it.
#[derive(Clone, Copy)]
pub struct Store {
    pub canvas: Canvas,
    pub draft: Draft,
    pub talk: Talk,
    pub link: Link,
}

impl Store {
    pub fn new() -> Self {
        Self { canvas: Canvas::new(), draft: Draft::new(), talk: Talk::new(), link: Link::new() }
    }

    /// Sends a request to the worker; none when there is no worker.
    pub fn send(
        self,
        request: Request,
        rgba: Option<&js_sys::ArrayBuffer>,
        handler: impl FnMut(Message) + 'static,
    ) -> Option<u32> {
        self.link
            .client
            .try_update_value(|client| Some(client.as_mut()?.send(request, rgba, handler)))
            .flatten()
    }

    /// Ends a request early.
    pub fn abort(self, request: u32) {
        self.link.client.update_value(|client| {
            if let Some(client) = client {
                client.abort(request);
            }
        });
    }

    /// Puts a failure where it belongs: one that costs the model at the engine, any other as a
    /// notice.
    pub fn failed(self, failure: &Failure) {
        if failure.lost {
            let backend = self.link.engine.with_untracked(|engine| match engine {
                Engine::Ready(ready) => ready.backend,
                _ => Backend::Cpu,
            });
            if self.go_on_without_card(failure, backend) {
                return;
            }
            self.link.seen.set(false);
            self.link.models.update(Models::lost);
            self.link.engine.set(Engine::Failed(failure.clone()));
        } else {
            self.fault(sentences(failure).join(" "));
        }
    }

    /// Tells the person of a fault.
    pub fn fault(self, message: String) {
        self.link.notice.set(Some(Notice { message, fault: true, undo: false }));
    }

    /// Tells the person of a success that is not seen otherwise.
    pub fn news(self, message: &str) {
        self.link.notice.set(Some(Notice { message: message.into(), fault: false, undo: false }));
    }

    /// Opens a picture: a new conversation begins, with the model that knows such pictures. What
    /// was done on the picture before is kept, and can be had back.
    pub fn open(self, picture: Picture) {
        let done = self.put_aside();
        self.start(picture);
        if done {
            let message = "A new picture: its conversation begins here.".into();
            self.link.notice.set(Some(Notice { message, fault: false, undo: true }));
        }
    }

    /// Keeps picture, prompts and conversation, if something was done. Returns whether it was.
    fn put_aside(self) -> bool {
        self.stop();
        let Some(picture) = self.canvas.picture.get_untracked() else { return false };
        let kept = Kept {
            picture,
            history: self.canvas.history.get_untracked(),
            turns: self.talk.turns.get_untracked(),
            shown_turn: self.talk.shown_turn.get_untracked(),
        };
        let done = !kept.turns.is_empty() || !kept.history.now().marks.is_empty();
        if done {
            self.canvas.kept.set_value(Some(kept));
        }
        done
    }

    /// Opens the picture before this one, as it was; this one is kept in its place.
    pub fn back(self) {
        let Some(kept) = self.canvas.kept.try_update_value(Option::take).flatten() else { return };
        let undo = self.put_aside();
        self.start(kept.picture);
        self.talk.turns.set(kept.turns);
        self.talk.shown_turn.set(kept.shown_turn);
        let board = kept.history.now().clone();
        self.canvas.history.set(kept.history);
        self.settle(board);
        if undo {
            let message = "The picture before, as it was.".into();
            self.link.notice.set(Some(Notice { message, fault: false, undo }));
        }
    }

    fn start(self, picture: Picture) {
        self.stop_all();
        self.canvas.reset();
        self.talk.reset();
        self.link.notice.set(None);
        self.suggest();
        self.link.models.update(|models| models.opened(picture.kind));
        self.canvas.picture.set(Some(picture));
        self.link.seen.set(false);
        if !self.follow() {
            self.show_engine_the_picture();
        }
    }

    /// Has a model that is there look at the picture; then a question that waits is asked.
    pub fn show_engine_the_picture(self) {
        self.link.seen.set(false);
        let Some(picture) = self.canvas.picture.get_untracked() else { return };
        if !matches!(self.link.engine.get_untracked(), Engine::Ready(_)) {
            return;
        }
        let rgba = match picture.rgba() {
            Ok(rgba) => rgba,
            Err(e) => {
                self.give_up(Cut::Aborted);
                return self.fault(format!("The picture's pixels can't be read: {}.", words(&e)));
            }
        };
        let [width, height] = picture.size;
        let serial = picture.serial;
        let load = self.link.models.with_untracked(Models::serial);
        self.send(Request::SetImage { width, height }, Some(&rgba), move |message| {
            let current = self
                .canvas
                .picture
                .with_untracked(|p| p.as_ref().is_some_and(|p| p.serial == serial));
            let current = current && load == self.link.models.with_untracked(Models::serial);
            match message.reply {
                Reply::ImageSet { .. } if current => {
                    self.link.seen.set(true);
                    self.ask_waiting();
                }
                Reply::Failed(failure) if current => {
                    self.failed(&failure);
                    if !matches!(self.link.engine.get_untracked(), Engine::Loading { .. }) {
                        self.give_up(Cut::Failed(failure));
                    }
                }
                _ => {}
            }
        });
    }

    /// Whether a question can be asked now.
    pub fn can_ask(self) -> bool {
        self.link.seen.get() && matches!(self.link.engine.get(), Engine::Ready(_))
    }

    /// Whether a question can be asked now, or as soon as the model is there.
    pub fn may_ask(self) -> bool {
        self.can_ask() || matches!(self.link.engine.get(), Engine::Loading { .. })
    }

    /// Ends the answer under way and what live mode waits for.
    pub fn stop_all(self) {
        if let Some((request, _)) = self.talk.running.get_untracked() {
            self.abort(request);
        }
        self.stop_live();
    }

    /// Ends what live mode asks, and forgets what waits.
    pub fn stop_live(self) {
        self.talk.live_queue.update_value(Latest::forget);
        if let Some((request, _)) = self.talk.live_request.get_value() {
            self.abort(request);
        }
    }

    /// Shows a board without keeping it.
    pub fn preview(self, board: Board) {
        self.canvas.shown.set(board);
    }

    /// Keeps a board as a step that can be undone.
    pub fn keep(self, board: Board) {
        self.canvas.history.update(|history| history.push(board.clone()));
        self.settle(board);
    }

    /// Makes a board the shown one, and lets a ready-made question follow it.
    pub fn settle(self, board: Board) {
        self.canvas.shown.set(board);
        self.suggest();
    }

    pub fn undo(self) {
        self.step(History::undo);
    }

    pub fn redo(self) {
        self.step(History::redo);
    }

    fn step(self, go: fn(&mut History<Board>) -> bool) {
        self.canvas.gesture.set(Gesture::default());
        let went = self.canvas.history.try_update(go).unwrap_or(false);
        if went {
            self.settle(self.canvas.history.with_untracked(|history| history.now().clone()));
        }
    }

    pub fn select(self, id: Option<u32>) {
        let mut board = self.canvas.history.with_untracked(|history| history.now().clone());
        board.selected = id;
        self.canvas.history.update(|history| history.replace(board.clone()));
        self.settle(board);
    }

    /// Takes a mark away; its number goes out of the question too.
    pub fn remove(self, id: u32) {
        let mut board = self.canvas.history.with_untracked(|history| history.now().clone());
        if let Some(number) = board.remove(id) {
            if !self.draft.ready_made.get_untracked() {
                self.draft.text.update(|text| *text = question::without(text, number));
            }
            self.keep(board);
        }
    }

    pub fn clear(self) {
        let mut board = self.canvas.history.with_untracked(|history| history.now().clone());
        board.clear();
        self.keep(board);
    }

    /// Lets the kind of answer follow the words, unless the person chose it, and a ready-made
    /// question the kind and the prompts.
    pub fn suggest(self) {
        let ready_made = self.draft.ready_made.get_untracked();
        let numbers = self.canvas.shown.with_untracked(question::by_attention);
        if !self.draft.task_chosen.get_untracked() {
            self.draft.task.set(match ready_made {
                true => question::natural_task(numbers.len()),
                false => self.draft.text.with_untracked(|text| task_of(text, numbers.len())),
            });
        }
        if !ready_made {
            return;
        }
        let task = self.draft.task.get_untracked();
        let ready = question::ready_for(task, numbers.len());
        let words = ready.iter().find_map(|ready| ready.about(&numbers)).unwrap_or_default();
        self.draft.text.set(words);
    }

    /// The brush's radius, px of the picture.
    pub fn radius(self) -> f32 {
        let side = self.canvas.picture.with(|p| p.as_ref().map_or(1, |p| p.size[0].max(p.size[1])));
        self.canvas.brush.get() * side as f32
    }
}
