//! Asking a model what is known, and scoring what it says.

use crate::answers::{AnswerFile, AnswersError, Said};
use crate::coco::Questions;
use crate::hands::{Clicking, Hand};
use crate::metrics::{Answer, Scores};
use refvlm_files::picture::Picture;
use refvlm_metrics::clicks::Clicks;
use refvlm_model::engine::{Ask, EngineError, Session};
use refvlm_model::event::{Event, Timings};
use refvlm_model::image::Picture as View;
use refvlm_record::mention::marker;
use refvlm_record::{AnswerPart, Prompt, QuestionPart, Record, Task, Turn};
use refvlm_scenes::dialog::{Kind, dialogue_of};
use refvlm_scenes::{SceneOptions, Stream, World, scene_rng};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// A question whose answer is known.
#[derive(Debug, Clone)]
pub struct Sample {
    /// The record's id, with the number of the turn behind it from the second on.
    pub id: String,
    /// Kind of dialogue, with the kind of its first prompt behind a point where it has one.
    pub kind: String,
    /// One turn about one picture.
    pub record: Record,
}

/// A sample with what was said to it.
#[derive(Debug, Clone)]
pub struct Answered {
    /// The record's id and the kind of dialogue.
    pub title: String,
    /// The kind of dialogue.
    pub kind: String,
    /// The picture that was asked about.
    pub picture: Picture,
    /// The prompts that the question speaks of, in its order.
    pub prompts: Vec<Prompt>,
    /// The question as a person reads it.
    pub question: String,
    /// What should have been said.
    pub truth: Answer,
    /// What was said.
    pub answer: Answer,
    /// The sample's score in 0..1.
    pub score: f32,
}

/// Everything an evaluation found.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Sums over all samples.
    pub scores: Scores,
    /// The samples that were kept: the worst, or all where they are few.
    pub kept: Vec<Answered>,
    /// Questions that were asked.
    pub answers: usize,
    /// What could not be asked, and why: a damaged record or picture, a question that the model
    /// cannot be asked.
    pub faults: Vec<String>,
    /// Timings of all answers that came to their end.
    pub timings: Vec<Timings>,
    /// The score of each sample, for intervals and for comparing two models.
    pub samples: Vec<SampleScore>,
    /// What was there and what was found, where it is kept.
    pub objects: Questions,
    /// What clicks reached, where things are clicked.
    pub clicks: BTreeMap<Hand, Clicks>,
}

/// The score of one sample.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SampleScore {
    /// The record's id and the kind of dialogue.
    pub id: String,
    /// 0..1 under the name of the kind; of clicks, each number under the names of hand and number.
    pub scores: BTreeMap<String, f32>,
}

/// Which answers are kept with their pictures.
#[derive(Debug, Clone, Copy, Default)]
pub enum Keep<'a> {
    /// None.
    #[default]
    Nothing,
    /// The worst, or the first few.
    Worst,
    /// Those to samples with these titles; see [`Sample::title`].
    These(&'a BTreeSet<String>),
}

/// How questions are asked.
#[derive(Debug, Clone, Copy, Default)]
pub struct Manner<'a> {
    /// Where answers are written, and read that stand there already.
    pub answers: Option<&'a AnswerFile>,
    /// What is found with less confidence counts as not found.
    pub least_confidence: f32,
    /// Which answers are kept with their pictures, for a page.
    pub keep: Keep<'a>,
    /// Whether all objects are kept, for curves and COCO files.
    pub keep_objects: bool,
    /// Things are clicked in place of asking the samples' questions.
    pub clicks: Option<&'a Clicking>,
}

/// The kinds that the results table is made of.
pub const TABLE_KINDS: [Kind; 11] = [
    Kind::PromptMask,
    Kind::ReferBox,
    Kind::ReferMask,
    Kind::DetectAll,
    Kind::SegmentAll,
    Kind::RegionLabel,
    Kind::HowMany,
    Kind::Keypoints,
    Kind::Depth,
    Kind::CaptionBoxes,
    Kind::Mixed,
];

