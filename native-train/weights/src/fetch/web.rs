//! A file that a person named by its address.

use super::agent;
use super::error::{FetchError, shown};
use std::time::Duration;
use url::Url;

/// How long a picture may take to come.
const PATIENCE: Duration = Duration::from_secs(120);

/// The bytes behind an address, `limit` at most.
///
/// # Errors
/// When nothing answers, the answer is not the file, or it is longer.
pub fn file(url: &Url, limit: u64) -> Result<Vec<u8>, FetchError> {
    let failed = |problem: String| FetchError::Web { url: shown(url), problem };
    let agent = agent(Some(PATIENCE));
    let answer = agent.get(url.as_str()).call().map_err(|error| failed(error.to_string()))?;
    let bytes = answer.into_body().into_with_config().limit(limit).read_to_vec();
    bytes.map_err(|error| failed(error.to_string()))
}
