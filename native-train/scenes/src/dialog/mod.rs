//! Dialogues about scenes: questions in the many ways people put them, answers in the one way
//! the model is to learn.
//!
//! Whole sentences in answers start with a capital and end with a full stop; bare phrases
//! (`a red car`, `yes`, `on the left`) have neither. Triplets are separated by `, ` and closed
//! by a full stop, and their concept is the class name; in captions it is the phrase as it stands
//! in the sentence.
//!
//! What a question speaks of is a structured value first and text after, so that tests can ask a
//! second implementation whether it has exactly one answer.

mod caption;
mod draft;
mod expression;
mod expression_text;
mod facts;
mod kind;
mod locate;
mod mixed;
mod names;
mod prompts;
mod region;
#[cfg(test)]
mod tests;
mod vqa;
mod wording;
mod wordings;
mod words;

pub use kind::Kind;

use crate::Scene;
use draft::Draft;
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use refvlm_record::{Record, Turn, weighted};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How many turns are asked, and of which kinds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DialogOptions {
    /// Turns per scene, at least one; each is a question of its own that refers to no other.
    pub turns: usize,
    /// How often each kind is drawn, relative to the others. Kinds that are not listed, or whose
    /// weight is not a positive number, are never drawn.
    pub weights: BTreeMap<Kind, f32>,
}

impl Default for DialogOptions {
    fn default() -> Self {
        let weights = Kind::ALL.into_iter().map(|kind| (kind, kind.weight())).collect();
        Self { turns: 4, weights }
    }
}

/// A record together with the kind of each of its turns.
#[derive(Debug, Clone, PartialEq)]
pub struct Dialogue {
    /// Picture, targets, prompts and turns. The depth map is among the targets only when a turn
    /// asks for it.
    pub record: Record,
    /// The kind of each turn, in the order of the turns.
    pub kinds: Vec<Kind>,
}

/// Draws `options.turns` independent turns about `scene`. Kinds that the scene has nothing to
/// offer for are passed over; when no kind of positive weight fits, a caption is asked.
pub fn dialogues(scene: &Scene, rng: &mut ChaCha8Rng, options: &DialogOptions) -> Dialogue {
    let mut draft = Draft::new(scene);
    let (mut turns, mut kinds) = (Vec::new(), Vec::new());
    for _ in 0..options.turns.max(1) {
        let (kind, turn) = draw_turn(&mut draft, rng, options);
        turns.push(turn);
        kinds.push(kind);
    }
    Dialogue { record: draft.into_record(turns), kinds }
}

/// One turn of exactly this kind; none when the scene has nothing to offer for it.
pub fn dialogue_of(kind: Kind, scene: &Scene, rng: &mut ChaCha8Rng) -> Option<Dialogue> {
    Some(dialogue_of_each(&[kind], scene, rng)).filter(|dialogue| !dialogue.kinds.is_empty())
}

/// One turn of each of these kinds, in their order; without those that the scene has nothing to
/// offer for.
pub fn dialogue_of_each(kinds: &[Kind], scene: &Scene, rng: &mut ChaCha8Rng) -> Dialogue {
    let mut draft = Draft::new(scene);
    let asked = kinds.iter().filter_map(|&kind| Some((ask(kind, &mut draft, rng)?, kind)));
    let (turns, kinds) = asked.collect();
    Dialogue { record: draft.into_record(turns), kinds }
}

/// A record that points once at each object, in any of the four ways, and asks for everything that
/// can be decoded of it: what decoders are taught with before there is a language model.
pub fn pointing(scene: &Scene, rng: &mut ChaCha8Rng) -> Record {
    let mut draft = Draft::new(scene);
    let turns =
        (0..scene.objects.len()).filter_map(|index| locate::all_units(&mut draft, index, rng));
    let turns = turns.collect();
    draft.into_record(turns)
}

fn draw_turn(draft: &mut Draft, rng: &mut ChaCha8Rng, options: &DialogOptions) -> (Kind, Turn) {
    let mut left = weighted::choices(&options.weights);
    while !left.is_empty() {
        let Some(kind) = weighted::take(&mut left, rng.random()) else { break };
        if let Some(turn) = ask(kind, draft, rng) {
            return (kind, turn);
        }
    }
    (Kind::Caption, caption::plain(draft, rng))
}

fn ask(kind: Kind, draft: &mut Draft, rng: &mut ChaCha8Rng) -> Option<Turn> {
    use refvlm_record::Unit;
    match kind {
        Kind::Caption => Some(caption::plain(draft, rng)),
        Kind::CaptionBoxes => caption::grounded(draft, rng, Unit::Box),
        Kind::CaptionMasks => caption::grounded(draft, rng, Unit::Mask),
        Kind::What => vqa::what(draft, rng),
        Kind::HowMany => vqa::how_many(draft, rng),
        Kind::Where => vqa::where_is(draft, rng),
        Kind::Relation => vqa::relation(draft, rng),
        Kind::Nearer => vqa::nearer(draft, rng),
        Kind::Colour => vqa::colour(draft, rng),
        Kind::Presence => vqa::presence(draft, rng),
        Kind::RegionLabel => region::label(draft, rng),
        Kind::RegionCaption => region::caption(draft, rng),
        Kind::RegionQuestion => region::question(draft, rng),
        Kind::DetectAll => locate::everything(draft, rng, Unit::Box),
        Kind::SegmentAll => locate::everything(draft, rng, Unit::Mask),
        Kind::DetectClass => locate::class(draft, rng, Unit::Box),
        Kind::SegmentClass => locate::class(draft, rng, Unit::Mask),
        Kind::ReferBox => locate::referred(draft, rng, Unit::Box),
        Kind::ReferMask => locate::referred(draft, rng, Unit::Mask),
        Kind::PromptBox => locate::prompted(draft, rng, Unit::Box),
        Kind::PromptMask => locate::prompted(draft, rng, Unit::Mask),
        Kind::Keypoints => locate::people(draft, rng),
        Kind::PromptKeypoints => locate::person(draft, rng),
        Kind::Depth => locate::depth(draft, rng),
        Kind::Mixed => mixed::mixed(draft, rng),
    }
}
