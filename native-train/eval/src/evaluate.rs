//! Asking a model what is known, and scoring what it says.

use crate::metrics::{Answer, Scores};
use rayon::prelude::*;
use refvlm_files::picture::Picture;
use refvlm_model::engine::{Ask, EngineError, Session};
use refvlm_model::event::{Event, Timings};
use refvlm_model::image::Picture as View;
use refvlm_record::mention::marker;
use refvlm_record::{AnswerPart, Prompt, QuestionPart, Record, Task, Turn};
use refvlm_scenes::dialog::{Kind, dialogue_of};
use refvlm_scenes::{SceneOptions, Stream, World, scene_rng};
use serde::Serialize;
use std::collections::BTreeMap;

/// A question whose answer is known.
#[derive(Debug, Clone)]
pub struct Sample {
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
    /// Timings of all answers.
    pub timings: Vec<Timings>,
    /// The score of each sample, for intervals and for comparing two models.
    pub samples: Vec<SampleScore>,
}

/// The score of one sample.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SampleScore {
    /// The record's id and the kind of dialogue.
    pub id: String,
    /// 0..1 under the name of the kind.
    pub scores: BTreeMap<String, f32>,
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

/// Asks one turn of a record.
///
/// # Errors
/// When the question cannot be asked; what goes wrong later is an event.
pub fn ask(session: &mut Session, record: &Record, turn: &Turn) -> Result<Vec<Event>, EngineError> {
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
    let answer = session.ask(&Ask::new(turn.task, text, prompts))?;
    Ok(pollster::block_on(answer.collect()))
}

/// Scores a model on held-out or other scenes, on all cores. Each core asks a session of its own,
/// which `session` opens.
///
/// # Errors
/// When a session cannot be opened or a picture cannot be set.
pub fn on_scenes(
    session: impl Fn() -> Result<Session, EngineError> + Sync,
    world: &World,
    seeds: std::ops::Range<u64>,
    options: &SceneOptions,
    kinds: &[Kind],
    tick: impl Fn() + Sync,
) -> Result<Outcome, EngineError> {
    let seeds: Vec<u64> = seeds.collect();
    on_groups(session, &seeds, |&seed| Ok(scene_samples(world, seed, options, kinds)), tick)
}

/// Scores a model on pictures with samples, on all cores. `load` gives the picture of a group of
/// samples; each core asks a session of its own, which `session` opens.
///
/// # Errors
/// When a session cannot be opened, or a picture cannot be read or set.
pub fn on_groups<G: Sync, E: From<EngineError> + Send>(
    session: impl Fn() -> Result<Session, EngineError> + Sync,
    groups: &[G],
    load: impl Fn(&G) -> Result<(Picture, Vec<Sample>), E> + Sync,
    tick: impl Fn() + Sync,
) -> Result<Outcome, E> {
    let threads = rayon::current_num_threads().max(1);
    let parts = groups.par_chunks(groups.len().div_ceil(threads).max(1)).map(|groups| {
        let mut session = session()?;
        let mut outcome = Outcome::default();
        for group in groups {
            let (picture, samples) = load(group)?;
            outcome.look(&mut session, &picture, &samples)?;
            tick();
        }
        Ok(outcome)
    });
    let mut whole = Outcome::default();
    for part in parts.collect::<Vec<Result<Outcome, E>>>() {
        whole.merge(part?);
    }
    Ok(whole)
}

impl Outcome {
    /// Asks the samples of one picture.
    ///
    /// # Errors
    /// When the picture cannot be set.
    pub fn look(
        &mut self,
        session: &mut Session,
        picture: &Picture,
        samples: &[Sample],
    ) -> Result<(), EngineError> {
        let view = View::new(picture.width, picture.height, &picture.rgb)?;
        pollster::block_on(session.set_image(view))?;
        for sample in samples {
            let record = &sample.record;
            let Some(turn) = record.turns.first() else { continue };
            let events = match ask(session, record, turn) {
                Ok(events) => events,
                Err(error) => vec![Event::Failed { error: error.to_string() }],
            };
            if let Some(Event::Done { timings, .. }) = events.last() {
                self.timings.push(*timings);
            }
            let size = [picture.width, picture.height];
            let answer = Answer::from_events(&events);
            let score = self.scores.add(&sample.kind, &turn.answer, &record.targets, size, &answer);
            self.samples.push(SampleScore {
                id: format!("{} · {}", record.id, sample.kind),
                scores: BTreeMap::from([(sample.kind.clone(), score)]),
            });
            let truth = Answer::from_truth(&turn.answer, &record.targets, size);
            let asked: Vec<Prompt> = turn
                .question
                .iter()
                .filter_map(|part| match part {
                    QuestionPart::Prompt { prompt } => record.prompts.get(*prompt).cloned(),
                    QuestionPart::Text(_) => None,
                })
                .collect();
            self.keep(score, || Answered {
                title: format!("{} · {}", record.id, sample.kind),
                picture: picture.clone(),
                prompts: asked,
                question: Record::question_text(turn),
                truth,
                answer,
                score,
            });
        }
        Ok(())
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

    fn merge(&mut self, other: Outcome) {
        self.scores.merge(&other.scores);
        self.kept.extend(other.kept);
        self.timings.extend(other.timings);
        self.samples.extend(other.samples);
    }
}
