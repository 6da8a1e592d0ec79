//! Wordings: how people ask, from the files in `wordings/`, filled and roughened the way people
//! type. Lines behind `# held out` are kept out of training.

use crate::english::{are_or_is, capitalised, indefinite, is_or_are, plural};
use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;
use refvlm_record::QuestionPart;
use std::sync::LazyLock;

/// Which wordings are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WordingSet {
    /// Those to learn from.
    #[default]
    Training,
    /// Those that a model has never read.
    HeldOut,
}

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    RegionName,
    RegionIs,
    Presence,
    Count,
    DetectAll,
    SegmentAll,
    DetectClass,
    SegmentClass,
    ReferBox,
    ReferMask,
    PromptBox,
    PromptMask,
    KeypointsAll,
    KeypointsPrompt,
    Caption,
    CaptionBoxes,
    CaptionMasks,
    RegionCaption,
    Relation,
    Depth,
    ShortAnswer,
}

/// File and placeholders of each family; a template holds each placeholder's value once, and
/// `{class}`, `{a class}` and `{classes}` are forms of one.
const FILES: [(&str, &[&str]); 21] = [
    (include_str!("../wordings/region_name.txt"), &["prompt"]),
    (include_str!("../wordings/region_is.txt"), &["prompt", "class"]),
    (include_str!("../wordings/presence.txt"), &["class"]),
    (include_str!("../wordings/count.txt"), &["class"]),
    (include_str!("../wordings/detect_all.txt"), &[]),
    (include_str!("../wordings/segment_all.txt"), &[]),
    (include_str!("../wordings/detect_class.txt"), &["class"]),
    (include_str!("../wordings/segment_class.txt"), &["class"]),
    (include_str!("../wordings/refer_box.txt"), &["thing"]),
    (include_str!("../wordings/refer_mask.txt"), &["thing"]),
    (include_str!("../wordings/prompt_box.txt"), &["prompt"]),
    (include_str!("../wordings/prompt_mask.txt"), &["prompt"]),
    (include_str!("../wordings/keypoints_all.txt"), &[]),
    (include_str!("../wordings/keypoints_prompt.txt"), &["prompt"]),
    (include_str!("../wordings/caption.txt"), &[]),
    (include_str!("../wordings/caption_boxes.txt"), &[]),
    (include_str!("../wordings/caption_masks.txt"), &[]),
    (include_str!("../wordings/region_caption.txt"), &["prompt"]),
    (include_str!("../wordings/relation.txt"), &["prompt", "other"]),
    (include_str!("../wordings/depth.txt"), &[]),
    (include_str!("../wordings/short_answer.txt"), &["question"]),
];

const HELD_OUT: &str = "# held out";

/// The templates of one family.
struct Templates {
    training: Vec<&'static str>,
    held_out: Vec<&'static str>,
}

static TEMPLATES: LazyLock<Vec<Templates>> =
    LazyLock::new(|| FILES.iter().map(|(text, _)| Templates::of(text)).collect());

impl Templates {
    fn of(text: &'static str) -> Self {
        let (training, held_out) = text.split_once(HELD_OUT).unwrap_or((text, ""));
        let lines = |text: &'static str| {
            let lines = text.lines().map(str::trim);
            lines.filter(|line| !line.is_empty() && !line.starts_with('#')).collect()
        };
        Self { training: lines(training), held_out: lines(held_out) }
    }
}

/// What a question speaks of.
#[derive(Debug, Clone, Default)]
pub(crate) struct Values<'a> {
    /// A noun, singular.
    pub class: &'a str,
    /// An expression that means one thing: `the dog on the left`.
    pub thing: &'a str,
    /// Index of a prompt.
    pub prompt: Option<usize>,
    /// Index of a second prompt.
    pub other: Option<usize>,
    /// A question of the source.
    pub question: &'a str,
}

