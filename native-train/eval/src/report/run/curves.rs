//! Curves over steps, as SVG.

use super::escaped;
use std::fmt::Write;

/// Points of a curve that are drawn; more are put together.
const MOST_POINTS: usize = 240;
/// Share of a smoothed curve that a point keeps of those before it.
const KEPT: f64 = 0.85;
/// Share of the points, the largest, that may lie above the field: the first steps of a run would
/// press all others flat.
const OUTSIDE: f64 = 0.03;
/// The least upper end of a field of shares: one of zeros lies at its bottom.
const LEAST_PERCENT: f64 = 0.1;
/// Room of the labels beside and below the field, in units of the drawing.
const LABELS: [f64; 2] = [48.0, 20.0];

/// Some curves in one field.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Chart {
    /// What is shown.
    pub title: String,
    /// The curves.
    pub curves: Vec<Curve>,
    /// Whether the values are shares of a whole.
    pub percent: bool,
}

/// Values over steps.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Curve {
    /// Its name beside the others; none is shown where it is alone.
    pub name: String,
    /// Step and value; what is not finite is left out.
    pub points: Vec<(f64, f64)>,
    /// Few values, each with a dot, in place of many with a smoothed line.
    pub dots: bool,
}

impl Curve {
    /// The points that are drawn: means of neighbours where there are many.
    fn drawn(&self) -> Vec<(f64, f64)> {
        let finite = |p: &&(f64, f64)| p.0.is_finite() && p.1.is_finite();
        let points: Vec<_> = self.points.iter().filter(finite).copied().collect();
        let size = points.len().div_ceil(MOST_POINTS).max(1);
        let mean = |part: &[(f64, f64)]| {
            let n = part.len() as f64;
            let (x, y) = part.iter().fold((0.0, 0.0), |sum, p| (sum.0 + p.0, sum.1 + p.1));
            (x / n, y / n)
        };
        points.chunks(size).map(mean).collect()
    }
}

fn smooth(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let (mut mean, mut weight) = (0.0, 0.0);
    let one = |&(x, y): &(f64, f64)| {
        (mean, weight) = (KEPT * mean + (1.0 - KEPT) * y, KEPT * weight + 1.0 - KEPT);
        (x, mean / weight)
    };
    points.iter().map(one).collect()
}

/// The least and the largest value that the field shows.
fn range(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let last = values.len().checked_sub(1)?;
    let top = values[last - (last as f64 * OUTSIDE) as usize];
    let low = values[0];
    let room = ((top - low) * 0.06).max(top.abs() * 1e-3).max(1e-9);
    // Nothing that is measured here is below 0 unless a value is.
    let from = if low >= 0.0 { (low - room).max(0.0) } else { low - room };
    Some((from, top + room))
}

/// A number in at most five letters or so.
fn short(value: f64, percent: bool) -> String {
    if percent {
        let percent = value * 100.0;
        return if percent == 0.0 || percent >= 10.0 {
            format!("{percent:.0} %")
        } else {
            format!("{percent:.1} %")
        };
    }
    let size = value.abs();
    match size {
        _ if size >= 1e9 => format!("{:.1} G", value / 1e9),
        _ if size >= 1e6 => format!("{:.1} M", value / 1e6),
        _ if size >= 1e4 => format!("{:.0} k", value / 1e3),
        _ if size >= 100.0 => format!("{value:.0}"),
        _ if size >= 10.0 => format!("{value:.1}"),
        _ if size >= 0.01 => format!("{value:.3}"),
        _ if size == 0.0 => "0".into(),
        _ => format!("{value:.0e}"),
    }
}

impl Chart {
    /// Adds the chart to a page, drawn in `width` x `height` units, which are about px.
    pub(super) fn svg(&self, body: &mut String, [width, height]: [f64; 2]) {
        let [left, right] = [LABELS[0], width - 4.0];
        let [top, bottom] = [8.0, height - LABELS[1]];
        let drawn: Vec<_> = self.curves.iter().map(Curve::drawn).collect();
        let values = drawn.iter().flatten().map(|p| p.1);
        let Some((low, high)) = range(values) else { return };
        let high = if self.percent { high.max(LEAST_PERCENT) } else { high };
        let last = drawn.iter().flatten().map(|p| p.0).fold(1.0, f64::max);
        let place = |(x, y): (f64, f64)| {
            let y = bottom - (y - low) / (high - low) * (bottom - top);
            (left + x / last * (right - left), y.max(top - 4.0))
        };
        let title = escaped(&self.title);
        let now = self.curves.iter().zip(&drawn).filter_map(|(curve, points)| {
            let shown = if curve.dots { points.clone() } else { smooth(points) };
            Some((escaped(&curve.name), short(shown.last()?.1, self.percent)))
        });
        let now: Vec<_> = now.collect();
        let _ =
            write!(body, "<figure class=\"curve\"><figcaption><b title=\"{title}\">{title}</b>");
        for (at, (name, value)) in now.iter().enumerate() {
            let name = if now.len() > 1 { format!("{name} ") } else { String::new() };
            let _ = write!(body, "<span class=\"n{at}\">{name}{value}</span>");
        }
        let _ = write!(
            body,
            "</figcaption><svg viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{title}\">"
        );
        for share in [0.0, 0.5, 1.0] {
            let value = low + (high - low) * share;
            let (_, y) = place((0.0, value));
            let label = short(value, self.percent);
            let _ = write!(
                body,
                "<path class=\"grid\" d=\"M{left} {y:.1}H{right}\"/><text x=\"{:.0}\" y=\"{:.1}\" \
                 text-anchor=\"end\">{label}</text>",
                left - 6.0,
                y + 4.0
            );
        }
        let _ = write!(
            body,
            "<text x=\"{left}\" y=\"{low}\">0</text>\
             <text x=\"{right}\" y=\"{low}\" text-anchor=\"end\">step {last:.0}</text>",
            low = height - 4.0
        );
        for (at, (curve, points)) in self.curves.iter().zip(&drawn).enumerate() {
            let line = |body: &mut String, class: &str, points: &[(f64, f64)]| {
                let places = points.iter().map(|&point| place(point));
                let places: Vec<_> = places.map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
                let places = places.join(" ");
                let _ = write!(body, "<polyline class=\"{class} n{at}\" points=\"{places}\"/>");
            };
            if !curve.dots {
                line(body, "raw", points);
                line(body, "mean", &smooth(points));
                continue;
            }
            if points.len() > 1 {
                line(body, "mean", points);
            }
            for &(x, y) in points {
                let ((cx, cy), value) = (place((x, y)), short(y, self.percent));
                let _ = write!(
                    body,
                    "<circle class=\"n{at}\" cx=\"{cx:.1}\" cy=\"{cy:.1}\" r=\"3\"><title>step \
                     {x:.0}: {value}</title></circle>"
                );
            }
        }
        body.push_str("</svg></figure>");
    }
}