/// The samples of one scene: one per kind that it supports.
pub fn scene_samples(
    world: &World,
    seed: u64,
    options: &SceneOptions,
    kinds: &[Kind],
) -> (Picture, Vec<Sample>) {
    let scene = world.scene(seed, options);
    let mut samples = Vec::new();
    for &kind in kinds {
        let mut rng = scene_rng(seed, options.split, Stream::Evaluation(kind));
        let Some(dialogue) = dialogue_of(kind, &scene, &mut rng) else { continue };
        samples.push(Sample {
            id: dialogue.record.id.clone(),
            kind: full_kind(kind.name(), &dialogue.record),
            record: dialogue.record,
        });
    }
    (Picture { width: scene.width, height: scene.height, rgb: scene.rgb }, samples)
}

/// The name of a kind with the kind of the first prompt in the question behind it.
pub fn full_kind(name: &str, record: &Record) -> String {
    let question = record.turns.first().map(|turn| turn.question.as_slice()).unwrap_or_default();
    let prompt = question.iter().find_map(|part| match part {
        QuestionPart::Prompt { prompt } => record.prompts.get(*prompt),
        QuestionPart::Text(_) => None,
    });
    match prompt {
        Some(prompt) => format!("{name}.{}", prompt.kind()),
        None => name.to_string(),
    }
}

/// The kind of a record's first turn by its task, and by whether it points at something: the names
/// that the results table knows, whoever made the record.
pub fn kind_of(record: &Record) -> String {
    let Some(turn) = record.turns.first() else { return full_kind("empty", record) };
    if !turn.task.units().is_empty() && !turn.answer.iter().any(is_triplet) {
        return "absent".into();
    }
    let points = turn.question.iter().any(|part| matches!(part, QuestionPart::Prompt { .. }));
    let name = match (turn.task, points) {
        (Task::Vqa, true) => "region_label",
        (Task::Vqa, false) => "vqa",
        (Task::Detection, _) => "detect_class",
        (Task::Segmentation, _) => "segment_class",
        (Task::GroundingDetection, true) => "prompt_box",
        (Task::GroundingDetection, false) => "refer_box",
        (Task::GroundingSegmentation, true) => "prompt_mask",
        (Task::GroundingSegmentation, false) => "refer_mask",
        (Task::GcgDetection, _) => "caption_boxes",
        (Task::GcgSegmentation, _) => "caption_masks",
        (Task::KeypointDetection, _) => "keypoints",
        (Task::GroundingKeypoints, _) => "prompt_keypoints",
        (Task::Depth, _) => "depth",
        (Task::Mixed, _) => "mixed",
    };
    full_kind(name, record)
}

fn is_triplet(part: &AnswerPart) -> bool {
    matches!(part, AnswerPart::Triplet { .. })
}

/// The text of a turn's question, with its prompts in the order of their mentions.
pub fn asked(record: &Record, turn: &Turn) -> (String, Vec<Prompt>) {
    let mut prompts: Vec<Prompt> = Vec::new();
    let mut text = String::new();
    for part in &turn.question {
        match part {
            QuestionPart::Text(words) => text += words,
            QuestionPart::Prompt { prompt } => {
                prompts.extend(record.prompts.get(*prompt).cloned());
                text += &marker(prompts.len());
            }
        }
    }
    (text, prompts)
}

/// The samples of a record: one for each turn whose task is `wanted`.
pub fn turns_of(mut record: Record, wanted: impl Fn(Task) -> bool) -> Vec<Sample> {
    let turns = std::mem::take(&mut record.turns).into_iter().enumerate();
    let sample = |(index, turn)| {
        let id = match index {
            0 => record.id.clone(),
            _ => format!("{}#{}", record.id, index + 1),
        };
        let record = Record { turns: vec![turn], ..record.clone() };
        let kind = match record.source.strip_prefix("refvlm-scenes:") {
            Some(kind) => kind.to_string(),
            None => kind_of(&record),
        };
        Sample { id, kind, record }
    };
    turns.filter(|(_, turn)| wanted(turn.task)).map(sample).collect()
}

impl Sample {
    /// What tells it from all others.
    pub fn title(&self) -> String {
        format!("{} · {}", self.id, self.kind)
    }

