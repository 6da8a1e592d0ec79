//! The choice of the next token from its scores: temperature, then the `top_k` best, then the
//! nucleus `top_p`, as in Hugging Face's `generate`.

pub use refvlm_record::Sampling;
use thiserror::Error;

/// Whether the grammar permits a token.
pub type Allowed<'a> = &'a dyn Fn(u32) -> bool;

/// Why no token can be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SamplingError {
    /// Every token is forbidden or its score is not a number.
    #[error("no token can be chosen: none is allowed with a finite score; check the weights")]
    NothingLeft,
}

/// The allowed token of the highest score, the first of equals.
///
/// # Errors
/// When no token is allowed with a finite score.
pub fn argmax(scores: &[f32], allowed: Option<Allowed>) -> Result<u32, SamplingError> {
    let mut best: Option<(u32, f32)> = None;
    for (id, score) in admit(scores, allowed) {
        if best.is_none_or(|(_, top)| score > top) {
            best = Some((id, score));
        }
    }
    best.map(|(id, _)| id).ok_or(SamplingError::NothingLeft)
}

/// The distribution that tokens are drawn from: `(id, probability)` of those that stay, by
/// ascending probability. A temperature of 0 leaves the best token alone.
///
/// # Errors
/// When no token is allowed with a finite score.
pub fn distribution(
    scores: &[f32],
    allowed: Option<Allowed>,
    sampling: &Sampling,
) -> Result<Vec<(u32, f32)>, SamplingError> {
    let best = argmax(scores, allowed)?;
    let temperature = sampling.temperature;
    if temperature.is_nan() || temperature <= 0.0 {
        return Ok(vec![(best, 1.0)]);
    }
    // Relative to the best, so that a tiny temperature can't overflow.
    let top = scores.get(best as usize).copied().unwrap_or_default();
    let mut kept: Vec<(u32, f32)> =
        admit(scores, allowed).map(|(id, score)| (id, (score - top) / temperature)).collect();
    kept.sort_by(|a, b| a.1.total_cmp(&b.1));
    if sampling.top_k > 0 && sampling.top_k < kept.len() {
        // Equals of the last one stay too.
        let limit = kept[kept.len() - sampling.top_k].1;
        kept.retain(|&(_, score)| score >= limit);
    }
    kept.iter_mut().for_each(|(_, score)| *score = score.exp());
    normalise(&mut kept);
    if sampling.top_p < 1.0 {
        let mut below = 0.0;
        let dropped = kept
            .iter()
            .take_while(|&&(_, p)| {
                below += p;
                below <= 1.0 - sampling.top_p
            })
            .count();
        kept.drain(..dropped.min(kept.len() - 1));
        normalise(&mut kept);
    }
    Ok(kept)
}

/// Chooses tokens, one after the other.
#[derive(Debug, Clone)]
pub struct Sampler {
    sampling: Sampling,
    state: u64,
}

impl Sampler {
    /// A sampler at the start of its random numbers.
    pub fn new(sampling: Sampling) -> Self {
        Self { sampling, state: sampling.seed }
    }

    /// The next token out of `allowed`; any token when no list is given.
    ///
    /// # Errors
    /// When no token is allowed with a finite score.
    pub fn next(&mut self, scores: &[f32], allowed: Option<Allowed>) -> Result<u32, SamplingError> {
        let kept = distribution(scores, allowed, &self.sampling)?;
        let mut left = self.uniform();
        for &(id, p) in kept.iter().rev() {
            left -= p;
            if left < 0.0 {
                return Ok(id);
            }
        }
        // Rounding may leave a crumb of probability: it belongs to the best token.
        kept.last().map(|&(id, _)| id).ok_or(SamplingError::NothingLeft)
    }

    /// Uniform in `0..1` (SplitMix64: one multiply-xor chain, and equal on every platform).
    fn uniform(&mut self) -> f32 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 40) as f32 / (1u64 << 24) as f32
    }
}

/// The allowed ids with a finite score.
fn admit<'a>(
    scores: &'a [f32],
    allowed: Option<Allowed<'a>>,
) -> impl Iterator<Item = (u32, f32)> + 'a {
    let scored = (0u32..).zip(scores.iter().copied());
    scored
        .filter(move |&(id, score)| score.is_finite() && allowed.is_none_or(|allowed| allowed(id)))
}

fn normalise(kept: &mut [(u32, f32)]) {
    let total: f32 = kept.iter().map(|&(_, p)| p).sum();
    kept.iter_mut().for_each(|(_, p)| *p /= total);
}
