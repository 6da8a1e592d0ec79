//! The fixed questions of an evaluation: for every thing of at least 1 % of the photo that is no
//! crowd, its mask by each of four prompts, and its name.

use crate::photo::{Photo, Thing};
use crate::prompts::{PromptKind, Shape, judge as prompt_of};
use rand_chacha::ChaCha8Rng;
use refvlm_record::{AnswerPart, Image, QuestionPart, Record, Target, Task, Turn, Unit};

/// Least share of the photo that a thing covers.
const LEAST_AREA: f32 = 0.01;

/// What a record of an evaluation asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Question {
    /// The mask, by this prompt.
    Segment(PromptKind),
    /// The name, by a box.
    Name,
}

impl Question {
    /// Every question, in the order in which they are asked.
    pub const ALL: [Question; 5] = [
        Question::Segment(PromptKind::Box),
        Question::Segment(PromptKind::Point),
        Question::Segment(PromptKind::Scribble),
        Question::Segment(PromptKind::Mask),
        Question::Name,
    ];

    /// The name under which it is reported.
    pub fn name(self) -> &'static str {
        match self {
            Question::Segment(PromptKind::Box) => "segment_box",
            Question::Segment(PromptKind::Point) => "segment_click",
            Question::Segment(PromptKind::Scribble) => "segment_scribble",
            Question::Segment(PromptKind::Mask) => "segment_rough_mask",
            Question::Name => "name",
        }
    }
}

/// One record of one turn for each thing and question, those of a thing one after the other.
/// Things without a mask are only named, things without a name only segmented.
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
        for question in Question::ALL {
            let record = record(photo, (index, thing), question, &shape, rng);
            records.extend(record.map(|record| (question, record)));
        }
    }
    records
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
    };
    let prompt = prompt_of(kind, shape, rng)?;
    let id = format!("{}-{}", photo.source.name, photo.stem());
    let named = question == Question::Name;
    Some(Record {
        source: format!("{}:{}", photo.source.name, question.name()),
        licence: photo.licence.clone(),
        image: Image {
            path: format!("pictures/{id}.png"),
            width: photo.width,
            height: photo.height,
        },
        id: format!("{id}-{index}-{}", question.name()),
        targets: if named { Vec::new() } else { vec![target(thing)] },
        prompts: vec![prompt],
        turns: vec![turn],
    })
}

fn target(thing: &Thing) -> Target {
    Target { bbox: Some(thing.bbox), mask: thing.mask.clone(), ..Target::default() }
}