    /// Asks; the picture is looked at where it is not `set`.
    fn asked(
        &self,
        session: &mut Session,
        picture: &Picture,
        turn: &Turn,
        set: &mut bool,
    ) -> Result<Said, EngineError> {
        if !*set {
            let view = View::new(picture.width, picture.height, &picture.rgb)?;
            pollster::block_on(session.set_image(view))?;
            *set = true;
        }
        let (text, prompts) = asked(&self.record, turn);
        let answer = session.ask(&Ask::new(turn.task, text, prompts))?;
        let events = pollster::block_on(answer.collect());
        let given = Answer::from_events(&events);
        let timings = match events.last() {
            Some(Event::Done { timings, .. }) => Some(*timings),
            _ => None,
        };
        let (id, kind, model) = (self.title(), self.kind.clone(), String::new());
        Ok(Said { id, model, kind, answer: given.words(), given, timings })
    }
}

impl Outcome {
    /// Asks the samples of one picture. What cannot be looked at or asked is a fault.
    ///
    /// # Errors
    /// When the file of answers cannot be written.
    pub(crate) fn look(
        &mut self,
        session: &mut Session,
        picture: &Picture,
        samples: &[Sample],
        manner: Manner,
    ) -> Result<(), AnswersError> {
        if let Some(clicking) = manner.clicks {
            self.click(session, picture, samples, clicking);
            return Ok(());
        }
        let mut set = false;
        for sample in samples {
            let Some(turn) = sample.record.turns.first() else { continue };
            let known = manner.answers.and_then(|file| file.get(&sample.title()));
            let said = match known {
                Some(said) => said.clone(),
                None => match sample.asked(session, picture, turn, &mut set) {
                    Ok(mut said) => {
                        manner.answers.map_or(Ok(()), |file| file.put(&mut said))?;
                        said
                    }
                    Err(error) => {
                        self.faults.push(format!("{}: {error}", sample.id));
                        continue;
                    }
                },
            };
            self.take(sample, turn, picture, said, manner);
        }
        Ok(())
    }

    /// Scores an answer.
    fn take(
        &mut self,
        sample: &Sample,
        turn: &Turn,
        picture: &Picture,
        said: Said,
        manner: Manner,
    ) {
        let (record, size) = (&sample.record, [picture.width, picture.height]);
        self.answers += 1;
        self.timings.extend(said.timings);
        let mut answer = said.given;
        for triplet in &mut answer.triplets {
            triplet.shapes.retain(|(confidence, _)| *confidence >= manner.least_confidence);
        }
        let score = self.scores.add(&sample.kind, &turn.answer, &record.targets, size, &answer);
        let title = sample.title();
        self.samples.push(SampleScore {
            id: title.clone(),
            scores: BTreeMap::from([(sample.kind.clone(), score)]),
        });
        if manner.keep_objects {
            self.objects.add(&title, record, turn, &answer);
        }
        let keeps = match manner.keep {
            Keep::Nothing => false,
            Keep::Worst => true,
            Keep::These(titles) => titles.contains(&title),
        };
        if keeps {
            self.keep(score, || Answered {
                kind: sample.kind.clone(),
                title,
                picture: picture.clone(),
                prompts: asked(record, turn).1,
                question: Record::question_text(turn),
                truth: Answer::from_truth(&turn.answer, &record.targets, size),
                answer,
                score,
            });
        }
    }

    /// Keeps an answer when it is among the worst or the first few, so that the memory they take
    /// is bounded.
    fn keep(&mut self, score: f32, answered: impl FnOnce() -> Answered) {
        const KEPT: usize = 60;
        if self.kept.len() < KEPT {
            self.kept.push(answered());
            return;
        }
        let best = self.kept.iter_mut().max_by(|a, b| a.score.total_cmp(&b.score));
        if let Some(best) = best.filter(|best| best.score > score) {
            *best = answered();
        }
    }

    pub(crate) fn merge(&mut self, other: Outcome) {
        self.answers += other.answers;
        self.faults.extend(other.faults);
        self.scores.merge(&other.scores);
        other.kept.into_iter().for_each(|one| self.keep(one.score, || one));
        self.timings.extend(other.timings);
        self.samples.extend(other.samples);
        self.objects.merge(other.objects);
        self.add_clicks(other.clicks);
    }
}
