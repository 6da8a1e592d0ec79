//! Named colours, and recolouring an icon so that the named colour is really seen.

/// A colour as it is spoken of and as it is drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Colour {
    /// Its name: `red`.
    pub name: &'static str,
    /// sRGB, each 0..1.
    pub rgb: [f32; 3],
}

/// Seven hues, black and white.
pub(crate) const ALL_COLOURS: &[Colour] = &[
    Colour { name: "red", rgb: [0.87, 0.14, 0.16] },
    Colour { name: "orange", rgb: [0.98, 0.52, 0.10] },
    Colour { name: "yellow", rgb: [0.99, 0.84, 0.15] },
    Colour { name: "green", rgb: [0.18, 0.65, 0.26] },
    Colour { name: "blue", rgb: [0.15, 0.40, 0.90] },
    Colour { name: "purple", rgb: [0.52, 0.24, 0.78] },
    Colour { name: "pink", rgb: [0.97, 0.50, 0.73] },
    Colour { name: "white", rgb: [0.93, 0.93, 0.94] },
    Colour { name: "black", rgb: [0.16, 0.16, 0.18] },
];

/// The seven hues, for icons with parts that are black or white anyway.
pub(crate) const PLAIN_COLOURS: &[Colour] = ALL_COLOURS.split_at(7).0;

/// Rec. 601 luma.
pub(crate) fn luma(rgb: [f32; 3]) -> f32 {
    0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2]
}

/// 0 below `low`, 1 above `high`, smooth between.
pub(crate) fn smooth(low: f32, high: f32, x: f32) -> f32 {
    let t = ((x - low) / (high - low)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

/// Linear blend.
pub(crate) fn mix(a: [f32; 3], b: [f32; 3], t: f32) -> [f32; 3] {
    [a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t, a[2] + (b[2] - a[2]) * t]
}

/// Hue in 0..6 (red 0, green 2, blue 4), largest channel and chroma.
fn hue(rgb: [f32; 3]) -> (f32, f32, f32) {
    let [r, g, b] = rgb;
    let max = r.max(g).max(b);
    let chroma = max - r.min(g).min(b);
    let h = if chroma <= 0.0 {
        0.0
    } else if max == r {
        (g - b) / chroma + if g < b { 6.0 } else { 0.0 }
    } else if max == g {
        (b - r) / chroma + 2.0
    } else {
        (r - g) / chroma + 4.0
    };
    (h, max, chroma)
}

/// The paint of an icon: what of it takes a new colour.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Paint {
    hue: f32,
    luma: f32,
}

impl Paint {
    /// Finds the dominant hue of an icon's opaque pixels and its brightness.
    pub(crate) fn of(pixels: impl Iterator<Item = [f32; 3]> + Clone) -> Self {
        let mut bins = [0.0f32; 24];
        for rgb in pixels.clone() {
            let (h, _, chroma) = hue(rgb);
            bins[(h * 4.0) as usize % 24] += chroma;
        }
        let three = |i: usize| bins[(i + 23) % 24] + bins[i] + bins[(i + 1) % 24];
        let best = (0..24).fold(0, |best, i| if three(i) > three(best) { i } else { best });
        let mut paint = Self { hue: best as f32 / 4.0 + 0.125, luma: 0.5 };
        let (mut sum, mut weight) = (0.0, 0.0);
        for rgb in pixels {
            let w = paint.weight(rgb);
            sum += w * luma(rgb);
            weight += w;
        }
        if weight > 0.0 {
            paint.luma = (sum / weight).max(0.05);
        }
        paint
    }

    /// How much of a pixel is paint, 0..1: saturated and near the dominant hue.
    pub(crate) fn weight(&self, rgb: [f32; 3]) -> f32 {
        let (h, max, chroma) = hue(rgb);
        let distance = (h - self.hue).abs();
        let distance = distance.min(6.0 - distance);
        (1.0 - smooth(0.6, 1.0, distance)) * smooth(0.25, 0.5, chroma / max.max(1e-3))
    }

    /// The pixel in another colour: shadows of the paint stay shadows, highlights go to white.
    pub(crate) fn recolour(&self, rgb: [f32; 3], colour: &Colour) -> [f32; 3] {
        let weight = self.weight(rgb);
        if weight <= 0.0 {
            return rgb;
        }
        let light = luma(rgb) / self.luma;
        let shaded = if light <= 1.0 {
            colour.rgb.map(|c| c * (0.25 + 0.75 * light))
        } else {
            mix(colour.rgb, [1.0; 3], ((light - 1.0) * 0.5).min(0.7))
        };
        mix(rgb, shaded, weight)
    }
}
