//! Which address is answered by what.

use crate::app::App;
use crate::failure::{Failure, Kind};
use crate::reply;
use crate::{chat, cvat, label_studio, site};
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use axum::routing::{get, post};
use serde_json::json;
use std::sync::Arc;
use tower_http::cors::{AllowOrigin, CorsLayer};

/// Everything that the server answers.
pub fn router(app: Arc<App>) -> Router {
    let cors = cors(&app.settings.origins);
    let pages = app.settings.site.clone();
    let api = Router::new()
        .route("/health", get(health))
        .route("/v1/models", get(models))
        .route("/v1/models/{name}", get(models))
        .route("/v1/chat/completions", post(chat::completions))
        .route("/predict", post(label_studio::predict))
        .route("/setup", post(label_studio::setup))
        .route("/webhook", post(label_studio::webhook))
        .route("/api/functions", get(cvat::functions))
        .route("/api/functions/{name}", get(cvat::function))
        .route("/api/function_invocations", post(cvat::call));
    let api = match pages {
        // A function of Nuclio is called at its root.
        Some(folder) => api
            .route("/", post(cvat::call).fallback_service(site::service(&folder)))
            .fallback_service(site::service(&folder)),
        None => api.route("/", get(site::home).post(cvat::call)).fallback(nowhere),
    };
    let api = api.method_not_allowed_fallback(another_method).with_state(app);
    match cors {
        Some(cors) => api.layer(cors),
        None => api,
    }
}

/// What browsers are told about pages of other origins; nothing where none may ask.
fn cors(origins: &[String]) -> Option<CorsLayer> {
    let named: Vec<HeaderValue> =
        origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok()).collect();
    let allowed = match origins {
        [] => return None,
        _ if origins.iter().any(|origin| origin == "*") => AllowOrigin::any(),
        _ => AllowOrigin::list(named),
    };
    let headers: [HeaderName; 2] = [header::AUTHORIZATION, header::CONTENT_TYPE];
    Some(
        CorsLayer::new()
            .allow_origin(allowed)
            .allow_methods([Method::GET, Method::POST])
            .allow_headers(headers),
    )
}

/// Whether the server is there, and how much it has to do. Asks for no token, so that it can be
/// watched.
async fn health(State(app): State<Arc<App>>) -> Response<Body> {
    let [waiting, running] = app.queue.counts();
    let limits = app.settings.limits;
    let body = json!({
        "status": "UP",
        "model_class": "refvlm",
        "model": app.card.id,
        "waiting": waiting,
        "running": running,
        "workers": limits.workers,
        "queue": limits.queue,
    });
    reply::json(StatusCode::OK, &body)
}

/// The model, as a list or by its name.
async fn models(
    State(app): State<Arc<App>>,
    request: Request<Body>,
) -> Result<Response<Body>, Failure> {
    app.admit(request.headers())?;
    let card = json!({
        "id": app.card.id,
        "object": "model",
        "created": app.started,
        "owned_by": "refvlm",
        "parameters": app.card.parameters,
        "preset": app.card.preset,
        "quantisation": app.card.quantisation,
        "licence": app.card.licence,
    });
    let path = request.uri().path();
    match path.strip_prefix("/v1/models/") {
        None => Ok(reply::json(StatusCode::OK, &json!({ "object": "list", "data": [card] }))),
        Some(name) if name == app.card.id => Ok(reply::json(StatusCode::OK, &card)),
        Some(name) => {
            let message = format!("there is no model '{name}'; use {}", app.card.id);
            Err(Failure::new(Kind::Model, message))
        }
    }
}

async fn nowhere(request: Request<Body>) -> Failure {
    let path = request.uri().path();
    Failure::new(Kind::Place, format!("there is nothing at {path}; GET / lists what there is"))
}

async fn another_method(request: Request<Body>) -> Failure {
    let (method, path) = (request.method(), request.uri().path());
    let message = format!("{path} does not take {method}; GET / lists what there is");
    Failure::new(Kind::Method, message)
}
