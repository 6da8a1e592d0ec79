//! Curves and tables of objects, as SVG and HTML.

use super::escaped;
use crate::clicks::Table;
use crate::objects::Objects;
use std::fmt::Write;

/// Categories that the table of classes lists.
const MOST_CLASSES: usize = 20;

/// The field of a chart in its own units: x from left to right, y from top to bottom.
const FIELD: [f64; 4] = [40.0, 300.0, 10.0, 210.0];

/// A place in the field of shares from 0 to 1, y upwards.
fn place(x: f64, y: f64) -> [f64; 2] {
    let [left, right, top, bottom] = FIELD;
    [left + x * (right - left), bottom - y * (bottom - top)]
}

/// Everything known of one kind of shape.
pub(super) fn section(body: &mut String, objects: &Objects) {
    let what = escaped(&objects.what);
    let _ = write!(body, "<section><h2>Objects: {what}</h2><div class=\"charts\">");
    if !objects.curves.is_empty() {
        precision_recall(body, objects);
    }
    if !objects.reliability.is_empty() {
        reliability(body, objects);
    }
    body.push_str("</div><div class=\"charts\">");
    sizes(body, objects);
    classes(body, objects);
    body.push_str("</div>");
    confusion(body, objects);
    body.push_str("</section>");
}

/// The mean IoU after each number of clicks.
pub(super) fn clicks(body: &mut String, tables: &[Table]) {
    let most = tables.iter().map(|table| table.curve.len()).max().unwrap_or_default();
    body.push_str("<section><h2>Clicks</h2><div class=\"charts\">");
    let axes = ["clicks", "mean IoU"];
    counted(body, "Mean IoU after each click", axes, most as f64, |body| {
        for (number, table) in tables.iter().enumerate() {
            let reached = table.curve.iter().enumerate();
            let points = reached.map(|(at, &iou)| {
                let clicks = at + 1;
                let [x, y] = place(clicks as f64 / most as f64, iou);
                (format!("{x:.1},{y:.1}"), clicks, iou, [x, y])
            });
            let points: Vec<_> = points.collect();
            let line: Vec<&str> = points.iter().map(|point| point.0.as_str()).collect();
            let (line, name) = (line.join(" "), table.hand.name());
            let at = 160 + 14 * number;
            let _ = write!(
                body,
                "<polyline class=\"line n{number}\" points=\"{line}\"/><text class=\"n{number}\" \
                 x=\"296\" y=\"{at}\" text-anchor=\"end\">{name}</text>"
            );
            for (_, clicks, iou, [x, y]) in &points {
                let _ = write!(
                    body,
                    "<circle class=\"dot n{number}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\"><title>\
                     {name}, {clicks} clicks: {iou:.3}</title></circle>"
                );
            }
        }
    });
    body.push_str("</div></section>");
}

/// A chart of two shares; `draw` adds what is in the field.
fn chart(body: &mut String, title: &str, axes: [&str; 2], draw: impl Fn(&mut String)) {
    counted(body, title, axes, 1.0, draw);
}

/// A chart of shares over numbers from 0 to `last`; `draw` adds what is in the field.
fn counted(
    body: &mut String,
    title: &str,
    [across, up]: [&str; 2],
    last: f64,
    draw: impl Fn(&mut String),
) {
    let title = escaped(title);
    let _ = write!(
        body,
        "<figure class=\"chart\"><figcaption>{title}</figcaption>\
         <svg viewBox=\"-12 0 322 250\" role=\"img\" aria-label=\"{title}\">"
    );
    for step in 0..=4 {
        let share = f64::from(step) / 4.0;
        let [left, y] = place(0.0, share);
        let [x, bottom] = place(share, 0.0);
        let [right, _] = place(1.0, 0.0);
        let _ = write!(
            body,
            "<path class=\"grid\" d=\"M{left:.1} {y:.1}H{right:.1}\"/>\
             <text x=\"34\" y=\"{:.1}\" text-anchor=\"end\">{share}</text>\
             <text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            y + 4.0,
            bottom + 15.0,
            share * last
        );
    }
    let _ = write!(
        body,
        "<text x=\"170\" y=\"246\" text-anchor=\"middle\">{across}</text>\
         <text x=\"0\" y=\"110\" text-anchor=\"middle\" transform=\"rotate(-90 0 110)\">{up}</text>"
    );
    draw(body);
    body.push_str("</svg></figure>");
}

fn precision_recall(body: &mut String, objects: &Objects) {
    chart(body, "Precision over recall, mean of the categories", ["recall", "precision"], |body| {
        for (number, (overlap, curve)) in objects.curves.iter().enumerate() {
            let last = curve.len().saturating_sub(1).max(1) as f64;
            let points: Vec<String> = curve
                .iter()
                .enumerate()
                .map(|(at, &value)| {
                    let [x, y] = place(at as f64 / last, value);
                    format!("{x:.1},{y:.1}")
                })
                .collect();
            let y = 24 + 14 * number;
            let _ = write!(
                body,
                "<polyline class=\"line n{number}\" points=\"{}\"/>\
                 <text class=\"n{number}\" x=\"296\" y=\"{y}\" text-anchor=\"end\">IoU {overlap}</text>",
                points.join(" ")
            );
        }
    });
}

