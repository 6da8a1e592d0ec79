//! The fixed questions of an evaluation: for every thing of at least 1 % of the photo that is no
//! crowd, its mask by each of four prompts, its name, and its joints; for every photo, where each
//! noun's things are, and, for as many nouns that are there as nouns that are not, whether there is
//! one and a mask of what is not there.

use crate::dialogues::absent;
use crate::english::{self, indefinite, plural};
use crate::photo::{Photo, Thing};
use crate::prompts::{PromptKind, Shape, judge as prompt_of};
use rand_chacha::ChaCha8Rng;
use refvlm_record::{AnswerPart, Image, Prompt, QuestionPart, Record, Target, Task, Turn, Unit};
use std::collections::BTreeSet;

/// Least share of the photo that a thing covers.
const LEAST_AREA: f32 = 0.01;

/// Draws of an absent noun until one is new.
const TRIES: usize = 8;

/// What a record of an evaluation asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Question {
    /// The mask, by this prompt.
    Segment(PromptKind),
    /// The name, by a box.
    Name,
    /// A person's joints, by a box.
    Joints,
    /// The boxes of all things of a noun.
    Detect,
    /// Whether there is one.
    Presence,
    /// The mask of what is not there.
    Absent,
}

impl Question {
    /// Questions about a thing, in the order in which they are asked.
    pub const OF_THING: [Question; 6] = [
        Question::Segment(PromptKind::Box),
        Question::Segment(PromptKind::Point),
        Question::Segment(PromptKind::Scribble),
        Question::Segment(PromptKind::Mask),
        Question::Name,
        Question::Joints,
    ];

    /// The name under which it is reported.
    pub fn name(self) -> &'static str {
        match self {
            Question::Segment(PromptKind::Box) => "segment_box",
            Question::Segment(PromptKind::Point) => "segment_click",
            Question::Segment(PromptKind::Scribble) => "segment_scribble",
            Question::Segment(PromptKind::Mask) => "segment_rough_mask",
            Question::Name => "name",
            Question::Joints => "joints",
            Question::Detect => "detect",
            Question::Presence => "presence",
            Question::Absent => "absent",
        }
    }
}

/// One record of one turn for each thing and question, those of a thing one after the other, then
/// those about the photo. Things without a mask are only named, things without a name only
/// segmented; presence and absence are asked of what the labels are complete for.
pub fn records(photo: &Photo, rng: &mut ChaCha8Rng) -> Vec<(Question, Record)> {
    let mut records = Vec::new();
    for (index, thing) in photo.things.iter().enumerate() {
        let mask = thing.decoded();
        let area = mask.as_ref().map_or(thing.box_area(), |mask| mask.area() as f32);
        if thing.crowd || area < LEAST_AREA * photo.area() {
            continue;
        }
        let shape = Shape {
            size: [photo.width, photo.height],
            bbox: thing.bbox,
            mask: mask.as_ref(),
            own: mask.as_ref(),
            joints: None,
        };
        for question in Question::OF_THING {
            let record = record(photo, (index, thing), question, &shape, rng);
            records.extend(record.map(|record| (question, record)));
        }
    }
    records.extend(of_photo(photo, rng));
    records
}

