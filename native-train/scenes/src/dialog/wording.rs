//! Wordings: templates with slots, filled and roughened the way people type.

use super::words::capitalised;
use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;
use refvlm_record::QuestionPart;

/// Several ways to ask the same. Every template holds every slot exactly once.
pub(super) struct Wording {
    pub slots: &'static [&'static str],
    pub templates: &'static [&'static str],
}

/// What stands in a slot.
#[derive(Debug, Clone)]
pub(super) enum Slot {
    Text(String),
    Prompt(usize),
}

impl From<String> for Slot {
    fn from(text: String) -> Self {
        Slot::Text(text)
    }
}

impl From<&str> for Slot {
    fn from(text: &str) -> Self {
        Slot::Text(text.into())
    }
}

impl Wording {
    /// One of the templates with `values` in the order of `slots`.
    pub fn ask(&self, values: &[Slot], rng: &mut ChaCha8Rng) -> Vec<QuestionPart> {
        let template = self.templates.choose(rng).copied().unwrap_or_default();
        roughen(self.fill(template, values), rng)
    }

    fn fill(&self, template: &str, values: &[Slot]) -> Vec<Slot> {
        let mut parts = Vec::new();
        let mut rest = template;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, tail) = after.split_once('}').unwrap_or((after, ""));
            push_text(&mut parts, before);
            let value = self.slots.iter().position(|slot| *slot == name);
            match value.and_then(|index| values.get(index)) {
                Some(Slot::Text(text)) => push_text(&mut parts, text),
                Some(prompt) => parts.push(prompt.clone()),
                None => {}
            }
            rest = tail;
        }
        push_text(&mut parts, rest);
        parts
    }
}

fn push_text(parts: &mut Vec<Slot>, text: &str) {
    match parts.last_mut() {
        _ if text.is_empty() => {}
        Some(Slot::Text(last)) => last.push_str(text),
        _ => parts.push(Slot::Text(text.into())),
    }
}

/// Capitals, final stops and politeness vary between people; the meaning does not.
fn roughen(mut parts: Vec<Slot>, rng: &mut ChaCha8Rng) -> Vec<QuestionPart> {
    let lower = rng.random::<f32>() < 0.25;
    let bare = rng.random::<f32>() < 0.15;
    let polite = rng.random::<f32>() < 0.06;
    let imperative = match parts.first() {
        Some(Slot::Text(text)) => !text.starts_with("I ") && !text.starts_with("There "),
        _ => false,
    };
    let said = parts
        .iter()
        .any(|part| matches!(part, Slot::Text(t) if t.to_lowercase().contains("please")));
    if let Some(Slot::Text(first)) = parts.first_mut() {
        *first = capitalised(first);
    }
    if let Some(Slot::Text(last)) = parts.last_mut() {
        if polite && imperative && !said && last.ends_with('.') {
            last.truncate(last.len() - 1);
            last.push_str(", please.");
        }
        if bare && last.ends_with(['.', '?']) {
            last.truncate(last.len() - 1);
        }
    }
    let spoken = parts.into_iter().filter_map(|part| match part {
        Slot::Text(text) if text.is_empty() => None,
        Slot::Text(text) if lower => Some(QuestionPart::Text(text.to_lowercase())),
        Slot::Text(text) => Some(QuestionPart::Text(text)),
        Slot::Prompt(prompt) => Some(QuestionPart::Prompt { prompt }),
    });
    spoken.collect()
}
