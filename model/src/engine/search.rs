//! The things of nouns in the picture.

use super::{EngineError, Session, host};
use crate::decoding::{FoundThing, overlap, peaks};
use burn::tensor::activation;

/// Most things of one noun.
const MOST: usize = 20;
/// Most nouns that are looked for in one pass.
const AT_ONCE: usize = 16;
/// Confidences are kept this far from 0 and 1, so that one alone never decides.
const DOUBT: f32 = 1e-3;

/// A thing in the picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Thing {
    /// How likely it is there, 0 to 1.
    pub confidence: f32,
    /// `[x, y, w, h]` in px of the picture.
    pub bbox: [f32; 4],
}

impl Session {
    /// The things of a noun, the most confident first, where the language model says with probability
    /// `said` that there is one, which counts by `weight` beside what is seen; none without a finder.
    pub(super) async fn find(
        &self,
        noun: &str,
        said: f32,
        weight: f32,
    ) -> Result<Option<Vec<Thing>>, EngineError> {
        let Some(config) = &self.config.finder else { return Ok(None) };
        let least = config.least_confidence;
        let seen = |chance| joined(chance, said, weight);
        let found = self.find_all(&[noun], least, &seen).await?;
        Ok(found.map(|found| found.into_iter().flatten().collect()))
    }

    /// The things of each noun whose confidence is at least this, the most confident first; `seen`
    /// makes a confidence of what a cell says.
    pub(super) async fn find_all(
        &self,
        nouns: &[&str],
        least: f32,
        seen: &dyn Fn(f32) -> f32,
    ) -> Result<Option<Vec<Vec<Thing>>>, EngineError> {
        let picture = self.picture.as_ref().ok_or(EngineError::NoPicture)?;
        let frame = picture.frame;
        let ids = |noun: &&str| -> Result<Vec<i64>, EngineError> {
            Ok(self.tokenizer.encode(noun)?.into_iter().map(i64::from).collect())
        };
        let ids = nouns.iter().map(ids).collect::<Result<Vec<_>, _>>()?;
        let mut things = Vec::with_capacity(nouns.len());
        for ids in ids.chunks(AT_ONCE) {
            let pictures = vec![0; ids.len()];
            let Some(found) = self.model.find(&picture.sight, ids, &pictures) else {
                return Ok(None);
            };
            let [_, height, width] = found.logits.dims();
            let mut chances = host(activation::sigmoid(found.logits)).await?;
            chances.iter_mut().for_each(|chance| *chance = seen(*chance));
            let boxes = host(found.boxes).await?;
            let in_px = |FoundThing { confidence, bbox }| {
                let bbox = frame.clip_box(self.config.box_digits.answer(&frame, bbox));
                Thing { confidence, bbox }
            };
            let cells = (height * width).max(1);
            let of_nouns = chances.chunks_exact(cells).zip(boxes.chunks_exact(4 * cells));
            things.extend(of_nouns.map(|(chances, boxes)| {
                let things = peaks(chances, width, boxes, least, MOST).into_iter().map(in_px);
                things.filter(|thing| thing.bbox[2] > 0.0 && thing.bbox[3] > 0.0).collect()
            }));
        }
        Ok(Some(things))
    }
}

/// IoU of two boxes `[x, y, w, h]`.
pub(super) fn iou(a: [f32; 4], b: [f32; 4]) -> f32 {
    let [a, b] = [a, b].map(|[x, y, w, h]| [x + w / 2.0, y + h / 2.0, w, h]);
    overlap(a, b)
}

/// What a cell and the words say together: their logits added up, that of the words by its weight.
fn joined(seen: f32, said: f32, weight: f32) -> f32 {
    let logit = |p: f32| {
        let p = p.clamp(DOUBT, 1.0 - DOUBT);
        (p / (1.0 - p)).ln()
    };
    1.0 / (1.0 + (-(logit(seen) + weight * logit(said))).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_doubt_it_make_a_peak_less_likely() {
        assert!((joined(0.3, 0.5, 0.4) - 0.3).abs() < 1e-6, "they say nothing");
        assert!((joined(0.3, 0.01, 0.0) - 0.3).abs() < 1e-6, "they count for nothing");
        assert!(joined(0.3, 0.9, 0.4) > 0.45 && joined(0.3, 0.1, 0.4) < 0.2);
        for extreme in [0.0, 1.0] {
            let chance = joined(extreme, 1.0 - extreme, 1.0);
            assert!((chance - 0.5).abs() < 1e-3, "{chance}");
        }
    }
}
