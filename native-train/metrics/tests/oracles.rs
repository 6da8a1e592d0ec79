//! Each metric against the official implementation: `oracles/make.py` made the cases and their
//! scores. Prints the table of `docs/metrics.md`:
//! `cargo test --release -p refvlm-metrics --test oracles -- --nocapture`.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use flate2::read::GzDecoder;
use refvlm_metrics::calibration::Calibration;
use refvlm_metrics::clicks::{Clicks, next_click};
use refvlm_metrics::coco::detection::Judged;
use refvlm_metrics::coco::files::{Kind, Pictures, read};
use refvlm_metrics::coco::{Detection, Region, Settings};
use refvlm_metrics::depth::{self, Crop, Depth};
use refvlm_metrics::expressions::{Boxes, Masks, TargetSample, Targets};
use refvlm_metrics::interactive::{self, Interactive};
use refvlm_metrics::panoptic::{Map, Panoptic, Segment};
use refvlm_metrics::semantic::Semantic;
use refvlm_metrics::text::{Bleu, Caption, Cider, Pope, Rouge, Vqa};
use refvlm_metrics::{Metric, Row};
use refvlm_record::{Mask, Rle};
use serde_json::Value;
use std::fs::File;
use std::path::Path;

/// The largest difference that a score may have.
const TOLERANCE: f64 = 1e-6;

/// Scores the cases of a fixture and compares each row that the official tool has.
fn hold(name: &str, score: impl Fn(&Value) -> Vec<Row>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracles");
    let file = File::open(folder.join(format!("{name}.json.gz"))).unwrap();
    let fixture: Value = serde_json::from_reader(GzDecoder::new(file)).unwrap();
    let cases = fixture["cases"].as_array().unwrap();
    assert!(cases.len() >= 230, "{name} has {} cases", cases.len());
    let (mut largest, mut compared) = (0.0f64, 0);
    for (number, case) in cases.iter().enumerate() {
        let rows = score(case);
        for (row, wanted) in case["want"].as_object().unwrap() {
            let found = rows.iter().find(|r| r.name == *row).unwrap_or_else(|| panic!("{row}"));
            let gap = match (found.value, wanted.as_f64()) {
                (Some(found), Some(wanted)) => (found - wanted).abs(),
                (None, None) => 0.0,
                (found, wanted) => panic!("{name} {number} {row}: {found:?}, not {wanted:?}"),
            };
            assert!(gap <= TOLERANCE, "{name} {number} {row}: {:?}, not {wanted}", found.value);
            largest = largest.max(gap);
            compared += 1;
        }
    }
    let tool = fixture["tool"].as_str().unwrap();
    println!("| {name} | {tool} | {} | {compared} | {largest:.1e} |", cases.len());
}

/// The samples of a case in two metrics that are merged, the later ones first.
fn halves<M: Metric>(
    case: &Value,
    empty: impl Fn() -> M,
    add: impl Fn(&mut M, &Value),
) -> Vec<Row> {
    let samples = case["samples"].as_array().unwrap();
    let (first, second) = samples.split_at(samples.len() / 2);
    let [mut first, second] = [first, second].map(|part| {
        let mut metric = empty();
        part.iter().for_each(|sample| add(&mut metric, sample));
        metric
    });
    first.merge(second);
    first.rows()
}

fn numbers(value: &Value) -> Vec<f64> {
    serde_json::from_value(value.clone()).unwrap()
}

fn region(value: &Value) -> Option<Region> {
    let rle: Option<Rle> = serde_json::from_value(value.clone()).unwrap();
    rle.map(|rle| Region::from_rle(&rle).unwrap())
}

fn strings(value: &Value) -> Vec<String> {
    serde_json::from_value(value.clone()).unwrap()
}

fn detection(case: &Value, kind: Kind, settings: Settings) -> Vec<Row> {
    let [found, truth] = ["results", "truth"].map(|key| serde_json::to_vec(&case[key]).unwrap());
    let agnostic = case["agnostic"].as_bool().unwrap();
    let settings = if agnostic { settings.class_agnostic() } else { settings };
    let pictures = read(kind, &found, &truth).unwrap();
    let judged: Vec<&dyn Judged> = match &pictures {
        Pictures::Boxes(list) => list.iter().map(|p| p as &dyn Judged).collect(),
        Pictures::Masks(list) => list.iter().map(|p| p as &dyn Judged).collect(),
        Pictures::Keypoints(list) => list.iter().map(|p| p as &dyn Judged).collect(),
    };
    // The last picture first, in two metrics.
    let mut metrics = [Detection::new(settings.clone()), Detection::new(settings)];
    for (at, picture) in judged.into_iter().enumerate().rev() {
        metrics[at % 2].add(picture).unwrap();
    }
    let [mut first, second] = metrics;
    first.merge(second);
    first.rows()
}

#[test]
fn boxes_as_pycocotools() {
    hold("coco-bbox", |case| detection(case, Kind::Boxes, Settings::objects()));
}

#[test]
fn masks_as_pycocotools() {
    hold("coco-segm", |case| detection(case, Kind::Masks, Settings::objects()));
}

