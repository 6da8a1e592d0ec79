//! What is at `/`: the built site, or a page that says what the server offers.

use crate::app::App;
use crate::reply;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, Request, Response, StatusCode, header};
use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;
use std::task::{Context, Poll};
use tower_http::services::ServeDir;
use tower_http::services::fs::ServeFileSystemResponseBody;

/// Headers of every file: nothing is guessed, no other site puts the page into a frame, and a
/// link does not tell where it was followed.
const HEADERS: [(header::HeaderName, &str); 4] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::CONTENT_SECURITY_POLICY, "frame-ancestors 'self'"),
    (header::REFERRER_POLICY, "no-referrer"),
    // The page's own service worker keeps what it needs.
    (header::CACHE_CONTROL, "no-cache"),
];

/// Files of a folder, with [`HEADERS`].
#[derive(Clone)]
pub struct Site(ServeDir);

/// Serves a folder.
pub fn service(folder: &Path) -> Site {
    Site(ServeDir::new(folder))
}

impl tower_service::Service<Request<Body>> for Site {
    type Response = Response<ServeFileSystemResponseBody>;
    type Error = Infallible;
    type Future =
        std::pin::Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        tower_service::Service::<Request<Body>>::poll_ready(&mut self.0, context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let answer = tower_service::Service::call(&mut self.0, request);
        Box::pin(async {
            let mut answer = answer.await?;
            for (name, value) in HEADERS {
                answer.headers_mut().insert(name, HeaderValue::from_static(value));
            }
            Ok(answer)
        })
    }
}

/// A page that says what the server offers.
pub async fn home(State(app): State<Arc<App>>) -> Response<Body> {
    let page = PAGE.replace("{model}", &escaped(&app.card.id));
    reply::of(StatusCode::OK, "text/html; charset=utf-8", page)
}

/// Text for HTML.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

const PAGE: &str = r#"<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>refvlm serve</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 44rem; padding: 0 1rem; }
td, th { padding: 0.2rem 1rem 0.2rem 0; text-align: left; vertical-align: top; }
:root { color-scheme: light dark; }
</style>
<h1>refvlm serve</h1>
<p>The model <strong>{model}</strong> answers questions about pictures.</p>
<table>
<tr><th>Address</th><th>What it does</th></tr>
<tr><td><code>POST /v1/chat/completions</code></td><td>OpenAI's chat completions, with pictures and prompts</td></tr>
<tr><td><code>GET /v1/models</code></td><td>The model</td></tr>
<tr><td><code>GET /health</code></td><td>Whether the server is there, and how many requests wait</td></tr>
<tr><td><code>POST /predict</code>, <code>/setup</code>, <code>/webhook</code></td><td>Label Studio's machine learning backend</td></tr>
<tr><td><code>POST /</code>, <code>POST /api/function_invocations</code>, <code>GET /api/functions</code></td><td>CVAT's interactor</td></tr>
</table>
<p>docs/serve.md has an example of each. Start with <code>--site FOLDER</code> to have the page here.</p>
</html>
"#;
