//! Fetching from a hub that stands in this test.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use refvlm_native::fetch::{FetchError, Hub, Snapshot};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// A path, and the byte that the answer is to begin with.
type Asked = (String, Option<usize>);

struct Server {
    address: String,
    /// Paths and ranges that were asked for.
    asked: Arc<Mutex<Vec<Asked>>>,
}

/// Serves these bodies by path. The first answer with `cut` stops after so many bytes.
fn serve(files: BTreeMap<String, Vec<u8>>, cut: Option<usize>) -> Server {
    serve_behind(None, files, cut)
}

/// Serves them to those alone who send this `Authorization`.
fn serve_behind(
    gate: Option<&'static str>,
    files: BTreeMap<String, Vec<u8>>,
    mut cut: Option<usize>,
) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = asked.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let request = lines.next().unwrap().unwrap();
            let path = request.split(' ').nth(1).unwrap().to_string();
            let (mut range, mut token) = (None, None);
            for line in lines.map_while(Result::ok).take_while(|line| !line.is_empty()) {
                if let Some(value) = line.to_lowercase().strip_prefix("range: bytes=") {
                    range = Some(value.trim_end_matches('-').parse::<usize>().unwrap());
                }
                if line.to_lowercase().starts_with("authorization: ") {
                    token = line.split_once(": ").map(|(_, value)| value.to_string());
                }
            }
            log.lock().unwrap().push((path.clone(), range));
            if gate.is_some_and(|gate| token.as_deref() != Some(gate)) {
                let _ = stream.write_all(b"HTTP/1.1 401 x\r\nContent-Length: 0\r\n\r\n");
                continue;
            }
            let Some(body) = files.get(&path) else {
                let _ = stream.write_all(b"HTTP/1.1 404 x\r\nContent-Length: 0\r\n\r\n");
                continue;
            };
            let (start, total) = (range.unwrap_or(0), body.len());
            let status = if range.is_some() { 206 } else { 200 };
            let head = format!(
                "HTTP/1.1 {status} x\r\nConnection: close\r\nContent-Length: {}\r\n\
                 Content-Range: bytes {start}-{}/{total}\r\n\r\n",
                total - start,
                total - 1
            );
            let large = body.len() > 100_000;
            let end = if large { cut.take().map_or(total, |n| start + n) } else { total };
            let _ = stream.write_all(head.as_bytes());
            let _ = stream.write_all(&body[start..end]);
        }
    });
    Server { address, asked }
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

/// A repository with weights in two forms; `hash` is what is said of the first.
fn repository(weights: &[u8], hash: &str) -> BTreeMap<String, Vec<u8>> {
    let list = format!(
        r#"[{{"type": "directory", "path": "sub", "size": 0}},
            {{"type": "file", "path": "config.json", "size": 2}},
            {{"type": "file", "path": "../outside.json", "size": 2}},
            {{"type": "file", "path": "sub/model.safetensors", "size": {0},
              "lfs": {{"oid": "{hash}", "size": {0}}}}},
            {{"type": "file", "path": "pytorch_model.bin", "size": 1}}]"#,
        weights.len()
    );
    let file = |name: &str| format!("/owner/name/resolve/{COMMIT}/{name}");
    BTreeMap::from([
        (format!("/api/models/owner/name/tree/{COMMIT}?recursive=true"), list.into_bytes()),
        (file("config.json"), b"{}".to_vec()),
        (file("sub/model.safetensors"), weights.to_vec()),
    ])
}

fn weights() -> Vec<u8> {
    (0..200_000u32).flat_map(u32::to_le_bytes).collect()
}

