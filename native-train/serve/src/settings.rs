//! What a server is told when it starts.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use url::Url;

/// What a server is told when it starts.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where to listen; port 0 takes a free one.
    pub address: SocketAddr,
    /// What requests must carry, as `Authorization: Bearer TOKEN` or as the password of a basic
    /// login; none lets everybody ask.
    pub token: Option<String>,
    /// Origins whose pages may ask from a browser; `*` stands for all. The server's own pages
    /// always may.
    pub origins: Vec<String>,
    /// Folder of the built site, served at `/`.
    pub site: Option<PathBuf>,
    /// Where pictures of Label Studio's tasks are fetched.
    pub label_studio: Option<LabelStudio>,
    /// How much is taken on.
    pub limits: Limits,
}

/// A Label Studio whose pictures may be fetched.
#[derive(Debug, Clone)]
pub struct LabelStudio {
    /// Its address; nothing is fetched from elsewhere.
    pub url: Url,
    /// The access token of a user who may see the pictures.
    pub key: Option<String>,
}

/// How much a server takes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Questions that are answered at a time, each by a thread with a session of its own. All
    /// share the weights.
    pub workers: usize,
    /// Requests that may wait for one of them; more are refused with 429.
    pub queue: usize,
    /// Longest body of a request, bytes.
    pub body_bytes: usize,
    /// Most pixels of a picture.
    pub pixels: u64,
    /// Longest time from the head of a request to the end of its answer.
    pub request: Duration,
    /// Longest time that a client may take nothing of its answer, or say nothing.
    pub idle: Duration,
    /// Connections that are open at a time; more wait.
    pub connections: usize,
    /// Most tokens of an answer.
    pub tokens: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            workers: 1,
            queue: 16,
            body_bytes: 32 << 20,
            pixels: 40_000_000,
            request: Duration::from_secs(60),
            idle: Duration::from_secs(30),
            connections: 256,
            tokens: 1024,
        }
    }
}

impl Default for Settings {
    /// On this machine alone, port 8080, without a token.
    fn default() -> Self {
        Self {
            address: SocketAddr::from(([127, 0, 0, 1], 8080)),
            token: None,
            origins: Vec::new(),
            site: None,
            label_studio: None,
            limits: Limits::default(),
        }
    }
}
