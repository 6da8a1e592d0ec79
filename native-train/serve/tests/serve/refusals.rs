//! What is refused, with its kind and what helps; and a thousand malformed requests.

use super::support::{chat, parse, read, request, resident, start};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use refvlm_serve::{Limits, Settings};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::time::Duration;

#[test]
fn wrong_requests_are_named() {
    let server = start(Settings::default());
    let chats = "/v1/chat/completions";
    let code = |body: &[u8]| {
        let answer = server.send(&request("POST", chats, &[], body));
        (answer.status, answer.code())
    };
    let image = |data: &[u8]| {
        let url = format!("data:image/png;base64,{}", BASE64_STANDARD.encode(data));
        let part = json!({ "type": "image_url", "image_url": { "url": url } });
        json!({ "messages": [{ "role": "user", "content": [part] }] }).to_string()
    };
    let with = |refvlm: Value| chat("cat", "What is it?", refvlm).to_string();
    let point = json!({ "prompts": [{ "kind": "point", "x": 9000, "y": 1 }] });
    let cases: [(Vec<u8>, u16, &str); 9] = [
        (b"".to_vec(), 400, "invalid_json"),
        (b"{\"messages\": [".to_vec(), 400, "invalid_json"),
        (b"{\"messages\": 3}".to_vec(), 400, "invalid_json"),
        (image(b"not a picture").into(), 400, "invalid_picture"),
        (image(b"\x89PNG\r\n\x1a\ncut").into(), 400, "invalid_picture"),
        (with(point).into(), 400, "invalid_prompt"),
        (with(json!({ "task": "juggling" })).into(), 400, "invalid_json"),
        (chat("cat", "Is [prompt 3] red?", json!({})).to_string().into(), 400, "invalid_question"),
        (br#"{"messages": [{"role": "user", "content": "x"}]}"#.to_vec(), 400, "no_picture"),
    ];
    for (body, status, kind) in cases {
        let shown = String::from_utf8_lossy(&body[..body.len().min(60)]).to_string();
        assert_eq!(code(&body), (status, kind.to_string()), "{shown}");
    }
    assert_eq!(
        (server.get("/nothing").status, server.get("/nothing").code()),
        (404, "not_found".into())
    );
    let get = server.get(chats);
    assert_eq!((get.status, get.code()), (405, "method_not_allowed".into()));
}

#[test]
fn what_is_too_large_is_refused_before_it_is_held() {
    let limits = Limits { body_bytes: 100_000, pixels: 50_000, ..Limits::default() };
    let server = start(Settings { limits, ..Settings::default() });
    let chats = "/v1/chat/completions";
    let long = vec![b' '; 3_000_000];
    let answer = server.send(&request("POST", chats, &[], &long));
    assert_eq!((answer.status, answer.code()), (413, "body_too_large".into()));
    // Without a length, in chunks.
    let head = "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
        Transfer-Encoding: chunked\r\n\r\n";
    let mut bytes = head.as_bytes().to_vec();
    for _ in 0..30 {
        bytes.extend(b"186a0\r\n");
        bytes.extend(&long[..100_000]);
        bytes.extend(b"\r\n");
    }
    bytes.extend(b"0\r\n\r\n");
    let answer = server.send(&bytes);
    assert_eq!((answer.status, answer.code()), (413, "body_too_large".into()));
    // 400x300 px are more than 50,000.
    let mut png = Vec::new();
    let picture = image::RgbImage::from_pixel(400, 300, image::Rgb([9, 90, 200]));
    picture.write_to(&mut std::io::Cursor::new(&mut png), image::ImageFormat::Png).unwrap();
    let url = format!("data:image/png;base64,{}", BASE64_STANDARD.encode(png));
    let part = json!({ "type": "image_url", "image_url": { "url": url } });
    let answer =
        server.post(chats, &json!({ "messages": [{ "role": "user", "content": [part] }] }));
    assert_eq!((answer.status, answer.code()), (413, "picture_too_large".into()));
}

#[test]
fn a_token_is_asked_for() {
    let server = start(Settings { token: Some("secret".into()), ..Settings::default() });
    let body = chat("cat", "What is it?", json!({})).to_string();
    let with = |headers: &[(&str, &str)], path: &str| {
        server.send(&request("POST", path, headers, body.as_bytes()))
    };
    for path in
        ["/v1/chat/completions", "/predict", "/setup", "/webhook", "/", "/api/function_invocations"]
    {
        let answer = with(&[], path);
        assert_eq!((answer.status, answer.code()), (401, "invalid_api_key".into()), "{path}");
    }
    for wrong in ["Bearer secre", "Bearer ", "Basic c2VjcmV0", "secret"] {
        assert_eq!(
            with(&[("Authorization", wrong)], "/v1/chat/completions").status,
            401,
            "{wrong}"
        );
    }
    let login = format!("Basic {}", BASE64_STANDARD.encode("anyone:secret"));
    for right in ["Bearer secret", "bearer secret", &login] {
        assert_eq!(
            with(&[("Authorization", right)], "/v1/chat/completions").status,
            200,
            "{right}"
        );
    }
    assert_eq!(server.get("/v1/models").status, 401);
    assert_eq!(server.get("/api/functions").status, 401);
    assert_eq!(server.get("/health").status, 200);
}

#[test]
fn pages_of_other_origins_may_ask_where_they_are_named() {
    let asked = [("Origin", "https://a.example"), ("Access-Control-Request-Method", "POST")];
    let allowed = |origins: &[&str]| {
        let origins = origins.iter().map(ToString::to_string).collect();
        let server = start(Settings { origins, ..Settings::default() });
        let answer = server.send(&request("OPTIONS", "/v1/chat/completions", &asked, b""));
        answer.header("access-control-allow-origin").map(String::from)
    };
    assert_eq!(allowed(&[]), None);
    assert_eq!(allowed(&["https://b.example"]), None);
    assert_eq!(
        allowed(&["https://a.example", "https://b.example"]).as_deref(),
        Some("https://a.example")
    );
    assert_eq!(allowed(&["*"]).as_deref(), Some("*"));
}

#[test]
fn a_request_has_its_time() {
    let limits = Limits { request: Duration::from_millis(300), ..Limits::default() };
    let server = start(Settings { limits, ..Settings::default() });
    // The body never comes.
    let mut stream = server.connect();
    let head = "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
        Content-Length: 1000\r\n\r\n{";
    stream.write_all(head.as_bytes()).unwrap();
    let answer = read(&mut stream);
    assert_eq!((answer.status, answer.code()), (504, "timeout".into()));
    let limits = Limits { request: Duration::from_millis(1), ..Limits::default() };
    drop(server);
    let server = start(Settings { limits, ..Settings::default() });
    let answer = server.post("/v1/chat/completions", &chat("cat", "What is it?", json!({})));
    assert_eq!((answer.status, answer.code()), (504, "timeout".into()));
    server.idle();
}

/// Numbers that are the same every time (SplitMix64).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }
}

/// A good request, damaged: bytes changed, cut out, doubled, or a value in its JSON exchanged; and
/// whether its HTTP is whole.
fn damaged(numbers: &mut Numbers, good: &[(&str, Value)]) -> (Vec<u8>, bool) {
    let (path, body) = &good[numbers.below(good.len())];
    let values = [
        json!(null),
        json!(-1),
        json!(1e300),
        json!("x"),
        json!([]),
        json!({}),
        json!(true),
        json!([[]]),
        json!("data:image/png;base64,AAAA"),
        json!("[prompt 99]"),
        json!(u64::MAX),
    ];
    let mut body = body.clone();
    for _ in 0..=numbers.below(2) {
        let mut pointers = Vec::new();
        all(&body, String::new(), &mut pointers);
        let at = &pointers[numbers.below(pointers.len())];
        if let Some(place) = body.pointer_mut(at) {
            *place = values[numbers.below(values.len())].clone();
        }
    }
    let body = body.to_string().into_bytes();
    let mut bytes = request("POST", path, &[], &body);
    // Half of them are good HTTP with bad JSON, the others have bad bytes, most of them in the head.
    let whole = numbers.below(2) == 0;
    if !whole {
        for _ in 0..=numbers.below(8) {
            let reach = if numbers.below(3) == 0 { bytes.len() } else { bytes.len().min(160) };
            let at = numbers.below(reach);
            match numbers.below(4) {
                0 => bytes[at] = numbers.next() as u8,
                1 => bytes.truncate(at + 1),
                2 => drop(bytes.drain(at..(at + numbers.below(40)).min(bytes.len()))),
                _ => {
                    let part = bytes[at..(at + 20).min(bytes.len())].to_vec();
                    bytes.splice(at..at, part);
                }
            }
            if bytes.is_empty() {
                bytes.push(b'G');
            }
        }
    }
    (bytes, whole)
}

fn all(value: &Value, at: String, pointers: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            map.iter().for_each(|(key, value)| all(value, format!("{at}/{key}"), pointers));
        }
        Value::Array(list) => {
            list.iter().enumerate().for_each(|(k, v)| all(v, format!("{at}/{k}"), pointers));
        }
        _ => {}
    }
    pointers.push(at);
}

