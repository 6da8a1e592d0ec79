//! `POST /v1/chat/completions`: OpenAI's chat completions, whose answers carry boxes, masks, joints
//! and distances beside their words.

mod answer;
mod request;
mod stream;

use crate::app::{App, now};
use crate::failure::Failure;
use crate::reply;
use answer::{choice, usage};
use axum::body::Body;
use axum::extract::State;
use axum::http::{Request, Response, StatusCode};
use request::Wanted;
use serde_json::{Value, json};
use std::sync::Arc;

/// Answers a chat.
///
/// # Errors
/// When the request cannot be used, or the model fails before its answer begins.
pub async fn completions(
    State(app): State<Arc<App>>,
    request: Request<Body>,
) -> Result<Response<Body>, Failure> {
    let deadline = app.deadline();
    let (place, body) = app.body(request, deadline).await?;
    let wanted = Wanted::read(body, app.card.id.clone(), app.settings.limits.tokens);
    let Wanted { photo, asking, stream, with_usage, notes } =
        app.within(deadline, wanted).await??;
    let mut hearing = app.ask(place, photo, asking, deadline).await?;
    let head = Head { id: format!("chatcmpl-{}", app.number()), model: app.card.id.clone() };
    if stream {
        return Ok(stream::reply(hearing, head, with_usage, notes));
    }
    let answer = hearing.all().await?;
    let mut whole = head.json("chat.completion");
    whole["choices"] = json!([choice(&hearing, &answer, notes)]);
    whole["usage"] = usage(&answer);
    Ok(reply::json(StatusCode::OK, &whole))
}

/// What every part of an answer begins with.
struct Head {
    id: String,
    model: String,
}

impl Head {
    fn json(&self, object: &str) -> Value {
        json!({ "id": self.id, "object": object, "created": now(), "model": self.model })
    }
}
