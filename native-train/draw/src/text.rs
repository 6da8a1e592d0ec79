//! Anti-aliased text in two weights of Inter.

use ab_glyph::{Font, FontRef, GlyphId, PxScale, ScaleFont, point};
use std::sync::OnceLock;
use tiny_skia::{Pixmap, PremultipliedColorU8};

/// How strong the letters are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weight {
    Regular,
    SemiBold,
}

static REGULAR: &[u8] = include_bytes!("../assets/font/Inter-Regular.otf");
static SEMI_BOLD: &[u8] = include_bytes!("../assets/font/Inter-SemiBold.otf");

/// None only if the embedded file were damaged, which a test excludes.
fn font(weight: Weight) -> Option<&'static FontRef<'static>> {
    static FONTS: [OnceLock<Option<FontRef<'static>>>; 2] = [OnceLock::new(), OnceLock::new()];
    let (slot, bytes) = match weight {
        Weight::Regular => (&FONTS[0], REGULAR),
        Weight::SemiBold => (&FONTS[1], SEMI_BOLD),
    };
    slot.get_or_init(|| FontRef::try_from_slice(bytes).ok()).as_ref()
}

/// `size_px` is the em; ab_glyph scales by the line's height.
fn scale(font: &FontRef<'static>, size_px: f32) -> PxScale {
    let em = font.units_per_em().unwrap_or(1000.0);
    PxScale::from(size_px * font.height_unscaled() / em)
}

/// The glyph of a letter, where it is one that can be seen.
fn known(font: &FontRef<'static>, letter: char) -> Option<GlyphId> {
    let id = font.glyph_id(letter);
    (id != GlyphId(0) && (letter.is_whitespace() || font.outline(id).is_some())).then_some(id)
}

/// Letters that the fonts lack are shown as a question mark: their replacement sign is blank.
fn glyph(font: &FontRef<'static>, letter: char) -> GlyphId {
    known(font, letter).unwrap_or_else(|| font.glyph_id('?'))
}

/// The words of a label that the fonts have every letter of: a row of question marks says less than
/// the number beside it. Han, Arabic, emoji and the like leave nothing.
pub(super) fn legible(text: &str) -> String {
    let Some(font) = font(Weight::SemiBold) else { return String::new() };
    let legible = |word: &&str| word.chars().all(|letter| known(font, letter).is_some());
    text.split_whitespace().filter(legible).collect::<Vec<_>>().join(" ")
}

/// Width of a line in px.
pub(super) fn width(text: &str, weight: Weight, size_px: f32) -> f32 {
    let Some(font) = font(weight) else { return 0.0 };
    let scaled = font.as_scaled(scale(font, size_px));
    text.chars().map(|c| scaled.h_advance(glyph(font, c))).sum()
}

/// Height of capitals in px: what vertical centring goes by.
pub(super) fn cap_height(size_px: f32) -> f32 {
    size_px * 0.727
}

/// Writes a line with its baseline at `y`, from `x` to the right; on an opaque ground.
pub(super) fn draw(
    pixmap: &mut Pixmap,
    text: &str,
    weight: Weight,
    size_px: f32,
    [x, y]: [f32; 2],
    colour: [u8; 3],
) {
    let Some(font) = font(weight) else { return };
    let scaled = font.as_scaled(scale(font, size_px));
    let (width, height) = (pixmap.width() as i32, pixmap.height() as i32);
    let mut pen = x;
    for letter in text.chars() {
        let id = glyph(font, letter);
        let placed = id.with_scale_and_position(scaled.scale(), point(pen, y));
        pen += scaled.h_advance(id);
        let Some(outline) = font.outline_glyph(placed) else { continue };
        let origin = outline.px_bounds().min;
        let pixels = pixmap.pixels_mut();
        outline.draw(|dx, dy, cover| {
            let (px, py) = (origin.x as i32 + dx as i32, origin.y as i32 + dy as i32);
            if (0..width).contains(&px) && (0..height).contains(&py) {
                let pixel = &mut pixels[(py * width + px) as usize];
                *pixel = blend(*pixel, colour, cover);
            }
        });
    }
}

/// Shortens with an ellipsis to at most `most` letters.
pub(super) fn shortened(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.into();
    }
    let kept: String = text.chars().take(most.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

fn blend(under: PremultipliedColorU8, colour: [u8; 3], cover: f32) -> PremultipliedColorU8 {
    let ground = [under.red(), under.green(), under.blue()];
    let [r, g, b] = super::palette::mix(ground, colour, cover);
    PremultipliedColorU8::from_rgba(r, g, b, 255).unwrap_or(under)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_fonts_open_and_widths_grow_with_size() {
        for weight in [Weight::Regular, Weight::SemiBold] {
            assert!(font(weight).is_some());
            let (small, large) =
                (width("depth 12 m", weight, 10.0), width("depth 12 m", weight, 20.0));
            assert!(small > 30.0 && (large / small - 2.0).abs() < 1e-3, "{small} {large}");
        }
        assert_eq!(width("漢", Weight::Regular, 10.0), width("?", Weight::Regular, 10.0));
    }

    #[test]
    fn labels_keep_what_can_be_read() {
        assert_eq!(legible("a  café table"), "a café table");
        for text in ["猫", "кошка", "قطة", "बिल्ली", "🐈", "❤️", "\u{200d}", ""]
        {
            assert_eq!(legible(text), "", "{text}");
        }
        assert_eq!(legible("red 猫 car"), "red car");
        // What stands in longer texts for a letter that is missing can be seen.
        for weight in [Weight::Regular, Weight::SemiBold] {
            let font = font(weight).unwrap();
            for letter in ['漢', '🐈', '\u{FFFD}'] {
                let sign = glyph(font, letter).with_scale(20.0);
                assert!(font.outline_glyph(sign).is_some(), "{letter}");
            }
        }
    }

    #[test]
    fn long_labels_end_in_an_ellipsis() {
        assert_eq!(shortened("a red car", 9), "a red car");
        assert_eq!(shortened("a red car there", 7), "a red…");
    }
}
