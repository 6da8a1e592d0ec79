//! A file over HTTP, in as many pieces as the connection needs.

use super::error::{FetchError, cache, shown};
use super::token::Token;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;
use ureq::http::{Response, header};
use ureq::{Agent, Body};
use url::Url;

/// Told the bytes that are there and the bytes there will be, where that is known.
pub type Progress<'a> = &'a mut dyn FnMut(u64, Option<u64>);

/// Pieces after which no more is tried without a byte of progress.
const TRIES: usize = 4;

/// How a piece ended.
enum Piece {
    Complete,
    /// The rest is still to come.
    Cut(String),
}

/// Fetches `url` into `path`, going on behind what the file already holds; with a token where the
/// server wants to know who asks.
///
/// # Errors
/// When nothing more comes, more than `limit` bytes come, or the file cannot be written.
pub(super) fn download(
    agent: &Agent,
    url: &Url,
    token: Option<&Token>,
    path: &Path,
    limit: u64,
    progress: Progress,
) -> Result<(), FetchError> {
    let mut idle = 0;
    loop {
        let before = length(path);
        let problem = match piece(agent, url, token, path, limit, progress)? {
            Piece::Complete => return Ok(()),
            Piece::Cut(problem) => problem,
        };
        idle = if length(path) > before { 0 } else { idle + 1 };
        if idle == TRIES {
            return Err(FetchError::Unreachable { url: shown(url), problem });
        }
    }
}

fn length(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |m| m.len())
}

fn piece(
    agent: &Agent,
    url: &Url,
    token: Option<&Token>,
    path: &Path,
    limit: u64,
    progress: Progress,
) -> Result<Piece, FetchError> {
    let held = length(path);
    let mut request = agent.get(url.as_str());
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, token.header());
    }
    if held > 0 {
        request = request.header(header::RANGE, format!("bytes={held}-"));
    }
    let response = match request.call() {
        Ok(response) => response,
        // What is held is no beginning of the file, or already all of it; the latter was taken
        // out of the cache before anything was asked, so start anew.
        Err(ureq::Error::StatusCode(416)) => {
            fs::remove_file(path).map_err(cache(path))?;
            return Ok(Piece::Cut("no such range".into()));
        }
        Err(error @ ureq::Error::StatusCode(status @ 400..=499)) => {
            return Err(FetchError::Refused {
                url: shown(url),
                status,
                problem: error.to_string(),
            });
        }
        Err(error) => return Ok(Piece::Cut(error.to_string())),
    };
    let Some((start, end)) = extent(&response, held) else {
        fs::remove_file(path).map_err(cache(path))?;
        return Ok(Piece::Cut("another range was sent than asked for".into()));
    };
    let too_long = || FetchError::TooLong { url: shown(url), limit };
    if end.is_some_and(|end| end > limit) {
        return Err(too_long());
    }
    let mut file = OpenOptions::new()
        .create(true)
        .append(start > 0)
        .write(true)
        .truncate(start == 0)
        .open(path)
        .map_err(cache(path))?;
    let mut body = response.into_body().into_reader();
    let mut at = start;
    let mut buffer = vec![0; 1 << 16];
    loop {
        progress(at, end);
        let read = match body.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return cut(file, path, error.to_string()),
        };
        at += read as u64;
        if at > limit {
            return Err(too_long());
        }
        file.write_all(&buffer[..read]).map_err(cache(path))?;
    }
    file.sync_all().map_err(cache(path))?;
    match end {
        Some(end) if at < end => Ok(Piece::Cut(format!("{at} of {end} bytes came"))),
        _ => Ok(Piece::Complete),
    }
}

fn cut(file: File, path: &Path, problem: String) -> Result<Piece, FetchError> {
    file.sync_all().map_err(cache(path))?;
    Ok(Piece::Cut(problem))
}

/// Where the body starts in the file, and where the file ends if the server says so; none when it
/// sends another range than the one asked for. A server that ignores the range sends all of it.
fn extent(response: &Response<Body>, held: u64) -> Option<(u64, Option<u64>)> {
    let text = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
    if response.status() != 206 {
        return Some((0, text(header::CONTENT_LENGTH).and_then(|v| v.parse().ok())));
    }
    // bytes 100-199/200
    let (span, total) = text(header::CONTENT_RANGE)?.strip_prefix("bytes ")?.split_once('/')?;
    let start = span.split_once('-')?.0.parse().ok().filter(|&start: &u64| start == held)?;
    Some((start, total.parse().ok()))
}
