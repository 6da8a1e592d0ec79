//! An answer that is sent as it grows, in server-sent events.

use super::Head;
use super::answer::{finish, opened, said, target, usage};
use crate::app::{Hearing, take};
use crate::failure::Failure;
use crate::reply;
use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, Response, StatusCode, header};
use refvlm_record::answer::{Answer, Found};
use refvlm_record::event::Event;
use refvlm_record::reading::Reading;
use serde_json::{Value, json};
use std::convert::Infallible;

/// The end of every stream.
const DONE: &str = "data: [DONE]\n\n";

/// A stream that is being sent.
struct Sending {
    hearing: Hearing,
    head: Head,
    answer: Answer,
    /// Words that were sent.
    sent: String,
    with_usage: bool,
    notes: Vec<String>,
    state: State,
}

#[derive(PartialEq)]
enum State {
    Beginning,
    Going,
    Over,
}

/// The answer to a request that wants a stream.
pub fn reply(hearing: Hearing, head: Head, with_usage: bool, notes: Vec<String>) -> Response<Body> {
    let sending = Sending {
        hearing,
        head,
        answer: Answer::default(),
        sent: String::new(),
        with_usage,
        notes,
        state: State::Beginning,
    };
    let parts = futures_util::stream::unfold(sending, |mut sending| async {
        let text = sending.next().await?;
        Some((Ok::<_, Infallible>(Bytes::from(text)), sending))
    });
    let mut response =
        reply::of(StatusCode::OK, "text/event-stream; charset=utf-8", Body::from_stream(parts));
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    // Proxies such as nginx would otherwise collect the parts.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

impl Sending {
    /// The next text to send; none after the last.
    async fn next(&mut self) -> Option<String> {
        match self.state {
            State::Over => return None,
            State::Beginning => {
                self.state = State::Going;
                return Some(self.chunk(json!({ "role": "assistant", "content": "" }), None));
            }
            State::Going => {}
        }
        loop {
            let text = match self.hearing.next().await {
                Ok(event) => self.take(event),
                Err(failure) => Some(self.fail(&failure)),
            };
            if let Some(text) = text {
                return Some(text);
            }
        }
    }

    /// What an event adds to the stream.
    fn take(&mut self, event: Event) -> Option<String> {
        let more = match &event {
            Event::Triplet { triplet, concept, unit, count } => {
                Some(json!({ "phrase": opened(*triplet, concept, *unit, *count) }))
            }
            Event::Unit { triplet, index, confidence, shape } => {
                let found = Found { confidence: *confidence, shape: shape.clone(), mask: None };
                Some(json!({ "number": triplet, "index": index, "target": target(&found) }))
            }
            _ => None,
        };
        take(&mut self.answer, event);
        let mut delta = json!({});
        // What may still change is not sent: the words so far must go on from those before.
        let words = Reading::new(&self.answer.raw).words();
        if let Some(new) = words.strip_prefix(&self.sent).filter(|new| !new.is_empty()) {
            delta["content"] = json!(new);
            self.sent = words;
        }
        if let Some(more) = more {
            delta["refvlm"] = more;
        }
        if self.answer.progress.over() {
            return Some(self.end(delta));
        }
        let said = delta.as_object().is_some_and(|delta| !delta.is_empty());
        said.then(|| self.chunk(delta, None))
    }

    /// The last parts.
    fn end(&mut self, delta: Value) -> String {
        self.state = State::Over;
        let mut text = match delta.as_object().is_some_and(|delta| !delta.is_empty()) {
            true => self.chunk(delta, None),
            false => String::new(),
        };
        let notes = std::mem::take(&mut self.notes);
        let more = json!({ "refvlm": said(&self.hearing, &self.answer, notes) });
        text += &self.chunk(more, Some(finish(&self.answer)));
        if self.with_usage {
            let mut last = self.head.json("chat.completion.chunk");
            last["choices"] = json!([]);
            last["usage"] = usage(&self.answer);
            text += &data(&last);
        }
        text + DONE
    }

    fn fail(&mut self, failure: &Failure) -> String {
        self.state = State::Over;
        data(&failure.json()) + DONE
    }

    fn chunk(&self, delta: Value, reason: Option<&str>) -> String {
        let mut chunk = self.head.json("chat.completion.chunk");
        chunk["choices"] = json!([
            { "index": 0, "delta": delta, "logprobs": null, "finish_reason": reason }
        ]);
        data(&chunk)
    }
}

/// A server-sent event.
fn data(value: &Value) -> String {
    format!("data: {value}\n\n")
}
