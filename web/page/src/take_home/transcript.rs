//! Words and numbers as a person reads them, and the conversation as text.

use crate::conversation::answer::{Answer, Cut};
use crate::conversation::question::{task_name, unit_name};
use refvlm_protocol::{Ask, Failure, Finish};
use refvlm_record::answer::Progress;
use refvlm_record::mention::marker;

/// One question with its answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Turn {
    /// Stays the same while the turn lives.
    pub id: u32,
    /// What was asked.
    pub ask: Ask,
    /// The marks that the prompts were, in their order: id, which decides the colour, and number.
    pub marks: Vec<(u32, usize)>,
    /// What came back.
    pub answer: Answer,
}

/// A conversation as Markdown.
pub fn markdown(turns: &[Turn], picture: &str, picture_px: [u32; 2]) -> String {
    let [width, height] = picture_px;
    let mut text = format!("# {}, {width} x {height} px\n", escaped(picture));
    for (at, turn) in turns.iter().enumerate() {
        let words = escaped(turn.ask.text.trim());
        text += &format!("\n## {}. {words}\n\n", at + 1);
        text += &format!("{}.", task_name(turn.ask.task));
        for (number, prompt) in turn.ask.prompts.iter().enumerate() {
            let geometry = match prompt {
                refvlm_record::Prompt::Mask { .. } => "mask".to_string(),
                refvlm_record::Prompt::Scribble { points } => {
                    format!("scribble of {} points", points.len())
                }
                other => serde_json::to_string(other).unwrap_or_else(|_| other.kind().into()),
            };
            text += &format!("\n- {}: {geometry}", escaped(&marker(number + 1)));
        }
        text += &format!("\n\n{}\n", escaped(&turn.answer.words()));
        for (number, triplet) in turn.answer.said.triplets.iter().enumerate() {
            for found in &triplet.found {
                let place = match found.bbox() {
                    Some([x, y, w, h]) => format!(" at {x:.0}, {y:.0}, {w:.0} x {h:.0} px"),
                    None => String::new(),
                };
                let (concept, unit) = (escaped(&triplet.concept), unit_name(triplet.unit));
                let sure = percent(found.confidence);
                text += &format!("\n{}. {concept}: {unit}{place}, {sure}", number + 1);
            }
        }
        if turn.answer.shows() {
            text += "\n";
        }
        let state = state(&turn.answer);
        if !state.is_empty() {
            text += &format!("\n{state}\n");
        }
    }
    text
}

/// Words as Markdown shows them unchanged, on one line.
fn escaped(words: &str) -> String {
    let mut text = String::new();
    for c in words.split_whitespace().collect::<Vec<_>>().join(" ").chars() {
        if r"\`*_{}[]<>#|!~".contains(c) {
            text.push('\\');
        }
        text.push(c);
    }
    text
}

/// How an answer ended, in a line; empty while it goes on.
pub fn state(answer: &Answer) -> String {
    match &answer.cut {
        Some(Cut::Aborted) => return "Stopped.".into(),
        Some(Cut::Failed(failure)) => return sentences(failure).join(" "),
        None => {}
    }
    match &answer.said.progress {
        Progress::Done { timings, reason } => {
            let answered = format!("Answered in {}.", seconds(timings.total_s));
            match reason {
                Finish::Length => format!("{answered} Cut short at the limit of its length."),
                Finish::End => answered,
            }
        }
        Progress::Failed { error } => error.clone(),
        Progress::Waiting | Progress::Reading | Progress::Writing => String::new(),
    }
}

/// Where the time of an answer went, for those who want to know; empty until it is there.
pub fn timings(answer: &Answer) -> String {
    match &answer.said.progress {
        Progress::Done { timings, .. } => {
            let mut parts = Vec::new();
            if timings.picture_s > 0.0 {
                parts.push(format!("picture {}", seconds(timings.picture_s)));
            }
            parts.push(format!("first token {}", seconds(timings.first_token_s)));
            parts.push(format!("in all {}", seconds(timings.total_s)));
            parts.push(format!("{} tokens", timings.tokens));
            parts.extend(answer.tokens_per_second().map(|rate| format!("{rate:.0}/s")));
            // Lines break between parts, never within one.
            let parts: Vec<_> = parts.iter().map(|part| part.replace(' ', "\u{a0}")).collect();
            parts.join("\u{a0}\u{b7} ")
        }
        _ => String::new(),
    }
}

