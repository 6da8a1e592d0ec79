//! Answers are those of the engine, whole or as they grow.

use super::support::{chat, events, file, package, same, start};
use burn::tensor::Device;
use refvlm_files::picture::read_picture;
use refvlm_model::image::Picture;
use refvlm_record::answer::Answer;
use refvlm_record::reading::Reading;
use refvlm_record::ready::completed;
use refvlm_record::{Counts, Prompt, Rle, Task};
use refvlm_serve::{Limits, Settings};
use serde_json::{Value, json};

/// What the engine says when it is asked without a server.
fn native(name: &str, task: Option<Task>, words: &str, prompts: Vec<Prompt>) -> Answer {
    let path = file(&format!("www/examples/photos/{name}.webp"));
    let picture = read_picture(&path).unwrap();
    let view = Picture::new(picture.width, picture.height, &picture.rgb).unwrap();
    let mut session = package().session(&Device::flex()).unwrap();
    pollster::block_on(session.set_image(view)).unwrap();
    let ask = completed(task, words, prompts);
    let answer = session.ask(&ask).unwrap();
    pollster::block_on(answer.collect()).into_iter().collect()
}

#[test]
fn an_answer_is_that_of_the_engine() {
    let server = start(Settings::default());
    let prompts = json!({ "prompts": [{ "kind": "box", "xyxy": [30, 40, 200, 220] }] });
    let body = server.post("/v1/chat/completions", &chat("cat", "Segment [prompt 1].", prompts));
    assert_eq!(body.status, 200, "{}", body.text());
    let body = body.json();
    assert_eq!((&body["object"], &body["model"]), (&json!("chat.completion"), &json!("pocket")));
    let message = &body["choices"][0]["message"];
    let rect = Prompt::Box { x: 30.0, y: 40.0, w: 170.0, h: 180.0 };
    let expected = native("cat", None, "Segment [prompt 1].", vec![rect]);
    assert_eq!(message["content"], Reading::new(&expected.raw).words());
    assert_eq!(message["refvlm"]["task"], "grounding_segmentation");
    assert_eq!(message["refvlm"]["raw"], expected.raw);
    assert_eq!(body["usage"]["completion_tokens"], expected.tokens);
    let phrases = message["refvlm"]["phrases"].as_array().unwrap();
    assert_eq!(phrases.len(), expected.triplets.len());
    assert!(!phrases.is_empty());
    let words: Vec<char> = message["content"].as_str().unwrap().chars().collect();
    for (phrase, triplet) in phrases.iter().zip(&expected.triplets) {
        let span: [usize; 2] = serde_json::from_value(phrase["span"].clone()).unwrap();
        let said: String = words[span[0]..span[1]].iter().collect();
        assert_eq!((&phrase["phrase"], &json!(said)), (&json!(triplet.concept), &phrase["phrase"]));
        for (target, found) in phrase["targets"].as_array().unwrap().iter().zip(&triplet.found) {
            let mask: Rle = serde_json::from_value(target["mask"].clone()).unwrap();
            assert!(matches!(mask.counts, Counts::Compressed(_)));
            let mask = found.mask.as_ref().unwrap().to_rle();
            let [x, y, w, h] = found.bbox().unwrap();
            same(
                target,
                &json!({ "confidence": found.confidence, "mask": mask,
                "box": [x, y, x + w, y + h] }),
            );
        }
    }
}

#[test]
fn every_task_is_answered_and_questions_about_one_photo_share_its_look() {
    let server = start(Settings::default());
    let mut looked = 0;
    for task in Task::ALL {
        let body = server.post("/v1/chat/completions", &chat("bus", "", json!({ "task": task })));
        assert_eq!(body.status, 200, "{task}: {}", body.text());
        let message = &body.json()["choices"][0]["message"];
        assert_eq!(message["refvlm"]["task"], json!(task));
        looked += usize::from(message["refvlm"]["timings"]["picture_s"] != 0.0);
        let expected = native("bus", Some(task), "", vec![]);
        assert_eq!(message["content"], Reading::new(&expected.raw).words(), "{task}");
        for phrase in message["refvlm"]["phrases"].as_array().unwrap() {
            let field = match phrase["unit"].as_str().unwrap() {
                "box" => "box",
                "mask" => "mask",
                "keypoint" => "keypoints",
                _ => "depth",
            };
            assert!(phrase["targets"].as_array().unwrap().iter().all(|t| !t[field].is_null()));
        }
    }
    assert_eq!(looked, 1, "one worker looks at a photo once");
}

