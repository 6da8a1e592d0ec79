//! What kind of answer a question wants, by its words: a small set of rules, the same for the page
//! and the program.

use crate::mention::{Piece, cut};
use crate::{Task, Unit};

/// Words for each unit; a longer word that begins so counts where the entry ends in `*`.
const DEPTH: &[&str] =
    &["depth*", "how far", "distance*", "metres away", "meters away", "far away"];
const POSE: &[&str] =
    &["pose", "poses", "skeleton*", "keypoint*", "key points", "joint", "joints", "posture*"];
const MASK: &[&str] = &[
    "segment*",
    "mask",
    "masks",
    "masked",
    "masking",
    "outline*",
    "outlining",
    "cut out",
    "cut * out",
    "cutout*",
    "cut-out*",
    "silhouette*",
    "contour*",
    "pixel*",
    "exact shape*",
    "trace",
    "shape of",
    "colour in",
    "color in",
    "paint over",
    "isolate",
    "separate",
    "remove the background",
    "extract",
];
const BOX: &[&str] = &[
    "box",
    "boxes",
    "boxed",
    "bounding",
    "detect*",
    "locate*",
    "locating",
    "location*",
    "rectangle*",
    "frame around",
    "position of",
    "localise",
    "localize",
];
/// Words that ask for a place without saying in which form.
const PLACE: &[&str] =
    &["where", "find", "point out", "point to", "look for", "spot", "search for"];
/// Words that ask to see something.
const SHOW: &[&str] = &["show me", "show", "highlight*", "select", "mark", "pick out"];
/// Words that ask for a text about the picture.
const TELL: &[&str] = &[
    "describe",
    "description",
    "caption*",
    "what do you see",
    "what can you see",
    "what you see",
    "tell me",
    "write",
    "summarise",
    "summarize",
    "explain",
    "sentence*",
    "say what",
    "what is shown",
];
/// Words for all there is.
const ALL: &[&str] = &[
    "everything",
    "every thing",
    "each thing",
    "all things",
    "all the things",
    "all objects",
    "all the objects",
    "every object",
    "each object",
    "all you",
    "all that",
    "whatever",
    "the whole image",
    "the whole picture",
    "the whole scene",
    "the whole photo",
    "anything",
    "the objects",
    "the things",
    "objects",
    "things",
    "segment the image",
    "segment the picture",
    "into its",
];
/// Words with which a question for a fact begins; a unit's word behind them is only talked about.
const FACT: &[&str] = &[
    "how many", "how much", "what", "who", "why", "when", "which", "is", "are", "does", "do",
    "did", "has", "have", "was", "were", "count", "name", "am",
];
/// How a question begins that asks whether something is in the picture.
const PRESENCE: &[&str] = &[
    "is there",
    "are there",
    "any",
    "anywhere",
    "do you see",
    "do you spot",
    "can you see",
    "can you spot",
    "could there be",
    "do we have",
    "have you found",
    "look for",
    "is anything",
];
/// Words that ask for it anywhere in a question.
const PRESENT: &[&str] = &[
    "whether there is",
    "whether there are",
    "if there is",
    "if there are",
    "if you see",
    "yes or no",
    "is it there",
    "would you say there",
];
/// How a question ends that asks for it.
const VISIBLE: &[&str] = &["visible", "seen", "here", "there", "appear"];
/// What a picture does with what is in it.
const SHOWS: &[&str] = &["show", "shows", "have", "has", "contain", "contains"];
/// What a picture is called.
const PICTURE: &[&str] = &["picture", "photo", "image", "scene", "photograph"];
/// Words for people as a whole.
const EVERYBODY: &[&str] = &[
    "every",
    "everybody",
    "everyone",
    "all",
    "people",
    "persons",
    "each",
    "skeletons",
    "poses",
    "anyone",
    "anybody",
    "humans",
    "whoever",
];

/// The task of a question; `prompts` says how many prompts are on the picture or go along. Where
/// the words do not decide, a question is answered in words, and bare prompts by their masks.
pub fn task_of(question: &str, prompts: usize) -> Task {
    let (text, mentioned) = plain(question);
    let pointed = mentioned > 0 || (prompts > 0 && text.is_empty());
    let words = Words(format!(" {text} "));
    if text.trim_matches(|c: char| !c.is_alphanumeric()).is_empty() {
        return if prompts > 0 { Task::GroundingSegmentation } else { Task::GcgSegmentation };
    }
    if words.starts(&["how many", "count", "is there", "are there", "how much"])
        && !words.any(&["mask them", "box them", "segment them", "outline them"])
    {
        return Task::Vqa;
    }
    // "Is the dog wearing a mask?" talks about a mask; "Can you segment ...?" asks for one.
    let fact = words.starts(FACT)
        && !words.any(TELL)
        && !words.starts(&["is there a way", "do a", "do the"])
        && !wants(&words);
    let units = units(&words);
    if fact {
        return match units[..] {
            [Unit::Depth] => Task::Depth,
            [Unit::Keypoint] => keypoints(&words, pointed),
            _ => Task::Vqa,
        };
    }
    let tells = words.any(TELL) || words.any(&["name what", "you name", "you mention", "list"]);
    match units[..] {
        [Unit::Depth] => Task::Depth,
        [Unit::Keypoint] => keypoints(&words, pointed),
        [] if words.any(PLACE) && !tells => {
            if words.any(ALL) {
                Task::Detection
            } else {
                Task::GroundingDetection
            }
        }
        [] if words.any(SHOW) && !tells => Task::GroundingSegmentation,
        [] if words.any(PLACE) && !pointed => Task::GcgDetection,
        [] => Task::Vqa,
        [unit @ (Unit::Box | Unit::Mask)] => {
            let [told, all, one] = match unit {
                Unit::Box => [Task::GcgDetection, Task::Detection, Task::GroundingDetection],
                _ => [Task::GcgSegmentation, Task::Segmentation, Task::GroundingSegmentation],
            };
            match () {
                () if tells && !pointed => told,
                () if words.any(ALL) && !pointed => all,
                () => one,
            }
        }
        _ => Task::Mixed,
    }
}