impl Family {
    /// A question in one of the ways of this family.
    pub fn ask(self, set: WordingSet, values: &Values, rng: &mut ChaCha8Rng) -> Vec<QuestionPart> {
        let templates = TEMPLATES.get(self as usize);
        let list = templates.map(|templates| match set {
            WordingSet::Training => &templates.training,
            WordingSet::HeldOut => &templates.held_out,
        });
        let template = list.and_then(|list| list.choose(rng)).copied().unwrap_or_default();
        roughened(filled(template, values), rng)
    }
}

/// The template's words and prompts.
fn filled(template: &str, values: &Values) -> Vec<QuestionPart> {
    let mut parts = Vec::new();
    let mut words = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, tail) = after.split_once('}').unwrap_or((after, ""));
        words.push_str(before);
        rest = tail;
        match name {
            "class" => words.push_str(values.class),
            "a class" => words.push_str(&indefinite(values.class)),
            "classes" => words.push_str(&plural(values.class)),
            "thing" => words.push_str(values.thing),
            "question" => words.push_str(values.question),
            "prompt" | "other" => {
                if !words.is_empty() {
                    parts.push(QuestionPart::Text(std::mem::take(&mut words)));
                }
                let prompt = if name == "prompt" { values.prompt } else { values.other };
                parts.extend(prompt.map(|prompt| QuestionPart::Prompt { prompt }));
            }
            _ => {}
        }
    }
    words.push_str(rest);
    if !words.is_empty() {
        parts.push(QuestionPart::Text(agreeing(&words, values.class)));
    }
    if let Some(QuestionPart::Text(first)) = parts.first_mut() {
        *first = capitalised(&agreeing(first, values.class));
    }
    parts
}

/// Verbs that agree with the noun: `Are there shoes?`, `Is there any hair?`
fn agreeing(words: &str, class: &str) -> String {
    if class.is_empty() {
        return words.into();
    }
    let (one, many) = (indefinite(class), plural(class));
    let (is, are) = (is_or_are(class), are_or_is(class));
    let mut words = words.to_string();
    if is == "are" {
        for (from, to) in [
            (format!("Is there {one}"), format!("Are there {one}")),
            (format!("is there {one}"), format!("are there {one}")),
            (format!("there is {one}"), format!("there are {one}")),
            (format!("Is {one}"), format!("Are {one}")),
            (format!("Does {one}"), format!("Do {one}")),
        ] {
            words = words.replace(&from, &to);
        }
    }
    if are == "is" {
        for (from, to) in [
            (format!("are the {many}"), format!("is the {many}")),
            (format!("Are there {many}"), format!("Is there {many}")),
            (format!("all {many}"), format!("all the {many}")),
        ] {
            words = words.replace(&from, &to);
        }
    }
    words
}

