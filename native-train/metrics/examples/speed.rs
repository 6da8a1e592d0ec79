//! Scores the files of `tests/oracles/speed.py`, which times it: `speed boxes|captions FOLDER`.

use refvlm_metrics::coco::detection::Judged;
use refvlm_metrics::coco::files::{Kind, Pictures, read};
use refvlm_metrics::coco::{Detection, Settings};
use refvlm_metrics::text::{Caption, Cider, lines};
use refvlm_metrics::{Metric, gather};
use std::error::Error;
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [kind, folder] = arguments.as_slice() else {
        return Err("speed boxes|captions FOLDER".into());
    };
    let folder = Path::new(folder);
    let score = if kind == "boxes" { boxes(folder)? } else { captions(folder)? };
    println!("score {}", score.unwrap_or(-1.0));
    Ok(())
}

fn boxes(folder: &Path) -> Result<Option<f64>, Box<dyn Error>> {
    let [found, truth] = ["found.json", "truth.json"].map(|name| std::fs::read(folder.join(name)));
    let Pictures::Boxes(pictures) = read(Kind::Boxes, &found?, &truth?)? else { return Ok(None) };
    let empty = || Detection::new(Settings::objects());
    let metric = gather(&pictures, empty, |metric, picture| picture.judge(metric))?;
    Ok(metric.rows().first().and_then(|row| row.value))
}

fn captions(folder: &Path) -> Result<Option<f64>, Box<dyn Error>> {
    let [answers, references] =
        ["answers.jsonl", "references.jsonl"].map(|name| std::fs::read(folder.join(name)));
    let pairs = lines::read(&answers?, &references?)?;
    let metric = gather(&pairs, Cider::default, |metric, pair| {
        metric.add(&Caption::new(&pair.answer, &pair.truths))
    })?;
    Ok(metric.rows().first().and_then(|row| row.value))
}