/// Where the things of each noun are, and as many questions about what is there as about what is
/// not.
fn of_photo(photo: &Photo, rng: &mut ChaCha8Rng) -> Vec<(Question, Record)> {
    let mut groups = photo.by_noun();
    groups.retain(|noun, things| {
        photo.complete_for.contains(*noun) && things.iter().all(|thing| !thing.crowd)
    });
    let mut records = Vec::new();
    let mut asked: BTreeSet<&str> = BTreeSet::new();
    for (noun, things) in &groups {
        let is = |question: Question, turn: Turn, targets: Vec<Target>| {
            let parts = (format!("-{noun}"), question);
            (question, written(photo, parts, turn, (targets, Vec::new())))
        };
        let targets: Vec<Target> = things.iter().map(|thing| target(thing)).collect();
        let unit = Unit::Box;
        let all = (0..targets.len()).collect();
        let triplet = AnswerPart::Triplet { concept: (*noun).into(), unit, targets: all };
        let answer = vec![triplet, AnswerPart::Text(".".into())];
        let question = vec![QuestionPart::Text(format!("Detect all {}.", plural(noun)))];
        let turn = Turn { task: Task::GroundingDetection, question, answer };
        records.push(is(Question::Detect, turn, targets));
        records.push(is(Question::Presence, presence(noun, "yes"), Vec::new()));
        // A noun that is not there, another one for each that is.
        let absent = (0..TRIES).find_map(|_| absent(photo, rng).filter(|n| asked.insert(n)));
        let Some(absent) = absent else { continue };
        let answer = vec![AnswerPart::Text(english::absent(absent))];
        let question = vec![QuestionPart::Text(format!("Segment the {absent}."))];
        let masks = Turn { task: Task::GroundingSegmentation, question, answer };
        for (question, turn) in
            [(Question::Presence, presence(absent, "no")), (Question::Absent, masks)]
        {
            let parts = (format!("-{absent}"), question);
            records.push((question, written(photo, parts, turn, Default::default())));
        }
    }
    records
}

fn presence(noun: &str, answer: &str) -> Turn {
    let question = format!("Is there {} in the picture?", indefinite(noun));
    let (question, answer) =
        (vec![QuestionPart::Text(question)], vec![AnswerPart::Text(answer.into())]);
    Turn { task: Task::Vqa, question, answer }
}

fn written(
    photo: &Photo,
    (which, question): (String, Question),
    turn: Turn,
    (targets, prompts): (Vec<Target>, Vec<Prompt>),
) -> Record {
    let id = format!("{}-{}", photo.source.name, photo.stem());
    Record {
        source: format!("{}:{}", photo.source.name, question.name()),
        licence: photo.licence.clone(),
        image: Image {
            path: format!("pictures/{id}.png"),
            width: photo.width,
            height: photo.height,
        },
        id: format!("{id}{which}-{}", question.name()),
        targets,
        prompts,
        turns: vec![turn],
    }
}

fn record(
    photo: &Photo,
    (index, thing): (usize, &Thing),
    question: Question,
    shape: &Shape,
    rng: &mut ChaCha8Rng,
) -> Option<Record> {
    let asked = |before: &str, after: &str| {
        let text = |text: &str| QuestionPart::Text(text.into());
        vec![text(before), QuestionPart::Prompt { prompt: 0 }, text(after)]
    };
    let (kind, turn) = match question {
        Question::Segment(kind) => {
            shape.mask?;
            let unit = Unit::Mask;
            let concept = thing.noun().into();
            let triplet = AnswerPart::Triplet { concept, unit, targets: vec![0] };
            let answer = vec![triplet, AnswerPart::Text(".".into())];
            let task = Task::GroundingSegmentation;
            (kind, Turn { task, question: asked("Segment ", "."), answer })
        }
        Question::Name => {
            let answer = vec![AnswerPart::Text(thing.name.clone()?)];
            (PromptKind::Box, Turn { task: Task::Vqa, question: asked("What is ", "?"), answer })
        }
        Question::Joints => {
            thing.joints?;
            let (concept, unit) = (thing.noun().into(), Unit::Keypoint);
            let triplet = AnswerPart::Triplet { concept, unit, targets: vec![0] };
            let answer = vec![triplet, AnswerPart::Text(".".into())];
            let question = asked("Find the joints of ", ".");
            (PromptKind::Box, Turn { task: Task::GroundingKeypoints, question, answer })
        }
        Question::Detect | Question::Presence | Question::Absent => return None,
    };
    let prompt = prompt_of(kind, shape, rng)?;
    let targets = if question == Question::Name { Vec::new() } else { vec![target(thing)] };
    Some(written(photo, (format!("-{index}"), question), turn, (targets, vec![prompt])))
}

fn target(thing: &Thing) -> Target {
    let keypoints = thing.joints.map(|joints| joints.to_vec());
    Target { bbox: Some(thing.bbox), mask: thing.mask.clone(), keypoints, ..Target::default() }
}