/// A failure as two sentences: what is wrong, and what helps.
pub fn sentences(failure: &Failure) -> [String; 2] {
    let ended = |text: &str| match text.ends_with('.') {
        true => text.to_string(),
        false => format!("{text}."),
    };
    let mut remedy = failure.remedy.chars();
    let first = remedy.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    [ended(&failure.message), ended(&(first + remedy.as_str()))]
}

/// A length of time: `42 ms`, `1.3 s`, `2 min`.
pub fn seconds(s: f64) -> String {
    match s {
        s if s < 0.9995 => format!("{:.0} ms", s * 1000.0),
        s if s < 9.95 => format!("{s:.1} s"),
        s if s < 90.0 => format!("{s:.0} s"),
        s => format!("{:.0} min", s / 60.0),
    }
}

/// A share of one as `83 %`.
pub fn percent(share: f32) -> String {
    format!("{:.0} %", share * 100.0)
}

/// A number of bytes: `7.9 MB`, decimal.
pub fn bytes(count: u64) -> String {
    match count as f64 {
        n if n < 1e3 => format!("{n:.0} B"),
        n if n < 1e6 => format!("{:.0} kB", n / 1e3),
        n if n < 1e9 => format!("{:.1} MB", n / 1e6),
        n => format!("{:.1} GB", n / 1e9),
    }
}

/// A number of things: `6.5 M`.
pub fn count(number: u64) -> String {
    match number as f64 {
        n if n < 1e3 => format!("{n:.0}"),
        n if n < 1e6 => format!("{:.0} k", n / 1e3),
        n if n < 1e9 => format!("{:.1} M", n / 1e6),
        n => format!("{:.1} G", n / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use refvlm_protocol::{Event, FailureKind, Prompt, Shape, Task, Unit};

    #[test]
    fn a_conversation_reads_as_text() {
        let mut answer = Answer::default();
        for text in ["Here: ", "<Phrase>", "a dog", "</Phrase>", "(<Unit>box</Unit>[0]<REF>)"] {
            answer.take(Event::Token { id: 0, text: text.into(), forced: false });
        }
        answer.take(Event::Triplet {
            triplet: 0,
            concept: "a dog".into(),
            unit: Unit::Box,
            count: 1,
        });
        let shape = Shape::Box { bbox: [1.0, 2.0, 3.0, 4.0] };
        answer.take(Event::Unit { triplet: 0, index: 0, confidence: 0.914, shape });
        let prompts = vec![Prompt::Point { x: 1.0, y: 2.0 }];
        let ask = Ask::new(Task::GroundingDetection, "Find [prompt 1].", prompts);
        let turn = Turn { id: 0, ask, marks: vec![(0, 1)], answer };
        let text = markdown(&[turn], "dog.png", [10, 20]);
        for part in [
            "# dog.png, 10 x 20 px",
            r"## 1. Find \[prompt 1\].",
            r#"- \[prompt 1\]: {"kind":"point","x":1.0,"y":2.0}"#,
            "Here: a dog",
            "1. a dog: box at 1, 2, 3 x 4 px, 91 %",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert!(!text.contains('<'));
    }

    #[test]
    fn words_are_not_taken_for_markdown() {
        assert_eq!(escaped("# a *b*\n[c](d) <e>"), r"\# a \*b\* \[c\](d) \<e\>");
    }

    #[test]
    fn failures_are_sentences() {
        let failure = |message: &str, remedy: &str| Failure {
            kind: FailureKind::Offline,
            message: message.into(),
            remedy: remedy.into(),
            lost: false,
        };
        let engine = failure("a.bin: no answer", "check the connection");
        assert_eq!(sentences(&engine), ["a.bin: no answer.", "Check the connection."]);
        let page = failure("The worker stopped.", "Load the model again.");
        assert_eq!(sentences(&page), ["The worker stopped.", "Load the model again."]);
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!(seconds(0.0421), "42 ms");
        assert_eq!(seconds(1.26), "1.3 s");
        assert_eq!(seconds(42.4), "42 s");
        assert_eq!(seconds(600.0), "10 min");
        assert_eq!(bytes(7_864_320), "7.9 MB");
        assert_eq!(bytes(512), "512 B");
        assert_eq!(count(6_468_701), "6.5 M");
    }
}
