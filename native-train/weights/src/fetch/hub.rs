//! Repositories of the Hugging Face hub at one commit, kept in the cache.

use super::download::download;
use super::error::{FetchError, cache};
use super::token::Token;
use super::{agent, cache_folder};
use refvlm_files::files::sha256;
use serde::Deserialize;
use std::fs::{self, File};
use std::path::PathBuf;
use ureq::Agent;
use ureq::http::header;
use url::Url;

/// Longest list of files that is read.
const MAX_LIST: u64 = 16 << 20;
/// Longest file that is fetched.
const MAX_FILE: u64 = 64 << 30;
/// Files that belong to weights, in the order in which one kind makes the next superfluous.
const WEIGHTS: [&str; 6] = [".safetensors", ".bin", ".pth", ".pt", ".gguf", ".onnx"];
/// Files that describe them.
const SETTINGS: [&str; 2] = [".json", "tokenizer.model"];

/// A repository at a commit, or one of its files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// `owner/name`.
    pub repository: String,
    /// The commit, 40 hexadecimal digits: a branch may hold something else tomorrow.
    pub commit: String,
    /// The only file that is wanted.
    pub file: Option<String>,
}

impl Snapshot {
    /// Reads `owner/name@commit` or `owner/name@commit/file`.
    ///
    /// # Errors
    /// When it is something else.
    pub fn parse(text: &str) -> Result<Self, FetchError> {
        let wrong = |problem: &str| FetchError::Hub { place: text.into(), problem: problem.into() };
        let form = "not of the form OWNER/NAME@COMMIT or OWNER/NAME@COMMIT/FILE";
        let (repository, rest) = text.split_once('@').ok_or_else(|| wrong(form))?;
        let (commit, file) = match rest.split_once('/') {
            Some((commit, file)) => (commit, Some(file)),
            None => (rest, None),
        };
        let plain = repository.split('/').count() == 2 && repository.split('/').all(is_plain);
        if !plain || file.is_some_and(|file| !file.split('/').all(is_plain)) {
            return Err(wrong(form));
        }
        if commit.len() != 40 || !commit.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(wrong("the commit must have its 40 hexadecimal digits"));
        }
        let (repository, commit) = (repository.into(), commit.to_lowercase());
        Ok(Self { repository, commit, file: file.map(String::from) })
    }
}

/// Whether a name leads nowhere else when it becomes part of a path.
fn is_plain(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.+".contains(c);
    !name.is_empty() && !name.starts_with('.') && name.chars().all(allowed)
}

/// A file as the hub lists it.
#[derive(Debug, Deserialize)]
struct Listed {
    path: String,
    #[serde(default)]
    size: u64,
    lfs: Option<Lfs>,
}

#[derive(Debug, Deserialize)]
struct Lfs {
    /// The sha-256 of the contents.
    oid: String,
}

/// The hub and where its files are kept.
#[derive(Debug, Clone)]
pub struct Hub {
    base: Url,
    cache: PathBuf,
    agent: Agent,
    token: Option<Token>,
}

/// Told a file's name, the bytes that are there, and the bytes there will be.
pub type FileProgress<'a> = &'a mut dyn FnMut(&str, u64, Option<u64>);

impl Hub {
    /// `$HF_ENDPOINT`, else `huggingface.co`, the user's cache, and `$HF_TOKEN` for gated
    /// repositories.
    ///
    /// # Errors
    /// When HF_ENDPOINT is not a URL, HF_TOKEN holds what no header can, or no cache folder is known.
    pub fn from_env() -> Result<Self, FetchError> {
        let base = std::env::var("HF_ENDPOINT").unwrap_or_default();
        let base = if base.is_empty() { "https://huggingface.co".into() } else { base };
        let wrong = |problem: url::ParseError| FetchError::Hub {
            place: base.clone(),
            problem: problem.to_string(),
        };
        let cache = cache_folder().ok_or(FetchError::NoCache)?;
        let hub = Self::new(Url::parse(&base).map_err(wrong)?, cache);
        match std::env::var("HF_TOKEN") {
            Ok(token) if !token.trim().is_empty() => hub.with_token(&token),
            _ => Ok(hub),
        }
    }

    /// A hub and a cache of one's own choice.
    pub fn new(base: Url, cache: PathBuf) -> Self {
        Self { base, cache, agent: agent(None), token: None }
    }

