//! Serves the site under a sub-path of this machine, keeps a log, and breaks what it is told to.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

/// Where the site lies below the server's root: a static host may put it anywhere.
const PREFIX: &str = "/some/where/";

/// What happens to the requests for one file.
#[derive(Debug, Clone)]
pub enum Fault {
    /// A bit of the byte at this offset is flipped.
    Flip(usize),
    /// The file ends here.
    Truncate(usize),
    /// The connection breaks after so many bytes of each answer.
    Drop(usize),
    /// This stands at the end of the file.
    Append(String),
    /// This stands in the file's place.
    Replace(Vec<u8>),
    /// The connection is closed without an answer.
    Silence,
    /// There is no such file.
    Missing,
    /// There is no such file, and the host answers with a page instead.
    Page,
}

/// A fault, and how many requests it still befalls.
type Planned = (Fault, usize);

#[derive(Default)]
struct State {
    folder: PathBuf,
    /// By the end of the path.
    faults: BTreeMap<String, Planned>,
    /// A folder of the site, and the one that stands in for it.
    stand_in: Option<(String, String)>,
    /// `path range-start` of each request.
    log: Vec<(String, usize)>,
    stopped: bool,
}

/// A server of its own for each test.
pub struct Server {
    state: Arc<Mutex<State>>,
    port: u16,
}

impl Server {
    /// Serves the folder that `REFVLM_SITE` names.
    pub fn start() -> Self {
        let folder = std::env::var_os("REFVLM_SITE").expect("REFVLM_SITE names no built site");
        let folder = PathBuf::from(folder);
        assert!(folder.join("engine/refvlm.js").is_file(), "no site in {}", folder.display());
        let state = Arc::new(Mutex::new(State { folder, ..State::default() }));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = state.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if shared.lock().unwrap().stopped {
                    return;
                }
                let state = shared.clone();
                std::thread::spawn(move || answer(&state, stream).ok());
            }
        });
        Self { state, port }
    }

    /// Where the site lies, without its path.
    pub fn origin(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The address of a file of the site; `blank.html` is an empty page.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{PREFIX}{path}", self.port)
    }

    /// Breaks the next `times` requests for files whose path ends so.
    pub fn plan(&self, ending: &str, fault: Fault, times: usize) {
        self.state().faults.insert(ending.into(), (fault, times));
    }

    /// Serves the files of another folder of the site as those of `folder`, where it has none.
    pub fn stand_in(&self, folder: &str, other: &str) {
        let mut state = self.state();
        if !state.folder.join(folder).is_dir() {
            state.stand_in = Some((folder.into(), other.into()));
        }
    }

    /// Nothing is broken any more, and the log is empty.
    pub fn reset(&self) {
        let mut state = self.state();
        state.faults.clear();
        state.log.clear();
    }

    /// Ends the server: nothing listens any more.
    pub fn stop(&self) {
        self.state().stopped = true;
        // It looks up when somebody calls.
        drop(TcpStream::connect(("127.0.0.1", self.port)));
    }

    /// Where each request for such a file began, in order.
    pub fn requests(&self, ending: &str) -> Vec<usize> {
        let state = self.state();
        state.log.iter().filter(|(path, _)| path.ends_with(ending)).map(|(_, from)| *from).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

fn answer(state: &Mutex<State>, mut stream: TcpStream) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    loop {
        let Some(request) = lines.next().transpose()? else { return Ok(()) };
        let mut from = 0;
        for header in lines.by_ref() {
            let header = header?.to_ascii_lowercase();
            if header.is_empty() {
                break;
            }
            if let Some(range) = header.strip_prefix("range: bytes=") {
                from = range.trim_end_matches('-').parse().unwrap_or(0);
            }
        }
        let path = request.split_whitespace().nth(1).unwrap_or("/");
        let path = path.split('?').next().unwrap_or(path).to_string();
        let (bytes, fault) = prepare(&mut state.lock().unwrap(), &path, from);
        if matches!(fault, Some(Fault::Silence)) || state.lock().unwrap().stopped {
            return Ok(());
        }
        let Some(bytes) = bytes else {
            stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")?;
            continue;
        };
        let length = bytes.len();
        let status = match from {
            0 => "200 OK".to_string(),
            _ if from >= length => {
                stream.write_all(
                    b"HTTP/1.1 416 Range Not Satisfiable\r\nContent-Length: 0\r\n\r\n",
                )?;
                continue;
            }
            _ => format!(
                "206 Partial Content\r\nContent-Range: bytes {from}-{}/{length}",
                length - 1
            ),
        };
        let kind = match fault {
            Some(Fault::Page) => "text/html",
            _ => kind_of(Path::new(&path)),
        };
        let rest = &bytes[from..];
        write!(
            stream,
            "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n",
            rest.len()
        )?;
        if let Some(Fault::Drop(after)) = fault
            && after < rest.len()
        {
            stream.write_all(&rest[..after])?;
            // A browser forgets what its page has not yet read when the connection breaks.
            std::thread::sleep(std::time::Duration::from_millis(500));
            return Ok(());
        }
        stream.write_all(rest)?;
    }
}

/// The file as it is to be sent, and what else goes wrong.
fn prepare(state: &mut State, path: &str, from: usize) -> (Option<Vec<u8>>, Option<Fault>) {
    state.log.push((path.into(), from));
    let planned =
        state.faults.iter_mut().find(|(ending, plan)| path.ends_with(*ending) && plan.1 > 0);
    let fault = planned.map(|(_, plan)| {
        plan.1 -= 1;
        plan.0.clone()
    });
    let Some(name) = path.strip_prefix(PREFIX) else { return (None, fault) };
    let page = b"<!doctype html><title>blank</title><link rel=icon href=data:>";
    let mut bytes = match name {
        "" => std::fs::read(state.folder.join("index.html")).ok(),
        "blank.html" => Some(page.to_vec()),
        _ => std::fs::read(state.folder.join(file_of(state, name))).ok(),
    };
    match fault {
        Some(Fault::Missing) => bytes = None,
        Some(Fault::Page) => bytes = Some(page.to_vec()),
        _ => {}
    }
    if let Some(bytes) = &mut bytes {
        match &fault {
            Some(Fault::Flip(at)) => bytes[*at] ^= 1,
            Some(Fault::Truncate(at)) => bytes.truncate(*at),
            Some(Fault::Append(text)) => bytes.extend(text.bytes()),
            Some(Fault::Replace(other)) => bytes.clone_from(other),
            _ => {}
        }
    }
    (bytes, fault)
}

/// Where a file of the site lies.
fn file_of(state: &State, name: &str) -> String {
    let other = state.stand_in.as_ref().and_then(|(folder, other)| {
        name.strip_prefix(folder.as_str()).map(|rest| format!("{other}{rest}"))
    });
    other.unwrap_or_else(|| name.into())
}

fn kind_of(path: &Path) -> &'static str {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("html") => "text/html",
        Some("js") => "text/javascript",
        Some("css") => "text/css",
        Some("svg") => "image/svg+xml",
        Some("webmanifest") => "application/manifest+json",
        Some("json") => "application/json",
        Some("wasm") => "application/wasm",
        _ => "application/octet-stream",
    }
}
