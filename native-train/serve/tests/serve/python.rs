//! The Python client against the real server.

use super::support::{file, start};
use refvlm_serve::Settings;
use serde_json::Value;
use std::process::Command;

/// Asks, streams, is refused, and draws where Pillow is there; says what it saw as JSON.
const SCRIPT: &str = r#"
import json, sys
import refvlm
model = refvlm.Client(sys.argv[1], token="secret")
photo = sys.argv[2]
answer = model.ask(photo, "Segment [prompt 1].", prompts=[refvlm.box(30, 40, 200, 220)])
first = answer.targets[0]
pieces = list(model.stream(photo, "Segment [prompt 1].", prompts=[refvlm.box(30, 40, 200, 220)]))
try:
    model.ask(b"no picture", "What is it?")
except refvlm.Refused as error:
    refused = [error.status, error.kind, bool(error.remedy)]
try:
    refvlm.Client(sys.argv[1], token="wrong").models()
except refvlm.Refused as error:
    wrong = error.kind
try:
    size = answer.draw().size
except ImportError:
    size = None
print(json.dumps({
    "text": answer.text, "phrase": first.phrase, "confidence": first.confidence, "box": first.box,
    "area": sum(map(sum, first.pixels())),
    "told": answer.raw["choices"][0]["message"]["refvlm"]["phrases"][0]["targets"][0]["area"],
    "streamed": "".join(p for p in pieces if isinstance(p, str)),
    "targets": [p.phrase for p in pieces if isinstance(p, refvlm.Target)],
    "models": [m["id"] for m in model.models()],
    "refused": refused, "wrong": wrong, "size": size,
}))
"#;

#[test]
fn the_python_client_asks_streams_and_draws() {
    let server = start(Settings { token: Some("secret".into()), ..Settings::default() });
    let output = Command::new("python3")
        .args(["-B", "-c", SCRIPT, &format!("http://{}", server.address)])
        .arg(file("www/examples/photos/cat.webp"))
        .env("PYTHONPATH", file("python"))
        .output();
    let output = match output {
        Ok(output) => output,
        Err(error) => return println!("skipped: no python3 here ({error})"),
    };
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(told["area"].as_u64().is_some_and(|area| area > 0));
    assert_eq!(told["area"], told["told"], "run lengths are read as they were written");
    assert_eq!(told["text"], told["streamed"]);
    assert_eq!(told["targets"][0], told["phrase"]);
    assert_eq!(told["models"], serde_json::json!(["pocket"]));
    assert_eq!(told["refused"], serde_json::json!([400, "invalid_picture", true]));
    assert_eq!(told["wrong"], "invalid_api_key");
    if told["size"].is_null() {
        println!("not drawn: Pillow is not installed");
    }
}