#[test]
fn keypoints_as_pycocotools() {
    hold("coco-keypoints", |case| detection(case, Kind::Keypoints, Settings::keypoints()));
}

#[test]
fn captions_as_pycocoevalcap() {
    let caption = |sample: &Value| Caption::new(sample[0].as_str().unwrap(), &strings(&sample[1]));
    hold("captions", |case| {
        let mut rows = halves(case, Bleu::default, |m, s| m.add(&caption(s)).unwrap());
        rows.extend(halves(case, Rouge::default, |m, s| m.add(&caption(s)).unwrap()));
        rows.extend(halves(case, Cider::default, |m, s| m.add(&caption(s)).unwrap()));
        rows
    });
}

#[test]
fn answers_as_vqa_eval() {
    hold("vqa", |case| {
        halves(case, Vqa::default, |m, s| {
            m.add((s[0].as_str().unwrap(), &strings(&s[1]))).unwrap();
        })
    });
}

#[test]
fn yes_and_no_as_pope() {
    hold("pope", |case| {
        halves(case, Pope::default, |m, s| {
            m.add((s[0].as_str().unwrap(), s[1].as_bool().unwrap())).unwrap();
        })
    });
}

#[test]
fn referred_boxes() {
    let four = |value: &Value| <[f64; 4]>::try_from(numbers(value)).unwrap();
    hold("rec", |case| {
        halves(case, Boxes::default, |m, s| {
            let found = (!s[0].is_null()).then(|| four(&s[0]));
            m.add((found, four(&s[1]))).unwrap();
        })
    });
}

#[test]
fn referred_masks() {
    hold("res", |case| {
        halves(case, Masks::default, |m, s| {
            m.add((region(&s[0]).as_ref(), &region(&s[1]).unwrap())).unwrap();
        })
    });
}

#[test]
fn expressions_without_target_as_rela() {
    hold("gref", |case| {
        halves(case, Targets::default, |m, s| {
            let (found, truth) = (region(&s[1]), region(&s[2]));
            let refused = s[0].as_bool().unwrap();
            let (found, truth) = (found.as_ref(), truth.as_ref());
            m.add(TargetSample { refused, found, truth }).unwrap();
        })
    });
}

#[test]
fn boundaries_as_davis() {
    let mask =
        |value: &Value| serde_json::from_value::<Rle>(value.clone()).unwrap().to_mask().unwrap();
    hold("interactive", |case| {
        halves(case, Interactive::default, |m, s| {
            let (kind, found, truth) = (s[0].as_str().unwrap(), mask(&s[1]), mask(&s[2]));
            m.add(interactive::Sample { kind, found: Some(&found), truth: &truth }).unwrap();
        })
    });
}

#[test]
fn clicks_as_f_brs() {
    let mask =
        |value: &Value| serde_json::from_value::<Rle>(value.clone()).unwrap().to_mask().unwrap();
    hold("clicks", |case| {
        let most = case["most"].as_u64().unwrap() as usize;
        let mut places = Vec::new();
        let mut things = Vec::new();
        for sample in case["samples"].as_array().unwrap() {
            let truth = mask(&sample[0]);
            let (mut found, mut before) = (Mask::zeros(truth.width, truth.height), Vec::new());
            let mut steps = Vec::new();
            for answer in sample[1].as_array().unwrap() {
                let click = next_click(&truth, &found, &before).unwrap().unwrap();
                before.push(click);
                found = mask(answer);
                let pairs = || found.pixels.iter().zip(&truth.pixels);
                let count = |of: fn(u8, u8) -> u8| pairs().filter(|p| of(*p.0, *p.1) == 1).count();
                steps.push((
                    click.positive,
                    count(|a, b| a & b) as f64 / count(|a, b| a | b) as f64,
                ));
            }
            places.extend(before);
            things.push(steps);
        }
        let mut metrics = [Clicks::new(most), Clicks::new(most)];
        for (at, steps) in things.iter().enumerate() {
            metrics[at % 2].add(steps).unwrap();
        }
        let [mut first, second] = metrics;
        first.merge(second);
        let mut rows = first.rows();
        for (at, click) in places.iter().enumerate() {
            let kind = f64::from(u8::from(click.positive));
            for (name, value) in [("kind", kind), ("x", click.x.into()), ("y", click.y.into())] {
                rows.push(Row::mean(format!("{name} of click {at}"), value, 1));
            }
        }
        rows
    });
}

#[test]
fn semantic_as_scikit_learn() {
    let labels = |value: &Value| -> Vec<u32> { serde_json::from_value(value.clone()).unwrap() };
    hold("semantic", |case| {
        let classes = case["classes"].as_u64().unwrap() as usize;
        halves(
            case,
            || Semantic::new(classes),
            |m, s| {
                m.add((&labels(&s[0]), &labels(&s[1]))).unwrap();
            },
        )
    });
}

