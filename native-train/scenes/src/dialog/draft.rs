//! A record in the making: the scene's facts, the prompts drawn so far, and small makers of turns.

use super::facts::Facts;
use super::prompts::{self, PromptKind};
use super::wording::Slot;
use crate::Scene;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;
use refvlm_record::{
    AnswerPart, DepthMap, Image, Prompt, QuestionPart, Record, Target, Task, Turn, Unit,
};

pub(super) struct Draft<'a> {
    pub facts: Facts<'a>,
    prompts: Vec<Prompt>,
    depth_asked: bool,
}

impl<'a> Draft<'a> {
    pub fn new(scene: &'a Scene) -> Self {
        Self { facts: Facts::new(scene), prompts: Vec::new(), depth_asked: false }
    }

    /// Draws a prompt of one of `kinds` on an object. Nothing is recorded when the object has no
    /// visible pixel.
    pub fn point_at(
        &mut self,
        object: usize,
        kinds: &[PromptKind],
        rng: &mut ChaCha8Rng,
    ) -> Option<Slot> {
        let kind = *kinds.choose(rng)?;
        let prompt = prompts::draw(kind, self.facts.objects().get(object)?, rng)?;
        self.prompts.push(prompt);
        Some(Slot::Prompt(self.prompts.len() - 1))
    }

    /// The index of the target that holds the depth map; none when the scene has no full map.
    pub fn depth_target(&mut self) -> Option<usize> {
        let scene = self.facts.scene;
        let pixels = scene.width as usize * scene.height as usize;
        if scene.depth_m.len() != pixels {
            return None;
        }
        self.depth_asked = true;
        Some(scene.objects.len())
    }

    /// The record, with the depth map among the targets when a turn asked for it.
    pub fn into_record(self, turns: Vec<Turn>) -> Record {
        let scene = self.facts.scene;
        let id = format!("scene-{}", scene.seed);
        let mut targets: Vec<Target> = scene
            .objects
            .iter()
            .map(|object| Target {
                bbox: Some(object.bbox),
                mask: Some(object.mask.to_rle()),
                keypoints: object.keypoints.map(|joints| joints.to_vec()),
                depth: None,
            })
            .collect();
        if self.depth_asked {
            targets.push(Target {
                depth: Some(DepthMap {
                    path: format!("{id}.depth.png"),
                    metres_per_unit: 0.001,
                    metres: scene.depth_m.clone(),
                }),
                ..Target::default()
            });
        }
        Record {
            source: "refvlm-scenes".into(),
            licence: "MIT".into(),
            image: Image { path: format!("{id}.png"), width: scene.width, height: scene.height },
            id,
            targets,
            prompts: self.prompts,
            turns,
        }
    }
}

/// A turn whose answer is words.
pub(super) fn spoken(question: Vec<QuestionPart>, answer: String) -> Turn {
    Turn { task: Task::Vqa, question, answer: vec![AnswerPart::Text(answer)] }
}

/// A concept with its targets.
pub(super) fn triplet(concept: &str, unit: Unit, targets: Vec<usize>) -> AnswerPart {
    AnswerPart::Triplet { concept: concept.into(), unit, targets }
}

/// Triplets separated by commas and closed by a full stop.
pub(super) fn listed(triplets: Vec<AnswerPart>) -> Vec<AnswerPart> {
    let last = triplets.len();
    let separated = triplets.into_iter().enumerate().flat_map(|(k, part)| {
        let after = if k + 1 == last { "." } else { ", " };
        [part, AnswerPart::Text(after.into())]
    });
    separated.collect()
}
