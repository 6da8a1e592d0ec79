//! Asks a running server as fast as it answers, by 1, 4 and 16 clients, and prints requests per
//! second and latencies as rows of a table.
//!
//! ```sh
//! cargo run --release --locked -p refvlm-serve --example load -- http://127.0.0.1:8080 10
//! ```

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a measurement ends where it fails"
)]

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Photos of the repository.
const PHOTOS: [&str; 4] = ["bus", "cat", "pizza", "tennis"];

fn chat(name: &str, words: &str, refvlm: Value) -> String {
    let path = format!("../../www/examples/photos/{name}.webp");
    let bytes = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect(name);
    let url = format!("data:image/webp;base64,{}", BASE64_STANDARD.encode(bytes));
    let parts = json!([
        { "type": "text", "text": words },
        { "type": "image_url", "image_url": { "url": url } },
    ]);
    json!({ "messages": [{ "role": "user", "content": parts, "refvlm": refvlm }] }).to_string()
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().unwrap_or_else(|| "http://127.0.0.1:8080".into());
    let seconds = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(10.0);
    let click = json!({ "prompts": [{ "kind": "point", "x": 120, "y": 120 }] });
    let questions = PHOTOS.map(|name| chat(name, "What is it?", json!({ "task": "vqa" })));
    let kinds = [
        ("a click on one photo", vec![chat("cat", "", click.clone())]),
        (
            "a click, another photo each time",
            PHOTOS.map(|name| chat(name, "", click.clone())).into(),
        ),
        ("a question, another photo each time", questions.into()),
    ];
    println!("| requests | clients | per second | median | 95 % | slowest | refused |");
    println!("|---|---|---|---|---|---|---|");
    for (kind, bodies) in &kinds {
        for clients in [1, 4, 16] {
            let (mut took, refused) = run(&url, bodies, clients, seconds);
            took.sort_by(f64::total_cmp);
            let at = |share: f64| took[((took.len() - 1) as f64 * share) as usize];
            println!(
                "| {kind} | {clients} | {:.1} | {:.3} s | {:.3} s | {:.3} s | {refused} |",
                took.len() as f64 / seconds,
                at(0.5),
                at(0.95),
                at(1.0)
            );
        }
    }
}

/// Seconds of each answer, and how many requests were refused for want of a place.
fn run(url: &str, bodies: &[String], clients: usize, seconds: f64) -> (Vec<f64>, usize) {
    let told = Mutex::new((Vec::new(), 0));
    let end = Instant::now() + Duration::from_secs_f64(seconds);
    let address = format!("{url}/v1/chat/completions");
    std::thread::scope(|scope| {
        for client in 0..clients {
            let (told, address) = (&told, &address);
            scope.spawn(move || {
                let agent: ureq::Agent =
                    ureq::Agent::config_builder().http_status_as_error(false).build().into();
                for body in bodies.iter().cycle().skip(client) {
                    let start = Instant::now();
                    if start >= end {
                        return;
                    }
                    let post = agent.post(address).header("content-type", "application/json");
                    let mut answer = post.send(body).expect("the server answers");
                    let status = answer.status().as_u16();
                    let text = answer.body_mut().read_to_string().expect("the answer is whole");
                    let mut told = told.lock().unwrap();
                    match status {
                        200 => told.0.push(start.elapsed().as_secs_f64()),
                        429 => told.1 += 1,
                        _ => panic!("{status}: {text}"),
                    }
                }
            });
        }
    });
    told.into_inner().unwrap()
}