#[test]
fn clicks_on_one_photo_look_at_it_once_however_many_workers_there_are() {
    let limits = Limits { workers: 3, ..Limits::default() };
    let server = start(Settings { limits, ..Settings::default() });
    let click = |x: u32| {
        let point = json!({ "prompts": [{ "kind": "point", "x": x, "y": 100 }] });
        let body = server.post("/v1/chat/completions", &chat("pizza", "", point)).json();
        server.idle();
        body["choices"][0]["message"]["refvlm"]["timings"]["picture_s"] != 0.0
    };
    assert_eq!((0..8).filter(|k| click(50 + 20 * k)).count(), 1);
}

#[test]
fn a_stream_adds_up_to_the_whole_answer() {
    let server = start(Settings::default());
    for task in ["vqa", "gcg_segmentation", "detection"] {
        let mut asked = chat("tennis", "", json!({ "task": task }));
        let whole = server.post("/v1/chat/completions", &asked).json();
        asked["stream"] = json!(true);
        asked["stream_options"] = json!({ "include_usage": true });
        let stream = server.post("/v1/chat/completions", &asked);
        assert_eq!(stream.header("content-type"), Some("text/event-stream; charset=utf-8"));
        let mut events = events(&stream.text());
        let usage = events.pop().unwrap();
        assert_eq!(
            (&usage["choices"], &usage["object"]),
            (&json!([]), &json!("chat.completion.chunk"))
        );
        let tokens = &whole["usage"]["completion_tokens"];
        assert_eq!(&usage["usage"]["completion_tokens"], tokens);
        let delta = |event: &Value| event["choices"][0]["delta"].clone();
        assert_eq!(delta(&events[0])["role"], "assistant");
        let words: String =
            events.iter().filter_map(|e| Some(delta(e)["content"].as_str()?.to_string())).collect();
        let message = &whole["choices"][0]["message"];
        assert_eq!(message["content"], words);
        let targets: Vec<Value> = events
            .iter()
            .map(|e| delta(e)["refvlm"]["target"].clone())
            .filter(|t| !t.is_null())
            .collect();
        let phrases = message["refvlm"]["phrases"].as_array().unwrap();
        let expected: Vec<Value> =
            phrases.iter().flat_map(|p| p["targets"].as_array().unwrap().clone()).collect();
        assert_eq!(targets.len(), expected.len());
        targets.iter().zip(&expected).for_each(|(found, expected)| same(found, expected));
        let opened = events.iter().filter(|e| !delta(e)["refvlm"]["phrase"].is_null()).count();
        assert_eq!(opened, phrases.len());
        let last = events.last().unwrap();
        assert_eq!(last["choices"][0]["finish_reason"], whole["choices"][0]["finish_reason"]);
        assert_eq!(delta(last)["refvlm"]["raw"], message["refvlm"]["raw"]);
        let early = events[..events.len() - 1].iter();
        assert!(early.clone().all(|e| e["choices"][0]["finish_reason"].is_null()));
    }
}

#[test]
fn a_negative_prompt_changes_what_the_model_is_given() {
    let server = start(Settings::default());
    let ask = |prompts: Value| {
        let body =
            server.post("/v1/chat/completions", &chat("cat", "", json!({ "prompts": prompts })));
        assert_eq!(body.status, 200, "{}", body.text());
        body.json()["choices"][0]["message"]["refvlm"]["phrases"].clone()
    };
    let boxed = json!({ "kind": "box", "xyxy": [20, 20, 200, 200] });
    let cut = json!({ "kind": "box", "xyxy": [100, 20, 200, 200], "label": 0 });
    let mask = {
        let mut mask = refvlm_record::Mask::zeros(0, 0);
        let path = file("www/examples/photos/cat.webp");
        let picture = read_picture(&path).unwrap();
        (mask.width, mask.height) = (picture.width, picture.height);
        mask.pixels = vec![0; (mask.width * mask.height) as usize];
        refvlm_record::raster::fill_box(&mut mask, [20.0, 20.0, 80.0, 180.0], 1);
        json!({ "kind": "mask", "mask": mask.to_rle() })
    };
    let both = ask(json!([boxed, cut]));
    let target = |phrases: &Value| phrases[0]["targets"][0].clone();
    same(&target(&both), &target(&ask(json!([mask]))));
    assert_ne!(target(&both)["mask"], target(&ask(json!([boxed])))["mask"]);
}

#[test]
fn models_and_health_are_shown() {
    let server = start(Settings::default());
    let models = server.get("/v1/models").json();
    assert_eq!((&models["object"], &models["data"][0]["id"]), (&json!("list"), &json!("pocket")));
    assert!(models["data"][0]["parameters"].as_u64().unwrap() > 1_000_000);
    assert_eq!(server.get("/v1/models/pocket").json()["id"], "pocket");
    assert_eq!(server.get("/v1/models/other").code(), "model_not_found");
    let health = server.get("/health").json();
    assert_eq!((&health["status"], &health["running"]), (&json!("UP"), &json!(0)));
    let home = server.get("/");
    assert!(home.text().contains("/v1/chat/completions") && home.text().contains("pocket"));
}
