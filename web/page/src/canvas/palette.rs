//! Colours of results and prompts. The style sheet has the same ones, by number.

use refvlm_record::depth;

/// Of triplets, by number: neighbours differ for most colour-blind people, and each carries white
/// text.
pub const RESULTS: [&str; 10] = [
    "#2563eb", "#c2410c", "#047857", "#be185d", "#7c3aed", "#92600a", "#0e7490", "#dc2626",
    "#4d7c0f", "#a21caf",
];

/// Of prompts, by id: light, so that they stand out from results and carry dark text.
pub const PROMPTS: [&str; 8] =
    ["#fde047", "#67e8f9", "#f9a8d4", "#bef264", "#fdba74", "#c4b5fd", "#5eead4", "#fca5a5"];

/// The colour of a triplet.
pub fn result(number: usize) -> &'static str {
    RESULTS[number % RESULTS.len()]
}

/// The colour of a prompt.
pub fn prompt(id: u32) -> &'static str {
    PROMPTS[id as usize % PROMPTS.len()]
}

/// The class that sets a triplet's colour.
pub fn result_class(number: usize) -> String {
    format!("c{}", number % RESULTS.len())
}

/// The class that sets a prompt's colour.
pub fn prompt_class(id: u32) -> String {
    format!("p{}", id as usize % PROMPTS.len())
}

/// A colour as the canvas takes it: `#rrggbb`.
pub fn css([r, g, b]: [u8; 3]) -> String {
    format!("#{r:02x}{g:02x}{b:02x}")
}

/// A distance map as colours, `width * height * 4` bytes RGBA, and the distances that the ramp
/// [spans](depth::span); none when no distance is known. Unknown ones are transparent.
pub fn depth_picture(metres: &[f32]) -> Option<(Vec<u8>, [f32; 2])> {
    let span = depth::span(metres)?;
    let pixels = metres.iter().flat_map(|&m| match depth::colour(m, span) {
        Some([r, g, b]) => [r, g, b, 255],
        None => [0; 4],
    });
    Some((pixels.collect(), span))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_style_sheet_has_the_same_colours() {
        let css = include_str!("../../../../www/styles/colours.css");
        for (number, colour) in RESULTS.iter().enumerate() {
            assert!(css.contains(&format!(".c{number} {{ --c: {colour}; }}")), "{number}");
        }
        for (number, colour) in PROMPTS.iter().enumerate() {
            assert!(css.contains(&format!(".p{number} {{ --c: {colour}; }}")), "{number}");
        }
    }

    #[test]
    fn colours_are_written_for_the_canvas() {
        assert_eq!(css([250, 4, 21]), "#fa0415");
        assert_eq!((result_class(11), prompt_class(9)), ("c1".into(), "p1".into()));
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
