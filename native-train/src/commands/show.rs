//! An answer as a person reads it, and as one line for programs.

use super::say::{quiet, say};
use refvlm_model::event::{Event, Finish, Shape};
use refvlm_record::coco::JOINT_VISIBLE;
use refvlm_record::reading::Reading;
use serde_json::{Value, json};
use std::io::{self, Write};

/// The text without its markup, then a line per target, then what it took.
pub fn print(events: &[Event]) -> io::Result<()> {
    say!("{}", words(events).trim());
    for event in events {
        print_found(event)?;
    }
    for event in events.iter().filter(|_| !quiet()) {
        if let Event::Done { timings, .. } = event {
            say!(
                "{} tokens ({} forced): picture {:.2} s, first token {:.2} s, answer {:.2} s",
                timings.tokens,
                timings.forced_tokens,
                timings.picture_s,
                timings.first_token_s,
                timings.total_s,
            );
        }
    }
    Ok(())
}

/// A token as it is written, markup included, and a line per target.
pub fn print_raw(event: &Event) -> io::Result<()> {
    match event {
        Event::Token { text, .. } => {
            let mut out = io::stdout().lock();
            write!(out, "{text}")?;
            out.flush()
        }
        Event::Triplet { .. } | Event::Done { .. } | Event::Failed { .. } => {
            say!("");
            print_found(event)
        }
        event => print_found(event),
    }
}

fn print_found(event: &Event) -> io::Result<()> {
    match event {
        Event::Triplet { triplet, concept, unit, count } => {
            say!("  [{}] {concept}: {count} {unit}", triplet + 1);
        }
        Event::Unit { index, confidence, shape, .. } => {
            say!("      [{index}] {} (confidence {confidence:.2})", described(shape));
        }
        _ => {}
    }
    Ok(())
}

fn described(shape: &Shape) -> String {
    match shape {
        Shape::Box { bbox } => format!("box {}", place(bbox)),
        Shape::Mask { bbox: [_, _, 0.0, _], .. } => "empty mask: no pixel of the picture".into(),
        Shape::Mask { bbox, .. } => format!("mask within {}", place(bbox)),
        Shape::Keypoint { bbox, keypoints } => {
            let seen = keypoints.iter().filter(|k| k[2] > JOINT_VISIBLE).count();
            format!("person {} with {seen} joints in the picture", place(bbox))
        }
        Shape::Depth { metres, .. } => {
            let near = metres.iter().copied().fold(f32::INFINITY, f32::min);
            let far = metres.iter().copied().fold(0.0, f32::max);
            format!("depth from {near:.1} m to {far:.1} m")
        }
    }
}

fn place(bbox: &[f32; 4]) -> String {
    let [x, y, w, h] = bbox.map(|v| v.round());
    format!("{x},{y} {w}x{h} px")
}

/// An answer about one of several pictures as one JSON object: its text without markup, why it
/// ended, and its targets with their concepts.
pub fn json_line(picture: &str, events: &[Event]) -> Value {
    let mut concepts = Vec::new();
    let (mut targets, mut reason, mut error) = (Vec::new(), None, None);
    for event in events {
        match event {
            Event::Triplet { concept, .. } => concepts.push(concept.as_str()),
            Event::Unit { triplet, .. } => {
                let mut target = json!(event);
                if let Some(object) = target.as_object_mut() {
                    object.remove("event");
                    let concept = concepts.get(*triplet).copied().unwrap_or_default();
                    object.insert("concept".into(), concept.into());
                }
                targets.push(target);
            }
            Event::Done { reason: found, .. } => reason = Some(found),
            Event::Failed { error: found } => error = Some(found),
            Event::Status { .. } | Event::Token { .. } => {}
        }
    }
    match error {
        Some(error) => json!({ "picture": picture, "error": error }),
        None => json!({
            "picture": picture,
            "text": words(events).trim(),
            "reason": reason,
            "targets": targets,
        }),
    }
}

fn words(events: &[Event]) -> String {
    let tokens = events.iter().filter_map(|event| match event {
        Event::Token { text, .. } => Some(text.as_str()),
        _ => None,
    });
    Reading::new(&tokens.collect::<String>()).words()
}

/// Whether the budget cut or bent the answer.
pub fn ran_short(events: &[Event]) -> bool {
    events.iter().any(|event| matches!(event, Event::Done { reason: Finish::Length, .. }))
}