    /// The same hub, asked with a token.
    ///
    /// # Errors
    /// When it holds what no header can, such as a line's end.
    pub fn with_token(self, token: &str) -> Result<Self, FetchError> {
        if !token.trim().bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(FetchError::Hub {
                place: "HF_TOKEN".into(),
                problem: "not a token: it has spaces or other odd characters".into(),
            });
        }
        Ok(Self { token: Some(Token::new(token)), ..self })
    }

    /// What a failed request to the hub means.
    fn failed(&self, place: &str, status: Option<u16>, problem: String) -> FetchError {
        let place = place.to_string();
        match status {
            Some(status @ (401 | 403)) => {
                FetchError::Gated { place, status, sent: self.token.is_some() }
            }
            _ => FetchError::Hub { place, problem },
        }
    }

    /// The folder with the weights of a repository and what describes them, or the one file. What
    /// the cache doesn't have is fetched; large files are checked by their sha-256.
    ///
    /// # Errors
    /// When something cannot be fetched; a partial download is kept and resumed next time.
    pub fn fetch(
        &self,
        snapshot: &Snapshot,
        progress: FileProgress,
    ) -> Result<PathBuf, FetchError> {
        let Snapshot { repository, commit, file } = snapshot;
        let folder = self.cache.join("hub").join(repository.replace('/', "--")).join(commit);
        let place = format!("hf:{repository}@{commit}");
        let listed = self.list(snapshot, &place)?;
        let wanted = choose(listed, file.as_deref());
        if wanted.is_empty() {
            let problem = "no such file, or no weights in it".into();
            return Err(FetchError::Hub { place, problem });
        }
        for entry in &wanted {
            self.file(snapshot, &folder, entry, progress)?;
        }
        Ok(file.as_ref().map_or(folder.clone(), |file| folder.join(file)))
    }

    fn url(&self, path: &str) -> Result<Url, FetchError> {
        let joined = self.base.join(path);
        let place = path.to_string();
        joined.map_err(|e| FetchError::Hub { place, problem: e.to_string() })
    }

    fn list(&self, snapshot: &Snapshot, place: &str) -> Result<Vec<Listed>, FetchError> {
        let Snapshot { repository, commit, .. } = snapshot;
        let failed = |problem: String| FetchError::Hub { place: place.to_string(), problem };
        let url = self.url(&format!("/api/models/{repository}/tree/{commit}?recursive=true"))?;
        let mut request = self.agent.get(url.as_str());
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, token.header());
        }
        let answer = request.call().map_err(|error| match error {
            ureq::Error::StatusCode(status) => self.failed(place, Some(status), error.to_string()),
            _ => failed(error.to_string()),
        })?;
        let mut body = answer.into_body();
        let text = body.with_config().limit(MAX_LIST).read_to_vec();
        let text = text.map_err(|e| failed(e.to_string()))?;
        serde_json::from_slice(&text).map_err(|e| failed(e.to_string()))
    }

    fn file(
        &self,
        snapshot: &Snapshot,
        folder: &std::path::Path,
        entry: &Listed,
        progress: FileProgress,
    ) -> Result<(), FetchError> {
        let Snapshot { repository, commit, .. } = snapshot;
        let path = folder.join(&entry.path);
        if is_whole(&path, entry) {
            return Ok(());
        }
        let parent = path.parent().unwrap_or(folder);
        fs::create_dir_all(parent).map_err(cache(parent))?;
        let mut part = path.clone().into_os_string();
        part.push(".part");
        let part = PathBuf::from(part);
        let place = format!("hf:{repository}@{commit}/{}", entry.path);
        if entry.size > MAX_FILE {
            let problem = format!("{} bytes", entry.size);
            return Err(FetchError::Hub { place, problem });
        }
        let url = self.url(&format!("/{repository}/resolve/{commit}/{}", entry.path))?;
        let report = &mut |at, total| progress(&entry.path, at, total);
        let token = self.token.as_ref();
        download(&self.agent, &url, token, &part, entry.size, report).map_err(
            |error| match error {
                FetchError::Refused { status, problem, .. } => {
                    self.failed(&place, Some(status), problem)
                }
                FetchError::Unreachable { problem, .. } => self.failed(&place, None, problem),
                other => other,
            },
        )?;
        if !is_whole(&part, entry) {
            // It would be wrong next time, too.
            fs::remove_file(&part).map_err(cache(&part))?;
            let problem = "length or sha-256 are not those that the hub lists".into();
            return Err(FetchError::Hub { place, problem });
        }
        fs::rename(&part, &path).map_err(cache(&path))
    }
}

fn is_whole(path: &std::path::Path, entry: &Listed) -> bool {
    fs::metadata(path).is_ok_and(|file| file.len() == entry.size)
        && entry
            .lfs
            .as_ref()
            .is_none_or(|lfs| File::open(path).and_then(sha256).is_ok_and(|found| found == lfs.oid))
}

/// One kind of weights with what describes them, or the one file; nothing whose name leads out of
/// the folder.
fn choose(listed: Vec<Listed>, file: Option<&str>) -> Vec<Listed> {
    let safe = |entry: &Listed| entry.path.split('/').all(is_plain);
    let listed: Vec<Listed> = listed.into_iter().filter(safe).collect();
    if let Some(file) = file {
        return listed.into_iter().filter(|entry| entry.path == file).collect();
    }
    let has = |ending: &&&str| listed.iter().any(|entry| entry.path.ends_with(**ending));
    let Some(kind) = WEIGHTS.iter().find(has) else { return vec![] };
    let belongs = |entry: &Listed| {
        entry.path.ends_with(kind) || SETTINGS.iter().any(|ending| entry.path.ends_with(ending))
    };
    listed.into_iter().filter(belongs).collect()
}