fn reliability(body: &mut String, objects: &Objects) {
    let title = match objects.calibration_error {
        Some(error) => format!("Reliability, ECE {error:.3}"),
        None => "Reliability".into(),
    };
    let most = objects.reliability.iter().map(|bin| bin.2).max().unwrap_or(1).max(1) as f64;
    chart(body, &title, ["confidence", "share that is right"], |body| {
        let ([x0, y0], [x1, y1]) = (place(0.0, 0.0), place(1.0, 1.0));
        let _ = write!(body, "<path class=\"grid\" d=\"M{x0:.1} {y0:.1}L{x1:.1} {y1:.1}\"/>");
        for &(confidence, right, count) in &objects.reliability {
            let [x, y] = place(confidence, right);
            let radius = 3.0 + 7.0 * (count as f64 / most).sqrt();
            let _ = write!(
                body,
                "<circle class=\"dot\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius:.1}\"><title>\
                 {count} found with {confidence:.2}: {right:.2} right</title></circle>"
            );
        }
    });
}

fn percent(value: Option<f64>) -> String {
    value.map_or("–".into(), |value| format!("{:.1}", value * 100.0))
}

/// AP and AR of all and of each size.
fn sizes(body: &mut String, objects: &Objects) {
    if objects.rows.is_empty() {
        return;
    }
    let value = |name: String| {
        let row = objects.rows.iter().find(|row| row.name.trim_end() == name);
        row.and_then(|row| row.value)
    };
    let mut most = objects.rows.iter().filter(|row| {
        row.name.strip_prefix("AR").is_some_and(|rest| rest.parse::<u32>().is_ok_and(|n| n < 50))
            || row.name == "AR100"
    });
    let all = most.next_back().and_then(|row| row.value);
    body.push_str(
        "<table class=\"plain\"><caption>By size (COCO), %</caption><thead><tr><th></th>\
         <th scope=\"col\">AP</th><th scope=\"col\">AR</th></tr></thead><tbody>",
    );
    let line = |name: &str, precision: Option<f64>, recall: Option<f64>| {
        let (precision, recall) =
            (percent(precision), recall.map_or(String::new(), |value| percent(Some(value))));
        format!("<tr><th scope=\"row\">{name}</th><td>{precision}</td><td>{recall}</td></tr>")
    };
    body.push_str(&line("all", value("AP".into()), all));
    for size in ["small", "medium", "large"] {
        let [precision, recall] = [value(format!("AP {size}")), value(format!("AR {size}"))];
        if precision.is_some() || recall.is_some() {
            body.push_str(&line(size, precision, recall));
        }
    }
    for at in ["AP50", "AP75"] {
        body.push_str(&line(&format!("at IoU 0.{}", &at[2..]), value(at.into()), None));
    }
    body.push_str("</tbody></table>");
}

fn classes(body: &mut String, objects: &Objects) {
    if objects.classes.is_empty() {
        return;
    }
    body.push_str(
        "<table class=\"plain\"><caption>By class</caption><thead><tr><th></th>\
         <th scope=\"col\">true</th><th scope=\"col\">AP, %</th></tr></thead><tbody>",
    );
    for class in objects.classes.iter().take(MOST_CLASSES) {
        let (name, ap) = (escaped(&class.name), percent(Some(class.precision)));
        let wanted = class.wanted;
        let _ =
            write!(body, "<tr><th scope=\"row\">{name}</th><td>{wanted}</td><td>{ap}</td></tr>");
    }
    body.push_str("</tbody></table>");
    if objects.classes.len() > MOST_CLASSES {
        let _ = write!(body, "<p>and {} more</p>", objects.classes.len() - MOST_CLASSES);
    }
}

fn confusion(body: &mut String, objects: &Objects) {
    if objects.names.is_empty() {
        return;
    }
    body.push_str(
        "<div class=\"wide\"><table class=\"confusion\"><caption>What (rows) was taken for what \
         (columns), IoU 0.5</caption><thead><tr><th></th>",
    );
    for name in &objects.names {
        let _ = write!(body, "<th scope=\"col\">{}</th>", escaped(name));
    }
    body.push_str("<th scope=\"col\">not found</th></tr></thead><tbody>");
    let names = objects.names.iter().map(String::as_str).chain(["nothing there"]);
    for (at, (name, row)) in names.zip(&objects.confusion).enumerate() {
        let sum = row.iter().sum::<u64>().max(1) as f64;
        let _ = write!(body, "<tr><th scope=\"row\">{}</th>", escaped(name));
        for (column, &count) in row.iter().enumerate() {
            let share = (count as f64 / sum * 100.0).round();
            let right = if at == column { " right" } else { "" };
            let shown = if count == 0 { String::new() } else { count.to_string() };
            let _ =
                write!(body, "<td class=\"cell{right}\" style=\"--share:{share}%\">{shown}</td>");
        }
        body.push_str("</tr>");
    }
    body.push_str("</tbody></table></div>");
}
