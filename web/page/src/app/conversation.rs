//! Asking and listening: questions of the person, and those that live mode asks by itself.

use super::client::Message;
use super::state::{Glance, LiveMask};
use super::store::Store;
use crate::canvas::marks::Mark;
use crate::conversation::answer::{Answer, Cut};
use crate::conversation::live::Latest;
use crate::conversation::question;
use crate::take_home::transcript::Turn;
use leptos::prelude::*;
use refvlm_protocol::{Ask, Event, Reply, Request, Task};
use refvlm_record::ready::pointed_question;

impl Store {
    /// Asks what stands in the field.
    pub fn ask(self) {
        if !untrack(|| self.may_ask()) || untrack(|| self.talk.busy()) {
            return;
        }
        let Some(size) = self.canvas.picture.with_untracked(|p| p.as_ref().map(|p| p.size)) else {
            return;
        };
        let board = self.canvas.history.with_untracked(|history| history.now().clone());
        let mut text = self.draft.text.get_untracked().trim().to_string();
        if let Some(&number) = question::by_attention(&board).first() {
            text = question::pointed(&text, number);
        }
        if let Some(number) = question::missing(&text, board.marks.len()) {
            return self.fault(format!("There is no prompt {number} on the picture."));
        }
        let (text, numbers) = question::sent(&text);
        let marks: Vec<&Mark> = numbers.iter().filter_map(|n| board.marks.get(n - 1)).collect();
        let mut prompts = Vec::new();
        for (mark, number) in marks.iter().zip(&numbers) {
            match mark.prompt(size) {
                Some(prompt) => prompts.push(prompt),
                None => {
                    return self
                        .fault(format!("Nothing is left of prompt {number}. Draw it again."));
                }
            }
        }
        let ask = Ask {
            sampling: self.draft.sampling.get_untracked(),
            budget: self.draft.budget.get_untracked(),
            constrained: self.draft.constrained.get_untracked(),
            ..Ask::new(self.draft.task.get_untracked(), text, prompts)
        };
        if let Err(e) = ask.parts() {
            return self.fault(format!("{e}."));
        }
        let marks = marks.iter().map(|mark| mark.id).zip(numbers).collect();
        self.put(ask, marks);
        // The field is free for the next question.
        self.draft.ready_made.set(true);
        self.suggest();
    }

    /// Asks a ready-made question.
    pub fn ask_ready(self, task: Task, words: String) {
        let before = self.draft.task.get_untracked();
        self.draft.task.set(task);
        self.draft.text.set(words);
        self.ask();
        if self.draft.task_chosen.get_untracked() {
            self.draft.task.set(before);
        }
        self.suggest();
    }

    fn put(self, ask: Ask, marks: Vec<(u32, usize)>) {
        let id = self.talk.next_id();
        let turn = Turn { id, ask: ask.clone(), marks, answer: Answer::default() };
        self.talk.turns.update(|turns| turns.push(turn));
        self.talk.shown_turn.set(Some(id));
        self.talk.focus.set(None);
        self.link.notice.set(None);
        // What waits in live mode would only be in the way.
        self.talk.live_queue.update_value(crate::conversation::live::Latest::forget);
        if let Some((request, _)) = self.talk.live_request.get_value() {
            self.abort(request);
        }
        if untrack(|| self.can_ask()) {
            self.send_ask(id, ask);
        } else {
            self.talk.waiting.set(Some((id, ask)));
        }
    }

    /// Asks the question that waited for a model.
    pub fn ask_waiting(self) {
        if let Some((id, ask)) = self.talk.waiting.try_update(Option::take).flatten() {
            self.send_ask(id, ask);
        }
    }

    /// Ends the turn that waits for a model, if one does.
    pub fn give_up(self, cut: Cut) {
        let Some((id, _)) = self.talk.waiting.try_update(Option::take).flatten() else { return };
        self.talk.turns.update(|turns| {
            if let Some(turn) = turns.iter_mut().find(|turn| turn.id == id) {
                turn.answer.cut = Some(cut);
            }
        });
    }

    fn send_ask(self, id: u32, ask: Ask) {
        let request = self.send(Request::Ask { ask }, None, move |message| {
            self.hear(id, message);
        });
        match request {
            Some(request) if self.turn_goes_on(id) => self.talk.running.set(Some((request, id))),
            Some(_) => {}
            None => self.hear(id, Message::failed(super::client::crashed("no engine is running"))),
        }
    }

    fn turn_goes_on(self, id: u32) -> bool {
        self.talk.turns.with_untracked(|turns| turns.iter().any(|t| t.id == id && !t.answer.over()))
    }

