//! An answer in OpenAI's form: its words, and beside them what its phrases show.

use crate::app::Hearing;
use refvlm_record::answer::{Answer, Found, Progress};
use refvlm_record::event::{Finish, Proposal, Shape, Timings};
use refvlm_record::reading::{Piece, Reading};
use refvlm_record::{Counts, Rle, Unit};
use serde_json::{Value, json};

/// The only choice of a whole answer.
pub fn choice(hearing: &Hearing, answer: &Answer, notes: Vec<String>) -> Value {
    let reading = Reading::new(&answer.raw);
    let spans = spans(&reading);
    let phrases = answer.triplets.iter().enumerate().map(|(number, triplet)| {
        let targets: Vec<Value> = triplet.found.iter().map(target).collect();
        json!({
            "phrase": triplet.concept,
            "span": spans.get(number),
            "unit": triplet.unit,
            "targets": targets,
        })
    });
    let mut more = said(hearing, answer, notes);
    more["phrases"] = phrases.collect();
    json!({
        "index": 0,
        "message": {
            "role": "assistant",
            "content": reading.words(),
            "refusal": null,
            "refvlm": more,
        },
        "logprobs": null,
        "finish_reason": finish(answer),
    })
}

/// What is said of a whole answer besides its words and phrases.
pub fn said(hearing: &Hearing, answer: &Answer, notes: Vec<String>) -> Value {
    let [width, height] = hearing.size;
    json!({
        "task": hearing.ask.task,
        "question": hearing.ask.text,
        "picture": { "width": width, "height": height },
        "raw": answer.raw,
        "timings": timings(answer),
        "notes": notes,
    })
}

/// A target in px of the picture.
pub fn target(found: &Found) -> Value {
    let mut target = json!({ "confidence": found.confidence });
    if let Some([x, y, w, h]) = found.bbox() {
        target["box"] = json!([x, y, x + w, y + h]);
    }
    match &found.shape {
        Shape::Box { .. } => {}
        Shape::Mask { mask, .. } => {
            // Text is what pycocotools takes, and a fifth as long as numbers.
            target["mask"] = json!(mask.compressed());
            target["area"] = json!(area(mask));
            if !found.others().is_empty() {
                target["others"] = found.others().iter().map(other).collect();
            }
        }
        Shape::Keypoint { keypoints, .. } => target["keypoints"] = json!(keypoints),
        Shape::Depth { width, height, metres } => {
            target["depth"] = json!({ "width": width, "height": height, "metres": metres });
        }
    }
    target
}

/// What else may be meant, in px of the picture.
fn other(proposal: &Proposal) -> Value {
    let [x, y, w, h] = proposal.bbox;
    json!({
        "confidence": proposal.confidence,
        "box": [x, y, x + w, y + h],
        "mask": proposal.mask.compressed(),
        "area": area(&proposal.mask),
    })
}

/// Set pixels of a mask.
fn area(mask: &Rle) -> u64 {
    match &mask.counts {
        Counts::Runs(runs) => runs.iter().skip(1).step_by(2).map(|run| u64::from(*run)).sum(),
        Counts::Compressed(_) => mask.to_mask().map_or(0, |mask| mask.area()),
    }
}

/// The word for a phrase's unit, and what it says, as it begins.
pub fn opened(number: usize, concept: &str, unit: Unit, count: usize) -> Value {
    json!({ "number": number, "phrase": concept, "unit": unit, "count": count })
}

/// Why an answer ended, in OpenAI's words.
pub fn finish(answer: &Answer) -> &'static str {
    match answer.progress {
        Progress::Done { reason: Finish::Length, .. } => "length",
        _ => "stop",
    }
}

fn timings(answer: &Answer) -> Option<Timings> {
    match answer.progress {
        Progress::Done { timings, .. } => Some(timings),
        _ => None,
    }
}

/// Tokens read and written. Those that the cache held already are not counted.
pub fn usage(answer: &Answer) -> Value {
    let timings = timings(answer).unwrap_or_default();
    json!({
        "prompt_tokens": timings.read_tokens,
        "completion_tokens": timings.tokens,
        "total_tokens": timings.read_tokens + timings.tokens,
    })
}

/// Where the phrase of each triplet stands in the words: `[start, end]` in characters.
fn spans(reading: &Reading) -> Vec<[usize; 2]> {
    let text = |piece: &Piece| match piece {
        Piece::Words(words) | Piece::Phrase { words, .. } => words.clone(),
    };
    let whole: String = reading.body.iter().map(text).collect();
    let cut = whole.chars().take_while(|c| c.is_whitespace()).count();
    let (mut spans, mut at) = (Vec::new(), 0usize);
    for piece in &reading.body {
        let length = text(piece).chars().count();
        if let Piece::Phrase { triplet: Some(_), .. } = piece {
            spans.push([at.saturating_sub(cut), (at + length).saturating_sub(cut)]);
        }
        at += length;
    }
    spans
}

#[cfg(test)]
mod tests {
    use super::*;
    use refvlm_record::Mask;

    #[test]
    fn spans_are_where_the_phrases_stand() {
        let raw = "<Task>\nx\n</Task>\n <Phrase>Zwei Bären</Phrase>(<Unit>mask</Unit>[0]<REF>) auf \
            <Phrase>Gras</Phrase> und <Phrase>Stein</Phrase>(<Unit>box</Unit>[0]<REF>).";
        let reading = Reading::new(raw);
        let words: Vec<char> = reading.words().chars().collect();
        let found: Vec<String> =
            spans(&reading).iter().map(|[a, b]| words[*a..*b].iter().collect()).collect();
        assert_eq!(found, ["Zwei Bären", "Stein"]);
    }

    #[test]
    fn boxes_are_corners_and_masks_are_text() {
        let mut mask = Mask::zeros(4, 3);
        mask.pixels[5] = 1;
        let shape = Shape::mask(&mask).with_others(vec![Proposal::new(0.25, &mask)]);
        let found = target(&Found::new(0.5, shape));
        assert_eq!(found["others"][0]["box"], json!([1.0, 1.0, 2.0, 2.0]));
        assert_eq!(found["others"][0]["confidence"], json!(0.25));
        assert_eq!(found["box"], json!([1.0, 1.0, 2.0, 2.0]));
        assert_eq!(found["mask"], json!({ "size": [3, 4], "counts": "417" }));
        assert_eq!((&found["area"], &found["confidence"]), (&json!(1), &json!(0.5)));
    }
}
