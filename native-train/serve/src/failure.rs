//! Why a request got no answer: the kind, the words, what helps, and the form in which it is sent.

use crate::reply;
use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use axum::response::IntoResponse;
use refvlm_files::picture::PictureError;
use refvlm_model::engine::EngineError;
use refvlm_record::{AskError, RecordError};
use serde_json::{Value, json};

/// What went wrong, as programs tell it apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The body is not JSON, or not of the form that is asked for.
    Json,
    /// A field has a value that cannot be used.
    Value,
    /// There is no picture, or more than one.
    NoPicture,
    /// A picture has to be fetched, and from there nothing is fetched.
    Url,
    /// The picture cannot be read.
    Picture,
    /// The picture has too many pixels.
    PictureSize,
    /// A prompt lies outside the picture, or is empty.
    Prompt,
    /// The question cannot be asked.
    Question,
    /// The body is too long.
    BodySize,
    /// The token is missing or wrong.
    Token,
    /// There is no such model.
    Model,
    /// There is no such place.
    Place,
    /// The place takes requests of another method.
    Method,
    /// Too many requests wait.
    Busy,
    /// The server is shutting down.
    Closing,
    /// It took too long.
    Time,
    /// The model failed.
    Engine,
    /// A picture could not be fetched from Label Studio.
    Fetch,
}

impl Kind {
    /// Status, OpenAI's type of error, and the code.
    fn form(self) -> (StatusCode, &'static str, &'static str) {
        use StatusCode as S;
        const REQUEST: &str = "invalid_request_error";
        const SERVER: &str = "server_error";
        match self {
            Kind::Json => (S::BAD_REQUEST, REQUEST, "invalid_json"),
            Kind::Value => (S::BAD_REQUEST, REQUEST, "invalid_value"),
            Kind::NoPicture => (S::BAD_REQUEST, REQUEST, "no_picture"),
            Kind::Url => (S::BAD_REQUEST, REQUEST, "picture_url_refused"),
            Kind::Picture => (S::BAD_REQUEST, REQUEST, "invalid_picture"),
            Kind::PictureSize => (S::PAYLOAD_TOO_LARGE, REQUEST, "picture_too_large"),
            Kind::Prompt => (S::BAD_REQUEST, REQUEST, "invalid_prompt"),
            Kind::Question => (S::BAD_REQUEST, REQUEST, "invalid_question"),
            Kind::BodySize => (S::PAYLOAD_TOO_LARGE, REQUEST, "body_too_large"),
            Kind::Token => (S::UNAUTHORIZED, "authentication_error", "invalid_api_key"),
            Kind::Model => (S::NOT_FOUND, REQUEST, "model_not_found"),
            Kind::Place => (S::NOT_FOUND, REQUEST, "not_found"),
            Kind::Method => (S::METHOD_NOT_ALLOWED, REQUEST, "method_not_allowed"),
            Kind::Busy => (S::TOO_MANY_REQUESTS, "rate_limit_error", "queue_full"),
            Kind::Closing => (S::SERVICE_UNAVAILABLE, SERVER, "shutting_down"),
            Kind::Time => (S::GATEWAY_TIMEOUT, SERVER, "timeout"),
            Kind::Engine => (S::INTERNAL_SERVER_ERROR, SERVER, "engine_failed"),
            Kind::Fetch => (S::BAD_GATEWAY, SERVER, "picture_not_fetched"),
        }
    }
}

/// Why a request got no answer.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// What went wrong.
    pub kind: Kind,
    /// In words; what helps stands behind the last `; ` or `: `.
    pub message: String,
    /// The field that is wrong, where it is one.
    pub field: Option<String>,
}

impl Failure {
    /// A failure of a kind.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), field: None }
    }

    /// A field that cannot be used.
    pub fn field(kind: Kind, field: impl Into<String>, message: impl std::fmt::Display) -> Self {
        let field = field.into();
        Self { kind, message: format!("{field}: {message}"), field: Some(field) }
    }

    /// Too many requests wait.
    pub fn busy() -> Self {
        Self::new(
            Kind::Busy,
            "as many requests wait as may; try again after the seconds in Retry-After",
        )
    }

    /// The request took longer than it may.
    pub fn late(seconds: u64) -> Self {
        let message = format!(
            "the request took longer than {seconds} s; ask less at a time, send a smaller picture, \
             or start the server with a longer --timeout"
        );
        Self::new(Kind::Time, message)
    }

    /// The worker ended without an answer.
    pub fn lost() -> Self {
        Self::new(Kind::Engine, "the model failed and was started again; ask once more")
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        self.kind.form().0
    }

    /// OpenAI's form of an error, with the remedy by itself.
    pub fn json(&self) -> Value {
        let (_, form, code) = self.kind.form();
        let remedy = [self.message.rfind("; "), self.message.rfind(": ")].into_iter().flatten();
        let remedy = remedy.max().and_then(|at| self.message.get(at + 2..));
        json!({ "error": {
            "message": self.message,
            "type": form,
            "param": self.field,
            "code": code,
            "remedy": remedy,
        } })
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response<Body> {
        let mut response = reply::json(self.status(), &self.json());
        let more = match self.kind {
            Kind::Busy | Kind::Closing => Some((header::RETRY_AFTER, "1")),
            Kind::Token => Some((header::WWW_AUTHENTICATE, "Bearer")),
            _ => None,
        };
        if let Some((name, value)) = more {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        response
    }
}

impl From<PictureError> for Failure {
    fn from(error: PictureError) -> Self {
        let kind = match error {
            PictureError::Dimensions { .. } | PictureError::Decoded { .. } => Kind::PictureSize,
            _ => Kind::Picture,
        };
        Self::new(kind, error.to_string())
    }
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        let kind = match &error {
            EngineError::Ask(_) | EngineError::Long { .. } | EngineError::Sampling(_) => {
                Kind::Question
            }
            EngineError::Template(_) | EngineError::NoPicture => Kind::Question,
            EngineError::Prompt(_) => Kind::Prompt,
            EngineError::Image(_) => Kind::Picture,
            _ => Kind::Engine,
        };
        Self::new(kind, error.to_string())
    }
}

impl From<AskError> for Failure {
    fn from(error: AskError) -> Self {
        Self::new(Kind::Question, error.to_string())
    }
}

impl From<RecordError> for Failure {
    fn from(error: RecordError) -> Self {
        Self::new(Kind::Prompt, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remedy_stands_by_itself() {
        let form = |failure: Failure| failure.json()["error"].clone();
        let found = form(Failure::busy());
        assert_eq!(found["code"], "queue_full");
        assert_eq!(found["remedy"], "try again after the seconds in Retry-After");
        let found = form(Failure::field(Kind::Value, "top_p", "give a number"));
        assert_eq!((&found["param"], &found["remedy"]), (&json!("top_p"), &json!("give a number")));
        assert_eq!(form(Failure::new(Kind::Json, "no remedy"))["remedy"], Value::Null);
    }
}
