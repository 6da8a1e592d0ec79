//! The picture of a task: inside of it, or at the Label Studio that the server was told.

use super::Task;
use super::config::Config;
use crate::app::App;
use crate::failure::{Failure, Kind};
use crate::photos::from_url;
use crate::queue::Photo;
use rustls::crypto::ring;
use serde_json::Value;
use std::sync::Arc;
use std::time::Instant;
use ureq::Agent;
use ureq::http::header;
use ureq::tls::{RootCerts, TlsConfig};
use url::Url;

/// The picture of the first task.
///
/// # Errors
/// When there is none, or it cannot be fetched.
pub fn photo(
    app: &App,
    tasks: &[Task],
    config: &Config,
    deadline: Instant,
) -> Result<Photo, Failure> {
    let wrong = |field: String, problem: &str| Err(Failure::field(Kind::NoPicture, field, problem));
    let Some(task) = tasks.first() else {
        return wrong("tasks".into(), "empty; send the task that was clicked on");
    };
    let named = config.field.as_deref().unwrap_or("image");
    let field = format!("tasks[0].data.{named}");
    let Some(link) = task.data.get(named).and_then(Value::as_str) else {
        return wrong(field, "missing; the <Image> tag must name a field of the task");
    };
    if link.starts_with("data:") {
        return from_url(link, &field);
    }
    let refuse = |problem: String| Err(Failure::field(Kind::Url, field.clone(), problem));
    let Some(home) = &app.settings.label_studio else {
        return refuse(
            "the picture is not in the task; start the server with --label-studio URL and the \
             environment variable LABEL_STUDIO_API_KEY, and it is fetched from there"
                .into(),
        );
    };
    let url = match home.url.join(link) {
        Ok(url) => url,
        Err(error) => return refuse(format!("not an address ({error}); correct the task")),
    };
    if url.origin() != home.url.origin() {
        return refuse(format!(
            "only pictures of {} are fetched; upload the picture to Label Studio",
            home.url.origin().ascii_serialization()
        ));
    }
    let limit = app.settings.limits.body_bytes as u64;
    get(&url, home.key.as_deref(), limit, deadline).map_err(|problem| {
        let message = format!("{url}: {problem}; check --label-studio and LABEL_STUDIO_API_KEY");
        Failure::new(Kind::Fetch, message)
    })
}

fn get(url: &Url, key: Option<&str>, limit: u64, deadline: Instant) -> Result<Photo, String> {
    let tls = TlsConfig::builder()
        .root_certs(RootCerts::PlatformVerifier)
        .unversioned_rustls_crypto_provider(Arc::new(ring::default_provider()))
        .build();
    let agent: Agent = Agent::config_builder()
        .tls_config(tls)
        .timeout_global(Some(deadline.saturating_duration_since(Instant::now())))
        // What was checked is the address, not where it leads on.
        .max_redirects(0)
        .max_redirects_will_error(false)
        .http_status_as_error(false)
        .build()
        .into();
    let mut request = agent.get(url.as_str());
    if let Some(key) = key {
        request = request.header(header::AUTHORIZATION, format!("Token {key}"));
    }
    let answer = request.call().map_err(|e| e.to_string())?;
    if answer.status() != 200 {
        return Err(format!("status {}", answer.status()));
    }
    let bytes = answer.into_body().into_with_config().limit(limit).read_to_vec();
    Ok(Photo::new(bytes.map_err(|e| e.to_string())?))
}
