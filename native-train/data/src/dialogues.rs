//! Dialogues about photos: questions in the many ways people put them, answers in the one way the
//! model is to learn.
//!
//! Whole sentences in answers start with a capital and end with a full stop; bare phrases
//! (`a dog`, `yes`) have neither. Triplets are separated by `, ` and closed by a full stop, and
//! their concept is the noun; in captions it is the phrase as it stands in the sentence.
//!
//! Labels of photos are incomplete in many ways. What counts, calls something absent or asks for
//! all of something is drawn only where [`Photo::complete`] or [`Photo::complete_for`] vouch for
//! it; what is absent must not be related to anything that is there.

mod draft;
mod expression;
mod kind;
mod locate;
mod region;
mod words;

pub use draft::MOST_TARGETS;
pub use kind::Kind;

use crate::photo::Photo;
use crate::wording::WordingSet;
use draft::Draft;
use rand::Rng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use refvlm_record::{Record, Turn, Unit, weighted};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How many turns are asked, of which kinds, in which words.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DialogueOptions {
    /// Turns per photo, at least one; each is a question of its own that refers to no other.
    pub turns: usize,
    /// How often each kind is drawn, relative to the others. Kinds that are not listed, or whose
    /// weight is not a positive number, are never drawn.
    pub weights: BTreeMap<Kind, f32>,
    /// The wordings to draw from.
    #[serde(skip)]
    pub wordings: WordingSet,
}

impl Default for DialogueOptions {
    fn default() -> Self {
        let weights = Kind::ALL.into_iter().map(|kind| (kind, kind.weight())).collect();
        Self { turns: 4, weights, wordings: WordingSet::Training }
    }
}

/// A record together with the kind of each of its turns.
#[derive(Debug, Clone, PartialEq)]
pub struct Dialogue {
    /// Targets, prompts and turns; the picture's path is a name below the record file.
    pub record: Record,
    /// The kind of each turn, in the order of the turns.
    pub kinds: Vec<Kind>,
}

/// Draws `options.turns` independent turns about `photo`, fewer where it has little to offer; none
/// where it has nothing. Kinds that the labels do not support are passed over.
pub fn dialogues(
    photo: &Photo,
    rng: &mut ChaCha8Rng,
    options: &DialogueOptions,
) -> Option<Dialogue> {
    let mut draft = Draft::new(photo, options.wordings);
    let (mut turns, mut kinds) = (Vec::new(), Vec::new());
    for _ in 0..options.turns.max(1) {
        let Some((kind, turn)) = draw_turn(&mut draft, rng, &options.weights) else { break };
        turns.push(turn);
        kinds.push(kind);
    }
    (!turns.is_empty()).then(|| Dialogue { record: draft.into_record(turns), kinds })
}

/// One turn of exactly this kind; none when the photo has nothing to offer for it.
pub fn dialogue_of(
    kind: Kind,
    photo: &Photo,
    rng: &mut ChaCha8Rng,
    wordings: WordingSet,
) -> Option<Dialogue> {
    let mut draft = Draft::new(photo, wordings);
    let turn = ask(kind, &mut draft, rng)?;
    Some(Dialogue { record: draft.into_record(vec![turn]), kinds: vec![kind] })
}

/// A record that points once at each of at most `most` things, in any way that fits it, and asks for everything that
/// is known of it: what decoders are taught with before there is a language model. None when there
/// is nothing to point at.
pub fn pointing(photo: &Photo, most: usize, rng: &mut ChaCha8Rng) -> Option<Record> {
    let mut draft = Draft::new(photo, WordingSet::Training);
    let mut things: Vec<usize> = (0..photo.things.len()).collect();
    if things.len() > most {
        things.shuffle(rng);
        things.truncate(most);
        things.sort_unstable();
    }
    let turns: Vec<Turn> =
        things.into_iter().filter_map(|index| region::all_units(&mut draft, index, rng)).collect();
    (!turns.is_empty()).then(|| draft.into_record(turns))
}

/// A noun of which the photo surely shows nothing, by the labels of its source.
pub(crate) fn absent<'a>(photo: &'a Photo, rng: &mut ChaCha8Rng) -> Option<&'a str> {
    Draft::new(photo, WordingSet::HeldOut).absent(rng)
}

fn draw_turn(
    draft: &mut Draft,
    rng: &mut ChaCha8Rng,
    weights: &BTreeMap<Kind, f32>,
) -> Option<(Kind, Turn)> {
    let mut left = weighted::choices(weights);
    while !left.is_empty() {
        let Some(kind) = weighted::take(&mut left, rng.random()) else { break };
        if let Some(turn) = ask(kind, draft, rng) {
            return Some((kind, turn));
        }
    }
    None
}

fn ask(kind: Kind, draft: &mut Draft, rng: &mut ChaCha8Rng) -> Option<Turn> {
    match kind {
        Kind::Caption => words::caption(draft, rng),
        Kind::CaptionBoxes => words::grounded(draft, rng, Unit::Box),
        Kind::CaptionMasks => words::grounded(draft, rng, Unit::Mask),
        Kind::HowMany => words::how_many(draft, rng),
        Kind::Presence => words::presence(draft, rng),
        Kind::RegionLabel => region::label(draft, rng),
        Kind::RegionQuestion => region::question(draft, rng),
        Kind::DetectAll => locate::everything(draft, rng, Unit::Box),
        Kind::SegmentAll => locate::everything(draft, rng, Unit::Mask),
        Kind::DetectClass => locate::class(draft, rng, Unit::Box),
        Kind::SegmentClass => locate::class(draft, rng, Unit::Mask),
        Kind::ReferBox => locate::referred(draft, rng, Unit::Box),
        Kind::ReferMask => locate::referred(draft, rng, Unit::Mask),
        Kind::PromptBox => region::prompted(draft, rng, Unit::Box),
        Kind::PromptMask => region::prompted(draft, rng, Unit::Mask),
        Kind::Keypoints => locate::people(draft, rng),
        Kind::PromptKeypoints => region::prompted(draft, rng, Unit::Keypoint),
        Kind::AbsentBox => locate::absent(draft, rng, Unit::Box),
        Kind::AbsentMask => locate::absent(draft, rng, Unit::Mask),
    }
}
