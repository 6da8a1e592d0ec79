//! A real server on a free port, and a client that does what it is told and no more.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use burn::tensor::Device;
use refvlm_record::Rle;
use refvlm_serve::{Server, Settings, Stopper};
use refvlm_weights::package::{Embedded, Package};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

static PACKAGE: LazyLock<Mutex<Package>> =
    LazyLock::new(|| Mutex::new(Package::embedded(Embedded::Pocket, &Device::flex()).unwrap()));

/// The model that the program carries.
pub fn package() -> Package {
    PACKAGE.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// One server at a time: tests look at memory, queues and seconds.
static ALONE: Mutex<()> = Mutex::new(());

/// A server that runs.
pub struct Running {
    pub address: SocketAddr,
    pub stopper: Stopper,
    thread: Option<JoinHandle<()>>,
    _alone: MutexGuard<'static, ()>,
}

/// Starts a server on a free port.
pub fn start(mut settings: Settings) -> Running {
    let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    settings.address = SocketAddr::from(([127, 0, 0, 1], 0));
    let server = Server::new(&package(), &Device::flex(), "pocket", settings).unwrap();
    let (address, stopper) = (server.address(), server.stopper());
    let thread = std::thread::spawn(move || server.run().unwrap());
    Running { address, stopper, thread: Some(thread), _alone: alone }
}

impl Running {
    /// Stops the server and waits for its end.
    pub fn stop(&mut self) {
        self.stopper.stop();
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }

    /// A connection.
    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        stream
    }

    /// Posts JSON and reads the answer.
    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(&request("POST", path, &[], body.to_string().as_bytes()))
    }

    /// Gets what is at a path.
    pub fn get(&self, path: &str) -> Answer {
        self.send(&request("GET", path, &[], b""))
    }

    /// Sends bytes and reads the answer.
    pub fn send(&self, bytes: &[u8]) -> Answer {
        let mut stream = self.connect();
        // A server may answer and close before it has read everything.
        let _ = stream.write_all(bytes);
        read(&mut stream)
    }

    /// Waits until nothing waits and nothing is answered.
    pub fn idle(&self) {
        let start = Instant::now();
        loop {
            let health = self.get("/health").json();
            if health["waiting"] == 0 && health["running"] == 0 {
                return;
            }
            assert!(start.elapsed() < Duration::from_secs(20), "{health}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stopper.stop();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A request of HTTP/1.1 that ends its connection.
pub fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut text = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n");
    for (name, value) in headers {
        text += &format!("{name}: {value}\r\n");
    }
    if method == "POST" {
        text += &format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len());
    }
    [text.as_bytes(), b"\r\n", body].concat()
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// Names in small letters.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    /// The code of an error.
    pub fn code(&self) -> String {
        let body = self.json();
        let error = &body["error"];
        assert!(error["remedy"].as_str().is_some_and(|r| r.len() > 5), "no remedy: {body}");
        error["code"].as_str().unwrap().into()
    }
}

/// Reads an answer to the end of its connection.
pub fn read(stream: &mut TcpStream) -> Answer {
    let mut bytes = Vec::new();
    // A reset behind the answer is not the answer's fault.
    let _ = stream.read_to_end(&mut bytes);
    parse(&bytes)
}

/// An answer out of its bytes.
pub fn parse(bytes: &[u8]) -> Answer {
    let end = bytes.windows(4).position(|w| w == b"\r\n\r\n");
    let end = end.unwrap_or_else(|| panic!("no answer: {:?}", String::from_utf8_lossy(bytes)));
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers: Vec<(String, String)> = lines
        .map(|line| line.split_once(": ").unwrap())
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_string()))
        .collect();
    let mut body = bytes[end + 4..].to_vec();
    if headers.contains(&("transfer-encoding".into(), "chunked".into())) {
        body = chunks(&body);
    }
    Answer { status, headers, body }
}

fn chunks(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(end) = rest.windows(2).position(|w| w == b"\r\n") {
        let length = std::str::from_utf8(&rest[..end]).unwrap();
        let length = usize::from_str_radix(length, 16).unwrap();
        if length == 0 {
            return body;
        }
        body.extend(&rest[end + 2..end + 2 + length]);
        rest = &rest[end + 4 + length..];
    }
    panic!("the chunks have no end");
}

/// The events of a stream.
pub fn events(text: &str) -> Vec<Value> {
    let mut lines: Vec<&str> = text.split("\n\n").filter(|line| !line.is_empty()).collect();
    assert_eq!(lines.pop(), Some("data: [DONE]"));
    lines
        .iter()
        .map(|line| serde_json::from_str(line.strip_prefix("data: ").unwrap()).unwrap())
        .collect()
}

/// Holds two targets together: sums run in another order where another part of a question was in
/// the cache, so the last digits differ, and with them a pixel at a border.
pub fn same(found: &Value, expected: &Value) {
    let confidence = |target: &Value| target["confidence"].as_f64().unwrap();
    assert!((confidence(found) - confidence(expected)).abs() < 1e-3, "{found} {expected}");
    let corners = |target: &Value| -> Vec<f64> {
        serde_json::from_value(target["box"].clone()).unwrap_or_default()
    };
    let pairs = corners(found).into_iter().zip(corners(expected));
    assert!(pairs.into_iter().all(|(a, b)| (a - b).abs() <= 1.0), "{found} {expected}");
    let mask = |target: &Value| serde_json::from_value::<Rle>(target["mask"].clone()).ok();
    match (mask(found), mask(expected)) {
        (Some(a), Some(b)) => {
            let iou = a.to_mask().unwrap().iou(&b.to_mask().unwrap());
            assert!(iou > 0.99, "{iou}");
        }
        (a, b) => assert_eq!(a, b),
    }
}

/// A file of the repository.
pub fn file(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// A photo of the repository in Base64.
pub fn photo(name: &str) -> String {
    BASE64_STANDARD
        .encode(std::fs::read(file(&format!("www/examples/photos/{name}.webp"))).unwrap())
}

/// A chat of one message about a photo.
pub fn chat(name: &str, words: &str, refvlm: Value) -> Value {
    let url = format!("data:image/webp;base64,{}", photo(name));
    json!({
        "model": "pocket",
        "messages": [{ "role": "user", "refvlm": refvlm, "content": [
            { "type": "text", "text": words },
            { "type": "image_url", "image_url": { "url": url } },
        ]}],
    })
}

/// Bytes of memory that the process holds; none where the system does not say.
pub fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? << 10)
}