/// Whether a question asks if something is in the picture, and nothing else about it.
pub fn asks_presence(question: &str) -> bool {
    let (text, mentioned) = plain(question);
    let words = Words(format!(" {text} "));
    let of_more = ["how", "what", "who", "why", "when", "which", "where", "count"];
    if mentioned > 0 || words.starts(&of_more) || words.any(&["than", "how many", "number of"]) {
        return false;
    }
    let order: Vec<&str> = text.split(' ').collect();
    let picture = |word: &str| PICTURE.contains(&word);
    // "Does this photo show a dog?", "Please check whether the photo shows a dog."
    let shows = order.windows(4).any(|stretch| match *stretch {
        ["does" | "whether" | "if", "the" | "this", noun, verb] => {
            picture(noun) && SHOWS.contains(&verb)
        }
        _ => false,
    });
    // "Is a dog visible?", "Does a dog appear in the image?"
    let asked = words.starts(&["is", "are", "does", "do", "can", "any"]) || order.len() < 5;
    let seen = match order[..] {
        [.., "in", "the" | "this", noun] => picture(noun),
        [.., last] => VISIBLE.contains(&last),
        [] => false,
    };
    words.starts(PRESENCE) || words.any(PRESENT) || shows || (asked && seen)
}

/// The units that the words name.
fn units(words: &Words) -> Vec<Unit> {
    let named = |unit: &Unit| match unit {
        Unit::Box => words.any(BOX),
        Unit::Mask => words.any(MASK),
        Unit::Keypoint => words.any(POSE),
        Unit::Depth => words.any(DEPTH),
    };
    let mut units: Vec<Unit> = Unit::ALL.into_iter().filter(named).collect();
    // "Detect the keypoints", "find the outline": the verb is not a second kind.
    if units.len() > 1 && !words.any(&["box", "boxes", "boxed", "bounding", "rectangle*"]) {
        units.retain(|unit| *unit != Unit::Box);
    }
    units
}

/// Whether a question that begins like one for a fact wants to be shown something.
fn wants(words: &Words) -> bool {
    words.any(&[
        "draw",
        "give me",
        "show",
        "put a",
        "mask them",
        "box them",
        "segment each",
        "segment",
    ])
}

fn keypoints(words: &Words, pointed: bool) -> Task {
    let one = pointed
        || !words.any(EVERYBODY)
            && words.any(&[
                "the person",
                "the man",
                "the woman",
                "the child",
                "the boy",
                "the girl",
                "the player",
                "this person",
                "that person",
                "his",
                "her",
            ]);
    if one { Task::GroundingKeypoints } else { Task::KeypointDetection }
}

/// The words in lower case, one space between them, and how many prompts they mention.
fn plain(question: &str) -> (String, usize) {
    let mut mentioned = 0;
    let mut text = String::new();
    for piece in cut(question) {
        match piece {
            Piece::Words(words) => text += &words,
            Piece::Prompt(_) => {
                mentioned += 1;
                text.push(' ');
            }
        }
    }
    let text: String = text
        .to_lowercase()
        .replace('\u{2019}', "'")
        .chars()
        .map(|c| if c.is_alphanumeric() || c == '\'' || c == '-' { c } else { ' ' })
        .collect();
    (text.split_whitespace().collect::<Vec<_>>().join(" "), mentioned)
}

/// Words between spaces, a space at either end.
struct Words(String);

impl Words {
    /// Whether one of the phrases stands in it, as whole words.
    fn any(&self, phrases: &[&str]) -> bool {
        phrases.iter().any(|phrase| match phrase.strip_suffix('*') {
            Some(stem) => self.0.contains(&format!(" {stem}")),
            None => match phrase.split_once(" * ") {
                Some((first, last)) => {
                    let behind = self.0.split_once(&format!(" {first} ")).map(|(_, rest)| rest);
                    behind.is_some_and(|rest| rest.contains(&format!(" {last} ")))
                }
                None => self.0.contains(&format!(" {phrase} ")),
            },
        })
    }

    /// Whether it begins with one of the phrases.
    fn starts(&self, phrases: &[&str]) -> bool {
        let contracted = |phrase: &str| self.0.starts_with(&format!(" {phrase}'s "));
        phrases.iter().any(|p| self.0.starts_with(&format!(" {p} ")) || contracted(p))
    }
}