#[test]
fn a_thousand_malformed_requests_leave_the_server_as_it_was() {
    let server = start(Settings::default());
    let prompts = json!({ "prompts": [{ "kind": "point", "x": 9, "y": 9 },
        { "kind": "box", "xyxy": [1, 1, 50, 50], "label": 0 }], "task": "vqa" });
    let url = "data:image/png;base64,iVBORw0KGgo=";
    let part = json!({ "type": "image_url", "image_url": { "url": url } });
    let small = json!({ "model": "pocket", "stream": false, "max_tokens": 9, "top_p": 0.5,
        "temperature": 0.5, "messages": [{ "role": "user", "refvlm": prompts,
        "content": [{ "type": "text", "text": "Is it?" }, part] }] });
    let click = json!({ "type": "keypointlabels", "original_width": 9, "original_height": 9,
        "is_positive": true, "value": { "x": 5, "y": 5, "keypointlabels": ["a"] } });
    let predict = json!({ "tasks": [{ "data": { "image": url } }], "label_config": "<View/>",
        "params": { "context": { "result": [click] } } });
    let call = json!({ "image": "iVBORw0KGgo=", "pos_points": [[1, 1]], "neg_points": [],
        "obj_bbox": null });
    let good = [
        ("/v1/chat/completions", small),
        ("/predict", predict),
        ("/api/function_invocations", call),
    ];
    let mut numbers = Numbers(7);
    let expected = server.post("/v1/chat/completions", &chat("cat", "", json!({ "task": "vqa" })));
    let before = resident();
    let mut statuses = std::collections::BTreeMap::new();
    for _ in 0..1000 {
        let mut stream = server.connect();
        let (bytes, whole) = damaged(&mut numbers, &good);
        let _ = stream.write_all(&bytes);
        if !whole {
            // Else the server would wait for the rest.
            let _ = stream.shutdown(std::net::Shutdown::Write);
        }
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert!(!whole || !answer.is_empty(), "no answer to {}", String::from_utf8_lossy(&bytes));
        let status = if answer.is_empty() { 0 } else { parse(&answer).status };
        *statuses.entry(status).or_insert(0) += 1;
    }
    println!("{statuses:?}");
    assert!(statuses.keys().all(|status| *status < 500), "{statuses:?}");
    assert!(statuses.get(&400).is_some_and(|count| *count > 450), "{statuses:?}");
    server.idle();
    let again = server.post("/v1/chat/completions", &chat("cat", "", json!({ "task": "vqa" })));
    let words =
        |answer: &super::support::Answer| answer.json()["choices"][0]["message"]["content"].clone();
    assert_eq!(words(&again), words(&expected));
    match (before, resident()) {
        (Some(before), Some(after)) => {
            println!("resident: {} MiB before, {} MiB after", before >> 20, after >> 20);
            assert!(after < before + (32 << 20), "{before} {after}");
        }
        _ => println!("skipped: this system does not tell how much memory is held"),
    }
}
