//! Colours of results and prompts. The style sheet has the same ones, by number.

/// Of triplets, by number: neighbours differ for most colour-blind people, and each carries white
/// text.
pub const RESULTS: [&str; 10] = [
    "#2563eb", "#c2410c", "#047857", "#be185d", "#7c3aed", "#92600a", "#0e7490", "#dc2626",
    "#4d7c0f", "#a21caf",
];

/// Of prompts, by id: light, so that they stand out from results and carry dark text.
pub const PROMPTS: [&str; 8] =
    ["#fde047", "#67e8f9", "#f9a8d4", "#bef264", "#fdba74", "#c4b5fd", "#5eead4", "#fca5a5"];

/// Limbs between COCO joints and their colours: the right side warm, the left cold.
pub const LIMBS: [(usize, usize, &str); 18] = [
    (0, 1, "#facc15"),
    (0, 2, "#facc15"),
    (1, 3, "#facc15"),
    (2, 4, "#facc15"),
    (3, 5, "#a3e635"),
    (4, 6, "#fbbf24"),
    (5, 6, "#4ade80"),
    (5, 11, "#2dd4bf"),
    (6, 12, "#fb923c"),
    (11, 12, "#4ade80"),
    (5, 7, "#38bdf8"),
    (7, 9, "#3b82f6"),
    (6, 8, "#fb7121"),
    (8, 10, "#ef4444"),
    (11, 13, "#818cf8"),
    (13, 15, "#8b5cf6"),
    (12, 14, "#f43f5e"),
    (14, 16, "#db2777"),
];

/// Near is warm and light, far is dark and cold.
const DEPTH: [[u8; 3]; 7] = [
    [255, 244, 189],
    [254, 200, 107],
    [246, 138, 82],
    [213, 76, 104],
    [143, 47, 127],
    [72, 34, 115],
    [21, 18, 52],
];

/// The colour of a triplet.
pub fn result(number: usize) -> &'static str {
    RESULTS[number % RESULTS.len()]
}

/// The colour of a prompt.
pub fn prompt(id: u32) -> &'static str {
    PROMPTS[id as usize % PROMPTS.len()]
}

/// The colour of a distance, 0 the nearest and 1 the farthest.
pub fn depth(share: f32) -> [u8; 3] {
    let at = share.clamp(0.0, 1.0) * (DEPTH.len() - 1) as f32;
    let low = (at as usize).min(DEPTH.len() - 2);
    let mix = |k: usize| {
        let (a, b) = (f32::from(DEPTH[low][k]), f32::from(DEPTH[low + 1][k]));
        (a + (b - a) * (at - low as f32)).round() as u8
    };
    [mix(0), mix(1), mix(2)]
}

/// A distance map as colours, `width * height * 4` bytes RGBA, and the distances that the ramp
/// spans (the 1st and 99th percentile); none when no distance is known.
pub fn depth_picture(metres: &[f32]) -> Option<(Vec<u8>, [f32; 2])> {
    let known = |m: f32| m.is_finite() && m > 0.0;
    let mut sorted: Vec<f32> = metres.iter().copied().filter(|m| known(*m)).collect();
    sorted.sort_unstable_by(f32::total_cmp);
    let at = |share: f64| sorted.get((sorted.len().saturating_sub(1) as f64 * share) as usize);
    let (near, far) = (*at(0.01)?, *at(0.99)?);
    let far = far.max(near * 1.01);
    let pixels = metres.iter().flat_map(|&m| match known(m) {
        true => {
            let [r, g, b] = depth((m - near) / (far - near));
            [r, g, b, 255]
        }
        false => [0; 4],
    });
    Some((pixels.collect(), [near, far]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_style_sheet_has_the_same_colours() {
        let css = include_str!("../../../www/styles/colours.css");
        for (number, colour) in RESULTS.iter().enumerate() {
            assert!(css.contains(&format!(".c{number} {{ --c: {colour}; }}")), "{number}");
        }
        for (number, colour) in PROMPTS.iter().enumerate() {
            assert!(css.contains(&format!(".p{number} {{ --c: {colour}; }}")), "{number}");
        }
    }

    fn contrast(a: &str, b: &str) -> f64 {
        let light = |hex: &str| {
            let part = |at: usize| {
                let v = f64::from(u8::from_str_radix(&hex[at..at + 2], 16).unwrap()) / 255.0;
                if v <= 0.04045 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
            };
            0.2126 * part(1) + 0.7152 * part(3) + 0.0722 * part(5)
        };
        let (a, b) = (light(a), light(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    #[test]
    fn numbers_can_be_read_on_their_colours() {
        for colour in RESULTS {
            assert!(contrast(colour, "#ffffff") >= 4.5, "{colour}");
        }
        for colour in PROMPTS {
            assert!(contrast(colour, "#16171a") >= 4.5, "{colour}");
        }
    }

    #[test]
    fn the_ramp_spans_what_is_known() {
        let metres: Vec<f32> = (1..=100).map(|k| k as f32).chain([0.0, f32::NAN]).collect();
        let (pixels, [near, far]) = depth_picture(&metres).unwrap();
        assert_eq!((near, far), (1.0, 99.0));
        assert_eq!(pixels.len(), 102 * 4);
        assert_eq!(pixels[..4], [255, 244, 189, 255]);
        assert_eq!(pixels[400..], [0; 8], "unknown is transparent");
        assert!(depth_picture(&[0.0, f32::INFINITY]).is_none());
    }
}
