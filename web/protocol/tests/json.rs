//! The JSON that JavaScript sees, word for word.
#![allow(clippy::unwrap_used)]

use refvlm_protocol::*;
use serde_json::{Value, from_value, json, to_value};

fn request(value: Value) -> Request {
    let message: RequestMessage = from_value(json!({"id": 7, "request": value})).unwrap();
    assert_eq!(message.id, 7);
    message.request
}

#[test]
fn what_may_be_left_out_has_a_default() {
    let load = request(json!({"type": "load", "url": "models/scenes"}));
    assert_eq!(load, Request::Load { url: "models/scenes".into(), backend: BackendChoice::Auto });
    let ask = request(json!({"type": "ask", "ask": {"task": "vqa", "text": "What is this?"}}));
    assert_eq!(ask, Request::Ask { ask: Ask::new(Task::Vqa, "What is this?", vec![]) });
    let scene = request(json!({"type": "generate", "seed": u32::MAX}));
    assert_eq!(scene, Request::Generate { seed: u32::MAX, side: 384 });
    assert_eq!(request(json!({"type": "unload"})), Request::Unload);
}

#[test]
fn what_is_unknown_is_refused() {
    for wrong in [
        json!({"type": "load", "url": "x", "backend": "gpu"}),
        json!({"type": "generate", "seed": -1}),
        json!({"type": "generate", "seed": 1u64 << 32}),
        json!({"type": "set_image", "width": 3}),
        json!({"type": "abort", "target": 3, "also": 4}),
        json!({"type": "walk"}),
    ] {
        assert!(from_value::<Request>(wrong.clone()).is_err(), "{wrong}");
    }
}

#[test]
fn replies_are_flat_objects_with_a_type() {
    let reply = |reply: &Reply| to_value(reply).unwrap();
    let progress = Reply::Progress { phase: Phase::Download, bytes: 5, total: 9, eta_s: Some(0.5) };
    let expected = json!({"type": "progress", "phase": "download", "bytes": 5, "total": 9,
        "eta_s": 0.5});
    assert_eq!(reply(&progress), expected);
    let failed = Reply::Failed(Failure {
        kind: FailureKind::HashMismatch,
        message: "m".into(),
        remedy: "r".into(),
        lost: false,
    });
    let expected =
        json!({"type": "failed", "kind": "hash_mismatch", "message": "m", "remedy": "r"});
    assert_eq!(reply(&failed), expected);
    let event = Event::Unit {
        triplet: 0,
        index: 1,
        confidence: 0.5,
        shape: Shape::Box { bbox: [1.0, 2.0, 3.0, 4.0] },
    };
    let expected = json!({"type": "event", "event": {"event": "unit", "triplet": 0, "index": 1,
        "confidence": 0.5, "unit": "box", "box": [1.0, 2.0, 3.0, 4.0]}});
    assert_eq!(reply(&Reply::Event { event }), expected);
}

#[test]
fn a_failure_says_whether_the_model_is_lost() {
    let json = json!({"type": "failed", "kind": "crashed", "message": "m", "remedy": "r",
        "lost": true});
    let Reply::Failed(failure) = from_value(json.clone()).unwrap() else { panic!("a failure") };
    assert!(failure.lost);
    assert_eq!(to_value(Reply::Failed(failure)).unwrap(), json);
}

#[test]
fn the_api_waits_as_long_as_the_page() {
    let api = include_str!("../../js/refvlm.js");
    let milliseconds = api.lines().find_map(|line| line.strip_prefix("const SILENCE_MS = "));
    let milliseconds = milliseconds.unwrap().trim_end_matches(';').replace('_', "");
    assert_eq!(milliseconds.parse::<u64>().unwrap(), 1000 * SILENCE_S);
}
