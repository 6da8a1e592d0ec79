//! Colours of triplets, prompts and paper.

use tiny_skia::Color;

/// Distinguishable at a glance, for most colour-blind people in pairs of neighbours, and strong
/// enough on both dark and light pictures.
const TRIPLETS: [[u8; 3]; 10] = [
    [37, 99, 235],
    [234, 88, 12],
    [5, 150, 105],
    [219, 39, 119],
    [124, 58, 237],
    [217, 150, 6],
    [8, 145, 178],
    [220, 38, 38],
    [77, 140, 15],
    [192, 38, 211],
];

/// Paper around the picture.
pub(super) const PAPER: [u8; 3] = [252, 252, 250];
/// Text on paper.
pub(super) const INK: [u8; 3] = [28, 30, 34];
/// What prompts are drawn with, on a dark halo.
pub(super) const PROMPT: [u8; 3] = [255, 255, 255];
/// The halo under prompts, and their badges.
pub(super) const HALO: [u8; 3] = [17, 19, 24];
/// A failed answer.
pub(super) const ALARM: [u8; 3] = [190, 24, 50];

/// The colour of a triplet.
pub(super) fn triplet(index: usize) -> [u8; 3] {
    TRIPLETS[index % TRIPLETS.len()]
}

/// White or ink, whichever reads better on `background`.
pub(super) fn on(background: [u8; 3]) -> [u8; 3] {
    let [r, g, b] = background.map(f32::from);
    if 0.299 * r + 0.587 * g + 0.114 * b > 165.0 { INK } else { [255; 3] }
}

/// Opaque or translucent, for tiny-skia.
pub(super) fn paint([r, g, b]: [u8; 3], alpha: u8) -> Color {
    Color::from_rgba8(r, g, b, alpha)
}

/// Mixes two colours; 0 is `a`.
pub(super) fn mix(a: [u8; 3], b: [u8; 3], share: f32) -> [u8; 3] {
    let at = |k: usize| {
        let (a, b) = (f32::from(a[k]), f32::from(b[k]));
        (a + (b - a) * share.clamp(0.0, 1.0)).round() as u8
    };
    [at(0), at(1), at(2)]
}
