//! The things of a noun in the picture.

use super::{EngineError, Session, host};
use crate::decoding::{FoundThing, peaks};
use burn::tensor::activation;

/// Most things of one noun.
const MOST: usize = 20;
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
        let seen = self.picture.as_ref().ok_or(EngineError::NoPicture)?;
        let Some(config) = &self.config.finder else { return Ok(None) };
        let ids: Vec<i64> = self.tokenizer.encode(noun)?.into_iter().map(i64::from).collect();
        let Some(found) = self.model.find(&seen.sight, &[ids], &[0]) else { return Ok(None) };
        let width = found.logits.dims()[2];
        let mut chances = host(activation::sigmoid(found.logits)).await?;
        for chance in &mut chances {
            *chance = joined(*chance, said, weight);
        }
        let boxes = host(found.boxes).await?;
        let frame = seen.frame;
        let in_px = |FoundThing { confidence, bbox }| {
            let bbox = frame.clip_box(self.config.box_digits.answer(&frame, bbox));
            Thing { confidence, bbox }
        };
        let things = peaks(&chances, width, &boxes, config.least_confidence, MOST);
        let things = things.into_iter().map(in_px);
        Ok(Some(things.filter(|thing| thing.bbox[2] > 0.0 && thing.bbox[3] > 0.0).collect()))
    }
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
