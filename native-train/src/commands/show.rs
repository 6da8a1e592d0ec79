//! An answer as a person reads it, and as one line for programs.

use super::say::{count, quiet, say};
use refvlm_model::event::{Event, Finish, Shape};
use refvlm_record::coco::JOINT_VISIBLE;
use refvlm_record::reading::Reading;
use serde_json::{Value, json};
use std::io::{self, Write};

/// What is found with less confidence than a person wants.
#[derive(Debug, Clone, Copy)]
pub struct Cut {
    /// The least confidence that is kept; 0 keeps all.
    least: f32,
    found: usize,
    left_out: usize,
}

impl Cut {
    /// Leaves out what has less confidence than `least`.
    pub fn new(least: f32) -> Self {
        Self { least, found: 0, left_out: 0 }
    }

    /// Whether an event is told.
    pub fn keeps(&mut self, event: &Event) -> bool {
        let Event::Unit { confidence, .. } = event else { return true };
        self.found += 1;
        // A confidence that is not a number is below every wish.
        let kept = *confidence >= self.least || self.least <= 0.0;
        self.left_out += usize::from(!kept);
        kept
    }

    /// The number of targets left out, where a person asked for it.
    fn told(&self) -> Option<usize> {
        (self.least > 0.0).then_some(self.left_out)
    }

    /// An event for programs; the last one says how many targets were left out.
    pub fn json(&self, event: &Event) -> serde_json::Result<String> {
        let mut text = serde_json::to_string(event)?;
        if let (Some(left_out), true) = (self.told(), event.is_last()) {
            text.truncate(text.len().saturating_sub(1));
            text += &format!(",\"left_out\":{left_out}}}");
        }
        Ok(text)
    }

    /// A note for people.
    pub fn note(&self) -> Option<String> {
        let left_out = self.told().filter(|&left_out| left_out > 0)?;
        let Self { found, least, .. } = self;
        Some(format!(
            "note: {left_out} of {} left out, with a confidence below {least}",
            count(*found, "target")
        ))
    }
}

/// The text without its markup, then a line per target, then what it took.
pub fn print(events: &[Event]) -> io::Result<()> {
    say!("{}", words(events).trim());
    for event in events {
        match event {
            // As many as follow, which may be fewer than the model meant.
            Event::Triplet { triplet, concept, unit, .. } => {
                let follow = events.iter().filter(
                    |event| matches!(event, Event::Unit { triplet: of, .. } if of == triplet),
                );
                say!("  [{}] {concept}: {} {unit}", triplet + 1, follow.count());
            }
            event => print_found(event)?,
        }
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
/// ended, its targets with their concepts, and what a person should know of it.
pub fn json_line(picture: &str, events: &[Event], cut: &Cut, notes: &[String]) -> Value {
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
        None => {
            let mut line = json!({
                "picture": picture,
                "text": words(events).trim(),
                "reason": reason,
                "targets": targets,
            });
            if let Some(object) = line.as_object_mut() {
                if let Some(left_out) = cut.told() {
                    object.insert("left_out".into(), left_out.into());
                }
                if !notes.is_empty() {
                    object.insert("notes".into(), notes.into());
                }
            }
            line
        }
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
