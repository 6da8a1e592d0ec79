//! A distance map as a coloured panel with its scale.

use super::canvas::{fill, rounded};
use super::palette;
use super::text::{self, Weight};
use refvlm_files::distance;
use refvlm_record::depth;
use tiny_skia::{Pixmap, PremultipliedColorU8};

/// Unknown distances.
const UNKNOWN: [u8; 3] = [205, 206, 208];

/// Paints the map at `size_px`; distances between the 1st and 99th percentile span the ramp. None
/// when the map's length does not fit its size.
pub(super) fn panel(
    [columns, rows]: [u32; 2],
    metres: &[f32],
    size_px: [u32; 2],
    u: f32,
) -> Option<Pixmap> {
    if metres.len() as u64 != u64::from(columns) * u64::from(rows) || metres.is_empty() {
        return None;
    }
    let mut pixmap = Pixmap::new(size_px[0], size_px[1])?;
    let span = depth::span(metres);
    let width = size_px[0];
    for (k, pixel) in pixmap.pixels_mut().iter_mut().enumerate() {
        let (x, y) = (k as u32 % width, k as u32 / width);
        let at = [(x as f32 + 0.5) / width as f32, (y as f32 + 0.5) / size_px[1] as f32];
        let seen = distance::at(metres, [columns, rows], at).zip(span);
        let colour = seen.and_then(|(metres, span)| depth::colour(metres, span));
        let [r, g, b] = colour.unwrap_or(UNKNOWN);
        *pixel = PremultipliedColorU8::from_rgba(r, g, b, 255).unwrap_or(*pixel);
    }
    if let Some(span) = span {
        scale_bar(&mut pixmap, span, u);
    }
    Some(pixmap)
}

/// Near on the left, far on the right, on a dark pill at the lower edge.
fn scale_bar(pixmap: &mut Pixmap, [near, far]: [f32; 2], u: f32) {
    let size = 13.0 * u;
    let words = [format_metres(near), format_metres(far)];
    let widths = [0, 1].map(|k| text::width(&words[k], Weight::SemiBold, size));
    let bar = (pixmap.width() as f32 * 0.32).min(220.0 * u);
    let (gap, h) = (10.0 * u, 30.0 * u);
    let w = widths[0] + widths[1] + bar + 2.0 * gap + 28.0 * u;
    let x = (pixmap.width() as f32 - w) / 2.0;
    let y = pixmap.height() as f32 - h - 14.0 * u;
    if let Some(pill) = rounded([x, y, w, h], h / 2.0) {
        fill(pixmap, &pill, palette::HALO, 205);
    }
    let baseline = y + h / 2.0 + text::cap_height(size) / 2.0;
    let mut pen = x + 14.0 * u;
    text::draw(pixmap, &words[0], Weight::SemiBold, size, [pen, baseline], [255; 3]);
    pen += widths[0] + gap;
    let steps = bar.ceil() as usize;
    for k in 0..steps {
        let rect = [pen + k as f32, y + h / 2.0 - 4.0 * u, 1.5, 8.0 * u];
        if let Some(slice) = rounded(rect, 0.0) {
            fill(pixmap, &slice, depth::ramp(k as f32 / steps as f32), 255);
        }
    }
    pen += bar + gap;
    text::draw(pixmap, &words[1], Weight::SemiBold, size, [pen, baseline], [255; 3]);
}

fn format_metres(metres: f32) -> String {
    match metres {
        m if m < 10.0 => format!("{m:.1} m"),
        m => format!("{m:.0} m"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_of_wrong_length_is_no_panel() {
        assert!(panel([3, 2], &[1.0; 5], [30, 20], 1.0).is_none());
        assert!(panel([0, 0], &[], [30, 20], 1.0).is_none());
        assert!(panel([3, 2], &[1.0; 6], [30, 20], 1.0).is_some());
    }
}
