//! Many clients, slow ones, and those that leave; and the end of the server.

use super::support::{chat, events, parse, read, request, same, start};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use refvlm_serve::{Limits, Settings};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

const CHAT: &str = "/v1/chat/completions";

fn stream_of(name: &str) -> Vec<u8> {
    let mut asked = chat(name, "", json!({ "task": "gcg_segmentation" }));
    asked["stream"] = json!(true);
    request("POST", CHAT, &[], asked.to_string().as_bytes())
}

#[test]
fn a_full_queue_is_said_and_the_others_are_answered() {
    let limits = Limits { workers: 1, queue: 2, ..Limits::default() };
    let server = start(Settings { limits, ..Settings::default() });
    let body = chat("bus", "", json!({ "task": "gcg_segmentation" }));
    let bytes = request("POST", CHAT, &[], body.to_string().as_bytes());
    let answers: Vec<_> = std::thread::scope(|scope| {
        let ask = || scope.spawn(|| server.send(&bytes));
        let asked: Vec<_> = (0..12).map(|_| ask()).collect();
        asked.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let good: Vec<Value> =
        answers.iter().filter(|a| a.status == 200).map(|a| a.json()["choices"].clone()).collect();
    let words = |choices: &Value| choices[0]["message"]["content"].clone();
    assert!(good.len() >= 3 && good.iter().all(|g| words(g) == words(&good[0])), "{}", good.len());
    let busy: Vec<_> = answers.iter().filter(|a| a.status != 200).collect();
    assert!(!busy.is_empty());
    for answer in busy {
        assert_eq!((answer.status, answer.code()), (429, "queue_full".into()));
        assert_eq!(answer.header("retry-after"), Some("1"));
    }
    server.idle();
    assert_eq!(server.send(&bytes).status, 200);
}

#[test]
fn a_client_that_reads_slowly_holds_nobody_up() {
    let server = start(Settings::default());
    let expected = events(&server.send(&stream_of("tennis")).text());
    let mut slow: Vec<TcpStream> = (0..4).map(|_| server.connect()).collect();
    for stream in &mut slow {
        stream.write_all(&stream_of("tennis")).unwrap();
    }
    let start = Instant::now();
    server.idle();
    let whole = server.post(CHAT, &chat("cat", "", json!({ "task": "vqa" })));
    assert_eq!(whole.status, 200);
    let took = start.elapsed();
    for stream in &mut slow {
        // A few bytes at a time; nothing was lost meanwhile.
        let mut bytes = Vec::new();
        let mut part = [0; 700];
        while let Ok(count @ 1..) = stream.read(&mut part) {
            bytes.extend(&part[..count]);
            std::thread::sleep(Duration::from_millis(2));
        }
        let found = events(&parse(&bytes).text());
        assert_eq!(found.len(), expected.len());
        let target = |events: &[Value]| -> Vec<Value> {
            let all = events.iter().map(|e| e["choices"][0]["delta"]["refvlm"]["target"].clone());
            all.filter(|target| !target.is_null()).collect()
        };
        let (found, expected) = (target(&found), target(&expected));
        assert!(!found.is_empty() && found.len() == expected.len());
        found.iter().zip(&expected).for_each(|(found, expected)| same(found, expected));
    }
    println!("others were answered after {:.2} s", took.as_secs_f64());
}

/// A call of CVAT whose answer, 12 MB, fits into no buffer of a socket.
fn large() -> Vec<u8> {
    let mut png = Vec::new();
    let picture = image::RgbImage::from_fn(3000, 2000, |x, y| {
        let inside = (1000..2000).contains(&x) && (500..1500).contains(&y);
        image::Rgb(if inside { [200, 30, 30] } else { [20, 90, 20] })
    });
    picture.write_to(&mut std::io::Cursor::new(&mut png), image::ImageFormat::Png).unwrap();
    let body = json!({ "image": BASE64_STANDARD.encode(png), "pos_points": [[1500, 1000]],
        "neg_points": [] });
    request("POST", "/api/function_invocations", &[], body.to_string().as_bytes())
}

#[test]
fn a_client_that_takes_nothing_is_cut_off_and_one_that_takes_its_time_is_not() {
    let limits =
        Limits { workers: 1, queue: 1, idle: Duration::from_millis(1500), ..Limits::default() };
    let server = start(Settings { limits, ..Settings::default() });
    let bytes = large();
    let begun = || {
        let mut stream = server.connect();
        stream.write_all(&bytes).unwrap();
        stream.read_exact(&mut [0; 1]).unwrap();
        stream
    };
    let mut slow = begun();
    let reader = std::thread::spawn(move || {
        let mut whole = vec![b'H'];
        let mut part = vec![0; 300_000];
        while let Ok(count @ 1..) = slow.read(&mut part) {
            whole.extend(&part[..count]);
            std::thread::sleep(Duration::from_millis(40));
        }
        parse(&whole)
    });
    let mut stuck = begun();
    // Both places are free, though one still reads and one does not.
    let answer = server.post(CHAT, &chat("cat", "", json!({ "task": "vqa" })));
    assert_eq!(answer.status, 200, "{}", answer.text());
    let slow = reader.join().unwrap();
    let rows = slow.json()["mask"].as_array().unwrap().len();
    assert_eq!((slow.status, rows), (200, 2000));
    std::thread::sleep(Duration::from_millis(2500));
    let mut rest = Vec::new();
    let _ = stuck.read_to_end(&mut rest);
    assert!(rest.len() < 11_000_000, "cut off: {}", rest.len());
}

#[test]
fn a_client_that_leaves_is_forgotten() {
    let limits = Limits { queue: 3, ..Limits::default() };
    let server = start(Settings { limits, ..Settings::default() });
    for round in 0..20 {
        let mut stream = server.connect();
        let bytes = stream_of(["bus", "cat", "pizza", "tennis"][round % 4]);
        // Some leave in the middle of their request.
        let length = if round % 3 == 0 { bytes.len() / 2 } else { bytes.len() };
        stream.write_all(&bytes[..length]).unwrap();
        if round % 2 == 0 {
            std::thread::sleep(Duration::from_millis(30));
        }
        drop(stream);
    }
    server.idle();
    let start = Instant::now();
    let answer = server.post(CHAT, &chat("cat", "", json!({ "task": "vqa" })));
    assert_eq!(answer.status, 200, "places of those who left are free: {}", answer.text());
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_stopped_server_finishes_its_answers() {
    let mut server = start(Settings::default());
    let expected = events(&server.send(&stream_of("pizza")).text()).len();
    let mut stream = server.connect();
    stream.write_all(&stream_of("pizza")).unwrap();
    let mut first = [0; 1];
    stream.read_exact(&mut first).unwrap();
    let mut idle = server.connect();
    idle.write_all(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut part = [0; 64];
    assert!(idle.read(&mut part).unwrap() > 0);
    let address = server.address;
    let reader = std::thread::spawn(move || {
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).unwrap();
        parse(&[&first[..], &rest].concat())
    });
    let start = Instant::now();
    server.stop();
    assert!(start.elapsed() < Duration::from_secs(9), "kept-alive connections end at once");
    assert_eq!(events(&reader.join().unwrap().text()).len(), expected);
    assert!(TcpStream::connect(address).is_err(), "nobody listens any more");
}

#[test]
fn connections_beyond_the_limit_wait() {
    let limits = Limits { connections: 2, ..Limits::default() };
    let server = start(Settings { limits, ..Settings::default() });
    let held: Vec<TcpStream> = (0..2).map(|_| server.connect()).collect();
    std::thread::sleep(Duration::from_millis(50));
    let mut third = server.connect();
    third.write_all(&request("GET", "/health", &[], b"")).unwrap();
    third.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    assert!(third.read(&mut [0; 1]).is_err(), "it waits");
    drop(held);
    third.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    assert_eq!(read(&mut third).status, 200);
}