#[test]
fn panoptic_as_panopticapi() {
    let map = |value: &Value| -> (Vec<u32>, Vec<Segment>) {
        let rows: Vec<[u64; 3]> = serde_json::from_value(value[1].clone()).unwrap();
        let segment = |&[id, category, crowd]: &[u64; 3]| Segment {
            id: id as u32,
            category,
            crowd: crowd == 1,
        };
        (serde_json::from_value(value[0].clone()).unwrap(), rows.iter().map(segment).collect())
    };
    let categories = [(1, true), (2, true), (3, false), (4, false)];
    hold("panoptic", |case| {
        halves(
            case,
            || Panoptic::new(&categories),
            |m, s| {
                let (found, truth) = (map(&s[0]), map(&s[1]));
                let [found, truth] = [&found, &truth].map(|m| Map { pixels: &m.0, segments: &m.1 });
                m.add((found, truth)).unwrap();
            },
        )
    });
}

#[test]
fn nyu_as_bts() {
    hold("depth-nyu", |case| {
        halves(
            case,
            || Depth::new(depth::Settings::NYU),
            |m, s| {
                let size = [0, 1].map(|at| s[at].as_u64().unwrap() as usize);
                let (mut found, mut truth) =
                    (vec![1.0; size[0] * size[1]], vec![0.0; size[0] * size[1]]);
                for place in s[2].as_array().unwrap() {
                    let at = place[0].as_u64().unwrap() as usize;
                    (found[at], truth[at]) =
                        (place[1].as_f64().unwrap(), place[2].as_f64().unwrap());
                }
                m.add(depth::Sample { width: size[0], found: &found, truth: &truth }).unwrap();
            },
        )
    });
}

#[test]
fn depth_as_monodepth2() {
    hold("depth", |case| {
        let crop = match case["crop"].as_str().unwrap() {
            "kitti-garg" => Crop::KittiGarg,
            "kitti-eigen" => Crop::KittiEigen,
            _ => Crop::Whole,
        };
        let far_m = case["far"].as_f64().unwrap();
        let median_scaling = case["scaled"].as_bool().unwrap();
        let settings = depth::Settings { crop, near_m: 1e-3, far_m, median_scaling };
        halves(
            case,
            || Depth::new(settings),
            |m, s| {
                let (found, truth) = (numbers(&s[1]), numbers(&s[2]));
                let width = s[0].as_u64().unwrap() as usize;
                m.add(depth::Sample { width, found: &found, truth: &truth }).unwrap();
            },
        )
    });
}

#[test]
fn calibration_as_scikit_learn() {
    hold("calibration", |case| {
        let bins = case["bins"].as_u64().unwrap() as usize;
        halves(
            case,
            || Calibration::new(bins),
            |m, s| {
                m.add((s[0].as_f64().unwrap(), s[1].as_bool().unwrap())).unwrap();
            },
        )
    });
}

/// pycocotools marks a match by the annotation's id, so an annotation with the id 0 counts as
/// never found. By COCO's own definition a perfect answer has AP 1, and here it has.
#[test]
fn an_annotation_with_the_id_0_can_be_found() {
    let truth = br#"{"images": [{"id": 1}], "categories": [{"id": 1}], "annotations":
        [{"id": 0, "image_id": 1, "category_id": 1, "bbox": [0, 0, 9, 9], "area": 81}]}"#;
    let found = br#"[{"image_id": 1, "category_id": 1, "bbox": [0, 0, 9, 9], "score": 1}]"#;
    let Pictures::Boxes(pictures) = read(Kind::Boxes, found, truth).unwrap() else { panic!() };
    let mut metric = Detection::new(Settings::objects());
    metric.add(&pictures[0]).unwrap();
    // 1 but for the 2e-16 that pycocotools adds to what it divides by.
    assert!(metric.rows()[0].value.is_some_and(|ap| (ap - 1.0).abs() < 1e-12));
}

/// What `rows` averages over categories and thresholds: AP of each category, and the curve whose
/// mean is AP50.
#[test]
fn curves_and_categories_add_up_to_ap() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracles");
    let file = File::open(folder.join("coco-bbox.json.gz")).unwrap();
    let fixture: Value = serde_json::from_reader(GzDecoder::new(file)).unwrap();
    let mut compared = 0;
    for case in fixture["cases"].as_array().unwrap() {
        let [found, truth] =
            ["results", "truth"].map(|key| serde_json::to_vec(&case[key]).unwrap());
        let Pictures::Boxes(pictures) = read(Kind::Boxes, &found, &truth).unwrap() else {
            panic!()
        };
        let mut metric = Detection::new(Settings::objects());
        pictures.iter().for_each(|picture| metric.add(picture).unwrap());
        let rows = metric.rows();
        let row = |name: &str| rows.iter().find(|row| row.name == name).unwrap().value;
        let Some(curve) = metric.curve(0) else {
            assert_eq!(row("AP50"), None);
            continue;
        };
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        assert!((mean(&curve) - row("AP50").unwrap()).abs() < 1e-12);
        let own: Vec<f64> = metric.by_category().iter().map(|category| category.1).collect();
        assert!((mean(&own) - row("AP").unwrap()).abs() < 1e-12);
        compared += 1;
    }
    assert!(compared > 200, "{compared}");
}