    fn hear(self, id: u32, Message { reply, last, .. }: Message) {
        if let Reply::Failed(failure) = &reply
            && failure.lost
        {
            self.failed(failure);
            // The processor goes on: the question waits for it.
            if self.talk.waiting.with_untracked(|w| w.as_ref().is_some_and(|(turn, _)| *turn == id))
            {
                return;
            }
        }
        self.talk.turns.update(|turns| {
            let Some(turn) = turns.iter_mut().find(|turn| turn.id == id) else { return };
            match reply {
                Reply::Event { event } => turn.answer.take(event),
                Reply::Aborted => turn.answer.cut = Some(Cut::Aborted),
                Reply::Failed(failure) => turn.answer.cut = Some(Cut::Failed(failure)),
                _ => {}
            }
        });
        if last && self.talk.running.get_untracked().is_some_and(|(_, turn)| turn == id) {
            self.talk.running.set(None);
        }
    }

    /// Stops the answer under way, or the question that waits.
    pub fn stop(self) {
        self.give_up(Cut::Aborted);
        if let Some((request, _)) = self.talk.running.get_untracked() {
            self.abort(request);
        }
    }
}

/// Keeps the masks of live mode up to date with the marks.
pub fn follow_live(store: Store) {
    Effect::new(move |_| {
        let board = store.canvas.shown.get();
        if !store.talk.live.get() {
            return store.stop_live();
        }
        if !store.can_ask() || store.talk.running.get().is_some() {
            return;
        }
        let Some(size) = store.canvas.picture.with_untracked(|p| p.as_ref().map(|p| p.size)) else {
            return;
        };
        let known = store.talk.live_masks.get_untracked();
        let changed = |mark: &&Mark| {
            known.get(&mark.id).is_none_or(|live| live.mark != **mark)
                && mark.prompt(size).is_some()
        };
        // The selected mark is the one being dragged.
        let chosen = board.chosen().into_iter().chain(board.marks.iter().rev()).find(changed);
        let Some(mark) = chosen else { return };
        let glance = Glance { mark: mark.clone(), closer: false };
        match store.talk.live_queue.try_update_value(|q| q.offer(glance)).flatten() {
            Some(next) => live_ask(store, next),
            // A closer look at what has moved on is not worth waiting for.
            None => {
                if let Some((request, true)) = store.talk.live_request.get_value() {
                    store.abort(request);
                }
            }
        }
    });
}

fn live_ask(store: Store, Glance { mark, closer }: Glance) {
    let picture = store.canvas.picture.with_untracked(|p| p.as_ref().map(|p| (p.size, p.serial)));
    let prompt = picture.and_then(|(size, serial)| Some((mark.prompt(size)?, serial)));
    let Some((prompt, serial)) = prompt else {
        return live_next(store, None);
    };
    let question = pointed_question(Task::GroundingSegmentation);
    let words = question.about(&[1]).unwrap_or_default();
    let ask = Ask { closer, ..Ask::new(question.task, words, vec![prompt]) };
    let mut answer = Answer::default();
    let sent = store.send(Request::Ask { ask }, None, move |Message { reply, last, .. }| {
        match reply {
            Reply::Event { event } => {
                let news = last || matches!(event, Event::Unit { .. });
                answer.take(event);
                let found = answer.said.triplets.first().and_then(|triplet| triplet.found.first());
                let same = store
                    .canvas
                    .picture
                    .with_untracked(|p| p.as_ref().is_some_and(|p| p.serial == serial));
                if news && same {
                    let live = LiveMask { mark: mark.clone(), found: found.cloned() };
                    store.talk.live_masks.update(|masks| {
                        masks.insert(mark.id, live);
                    });
                }
            }
            Reply::Failed(failure) if failure.lost => store.failed(&failure),
            Reply::Failed(_) => {
                // Nobody asked, so nobody is told; the same mark is not tried again.
                let live = LiveMask { mark: mark.clone(), found: None };
                store.talk.live_masks.update(|masks| {
                    masks.insert(mark.id, live);
                });
            }
            _ => {}
        }
        if last {
            store.talk.live_request.set_value(None);
            let rests = answer.said.is_whole() && !closer;
            live_next(store, rests.then(|| Glance { mark: mark.clone(), closer: true }));
        }
    });
    match sent {
        Some(request) => store.talk.live_request.set_value(Some((request, closer))),
        None => store.talk.live_queue.set_value(Latest::default()),
    }
}

/// What waits comes next; where nothing does, the mark that rests is looked at closer, unless live
/// mode was switched off meanwhile.
fn live_next(store: Store, rests: Option<Glance>) {
    let rests = rests.filter(|_| store.talk.live.get_untracked());
    let next = store.talk.live_queue.try_update_value(|queue| {
        queue.over().or_else(|| rests.and_then(|rests| queue.offer(rests)))
    });
    match next.flatten() {
        Some(next) => live_ask(store, next),
        // Other marks may have changed meanwhile: look again.
        None => store.canvas.shown.notify(),
    }
}