fn folder(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("refvlm-hub-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&path);
    path
}

fn hub(server: &Server, cache: &Path) -> Hub {
    Hub::new(server.address.parse().unwrap(), cache.to_path_buf())
}

fn snapshot() -> Snapshot {
    Snapshot::parse(&format!("owner/name@{COMMIT}")).unwrap()
}

#[test]
fn weights_and_settings_are_fetched_once_and_resumed() {
    let (weights, cache) = (weights(), folder("whole"));
    let server = serve(repository(&weights, &sha256(&weights)), Some(1000));
    let hub = hub(&server, &cache);
    let mut seen = vec![];
    let path = hub.fetch(&snapshot(), &mut |file, _, _| seen.push(file.to_string())).unwrap();
    assert_eq!(std::fs::read(path.join("sub/model.safetensors")).unwrap(), weights);
    assert_eq!(std::fs::read(path.join("config.json")).unwrap(), b"{}");
    assert!(!path.join("pytorch_model.bin").exists(), "the second form is not needed");
    assert!(seen.contains(&"sub/model.safetensors".to_string()));
    let asked = server.asked.lock().unwrap().clone();
    let ranges: Vec<_> = asked.iter().filter(|(p, _)| p.contains("sub/")).map(|a| a.1).collect();
    assert_eq!(ranges, [None, Some(1000)]);
    hub.fetch(&snapshot(), &mut |_, _, _| ()).unwrap();
    let again = server.asked.lock().unwrap().len();
    assert_eq!(again, asked.len() + 1, "only the list is asked for again");
    let one = Snapshot::parse(&format!("owner/name@{COMMIT}/config.json")).unwrap();
    assert_eq!(hub.fetch(&one, &mut |_, _, _| ()).unwrap(), path.join("config.json"));
    std::fs::remove_dir_all(&cache).unwrap();
}

#[test]
fn other_contents_than_the_listed_ones_are_refused() {
    let (weights, cache) = (weights(), folder("wrong"));
    let server = serve(repository(&weights, &sha256(b"other")), None);
    let error = hub(&server, &cache).fetch(&snapshot(), &mut |_, _, _| ()).unwrap_err();
    assert!(matches!(error, FetchError::Hub { .. }), "{error}");
    assert!(error.to_string().contains("sub/model.safetensors"), "{error}");
    let place = cache.join("hub/owner--name").join(COMMIT).join("sub");
    assert_eq!(std::fs::read_dir(place).unwrap().count(), 0, "nothing wrong stays");
    std::fs::remove_dir_all(&cache).unwrap();
}

#[test]
fn what_is_not_there_or_not_pinned_is_named() {
    let cache = folder("absent");
    let server = serve(BTreeMap::new(), None);
    let error = hub(&server, &cache).fetch(&snapshot(), &mut |_, _, _| ()).unwrap_err();
    assert!(error.to_string().contains("owner/name"), "{error}");
    for text in ["owner/name", "owner/name@main", "name@x", "owner/../x@0", "a/b@0/../c"] {
        assert!(matches!(Snapshot::parse(text), Err(FetchError::Hub { .. })), "{text}");
    }
}

#[test]
fn a_gated_repository_is_read_with_a_token_that_is_never_shown() {
    let (weights, cache) = (weights(), folder("gated"));
    let files = repository(&weights, &sha256(&weights));
    let server = serve_behind(Some("Bearer hf_secret"), files, Some(1000));
    let fetch = |hub: &Hub| hub.fetch(&snapshot(), &mut |_, _, _| ());
    let error = fetch(&hub(&server, &cache)).unwrap_err();
    assert!(matches!(error, FetchError::Gated { status: 401, sent: false, .. }), "{error}");
    assert!(error.to_string().contains("set HF_TOKEN"), "{error}");
    let wrong = hub(&server, &cache).with_token("hf_wrong").unwrap();
    let error = fetch(&wrong).unwrap_err();
    assert!(error.to_string().contains("the token in HF_TOKEN has no access"), "{error}");
    assert!(!format!("{error} {error:?} {wrong:?}").contains("hf_wrong"), "{error:?}");
    let right = hub(&server, &cache).with_token(" hf_secret\n").unwrap();
    let path = fetch(&right).unwrap();
    assert_eq!(std::fs::read(path.join("sub/model.safetensors")).unwrap(), weights);
    let error = hub(&server, &cache).with_token("hf\r\nHost: x").unwrap_err();
    assert!(error.to_string().contains("HF_TOKEN"), "{error}");
    assert!(!error.to_string().contains("Host"), "{error}");
    std::fs::remove_dir_all(&cache).unwrap();
}
