//! How long COCO's AP of boxes takes: `speed FOUND TRUTH`, files as `tests/oracles/speed.py` makes
//! them.

use refvlm_metrics::coco::detection::Judged;
use refvlm_metrics::coco::files::{Kind, Pictures, read};
use refvlm_metrics::coco::{Detection, Settings};
use refvlm_metrics::{Metric, gather};
use std::time::Instant;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [found, truth] = arguments.as_slice() else { return Err("speed FOUND TRUTH".into()) };
    let started = Instant::now();
    let pictures = read(Kind::Boxes, &std::fs::read(found)?, &std::fs::read(truth)?)?;
    let Pictures::Boxes(pictures) = pictures else { return Ok(()) };
    println!("read {:.2} s", started.elapsed().as_secs_f64());
    let started = Instant::now();
    let empty = || Detection::new(Settings::objects());
    let metric = gather(&pictures, empty, |metric, picture| picture.judge(metric))?;
    let rows = metric.rows();
    println!("score {:.2} s", started.elapsed().as_secs_f64());
    for row in rows.iter().take(3) {
        println!("{} {:.6}", row.name, row.value.unwrap_or(-1.0));
    }
    Ok(())
}