/// Capitals, final stops and politeness vary between people; the meaning does not.
fn roughened(mut parts: Vec<QuestionPart>, rng: &mut ChaCha8Rng) -> Vec<QuestionPart> {
    let lower = rng.random_bool(0.25);
    let bare = rng.random_bool(0.15);
    let polite = rng.random_bool(0.06);
    let said = parts.iter().any(
        |part| matches!(part, QuestionPart::Text(text) if text.to_lowercase().contains("please")),
    );
    let imperative =
        matches!(parts.first(), Some(QuestionPart::Text(text)) if !text.starts_with("I "));
    if let Some(QuestionPart::Text(last)) = parts.last_mut() {
        if polite && imperative && !said && last.ends_with('.') && !last.contains(',') {
            last.truncate(last.len() - 1);
            last.push_str(", please.");
        }
        if bare && last.ends_with(['.', '?']) {
            last.truncate(last.len() - 1);
        }
    }
    parts.retain(|part| !matches!(part, QuestionPart::Text(text) if text.is_empty()));
    if lower {
        for part in &mut parts {
            if let QuestionPart::Text(text) = part {
                *text = text.to_lowercase();
            }
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use std::collections::HashSet;

    #[test]
    fn every_family_is_large_enough_and_says_nothing_twice() {
        for (text, _) in FILES {
            let first = text.lines().next().unwrap();
            let templates = Templates::of(text);
            assert!(templates.training.len() >= 20, "{first}: {}", templates.training.len());
            assert!(templates.held_out.len() >= 10, "{first}: {}", templates.held_out.len());
            let bare = |line: &&str| line.to_lowercase().replace(['.', '?', ',', ':'], "");
            let all: Vec<String> =
                templates.training.iter().chain(&templates.held_out).map(bare).collect();
            let different: HashSet<&String> = all.iter().collect();
            assert_eq!(different.len(), all.len(), "{first}");
        }
    }

    #[test]
    fn every_template_holds_each_placeholder_once() {
        for (text, wanted) in FILES {
            let templates = Templates::of(text);
            for line in templates.training.iter().chain(&templates.held_out) {
                let mut found: Vec<&str> = line
                    .split('{')
                    .skip(1)
                    .map(|rest| match rest.split_once('}').unwrap().0 {
                        "a class" | "classes" => "class",
                        name => name,
                    })
                    .collect();
                found.sort_unstable();
                let mut wanted = wanted.to_vec();
                wanted.sort_unstable();
                assert_eq!(found, wanted, "{line}");
                assert!(line.is_ascii() && !line.contains("  "), "{line}");
            }
        }
    }

    #[test]
    fn verbs_agree_with_nouns() {
        let said = |template: &str, class: &str| {
            let parts = filled(template, &Values { class, ..Values::default() });
            let [QuestionPart::Text(text)] = &parts[..] else { panic!("{parts:?}") };
            text.clone()
        };
        assert_eq!(said("Is there {a class}?", "shoes"), "Are there shoes?");
        assert_eq!(said("Is there {a class}?", "apple"), "Is there an apple?");
        assert_eq!(said("{a class} here?", "dog"), "A dog here?");
        assert_eq!(said("Where are the {classes}?", "rice"), "Where is the rice?");
        assert_eq!(said("Find all {classes}.", "rice"), "Find all the rice.");
        assert_eq!(said("Find all {classes}.", "person"), "Find all people.");
    }

    #[test]
    fn the_engine_can_tell_the_questions_for_presence() {
        let told = |line: &str, class: &str| {
            let parts = filled(line, &Values { class, ..Values::default() });
            let [QuestionPart::Text(text)] = &parts[..] else { panic!("{parts:?}") };
            refvlm_record::asks_presence(text)
        };
        let presence = &TEMPLATES[Family::Presence as usize];
        for line in &presence.training {
            assert!(told(line, "dog") && told(line, "scissors"), "{line}");
        }
        // The rules were not written for these.
        let seen = presence.held_out.iter().filter(|line| told(line, "dog")).count();
        assert!(seen >= 8, "{seen} of {}", presence.held_out.len());
        for family in [Family::Count, Family::RegionIs, Family::Caption] {
            for line in &TEMPLATES[family as usize].training {
                let values = Values { class: "dog", prompt: Some(0), ..Values::default() };
                let parts = filled(line, &values);
                if let [QuestionPart::Text(text)] = &parts[..] {
                    assert!(!refvlm_record::asks_presence(text), "{text}");
                }
            }
        }
    }

    #[test]
    fn prompts_stay_where_the_template_has_them() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        for family in [Family::RegionName, Family::RegionIs, Family::PromptMask] {
            for _ in 0..200 {
                let values = Values { class: "dog", prompt: Some(4), ..Values::default() };
                let parts = family.ask(WordingSet::Training, &values, &mut rng);
                let prompts =
                    parts.iter().filter(|part| **part == QuestionPart::Prompt { prompt: 4 });
                assert_eq!(prompts.count(), 1);
                let braces = |part: &QuestionPart| matches!(part, QuestionPart::Text(t) if t.contains('{') || t.is_empty());
                assert!(!parts.iter().any(braces), "{parts:?}");
            }
        }
    }
}
