//! Prompts lie where people would put them.

use super::world::object;
use super::*;
use crate::Object;
use crate::dialog::prompts::{PromptKind, draw};
use refvlm_record::Prompt;

const SIZE: [u32; 2] = [128, 128];

/// A thick L, so that the line between two of its points may leave it.
fn corner() -> Object {
    let mut corner = object("dog", 5.0, [20, 10, 60, 90], SIZE);
    for y in 10..80 {
        for x in 35..80 {
            corner.mask.pixels[y * 128 + x] = 0;
        }
    }
    corner
}

fn on(object: &Object, x: i64, y: i64) -> bool {
    (0..128).contains(&x)
        && (0..128).contains(&y)
        && object.mask.pixels[(y * 128 + x) as usize] == 1
}

#[test]
fn points_are_inside_with_room_around() {
    let corner = corner();
    let mut columns = BTreeSet::new();
    for seed in 0..300 {
        let Some(Prompt::Point { x, y }) = draw(PromptKind::Point, &corner, &mut rng(seed)) else {
            panic!("no point")
        };
        let (column, row) = (x as i64, y as i64);
        let around = (-1..=1).flat_map(|dy| (-1..=1).map(move |dx| (column + dx, row + dy)));
        assert!(around.into_iter().all(|(x, y)| on(&corner, x, y)), "{x},{y}");
        columns.insert(column);
    }
    assert!(columns.len() > 25, "clicks spread over the object");
}

#[test]
fn boxes_are_off_by_at_most_a_tenth_and_stay_in_the_picture() {
    for (rect, seed) in [[20, 10, 60, 90], [0, 0, 128, 30], [100, 90, 28, 38]].into_iter().zip(0..)
    {
        let object = object("dog", 5.0, rect, SIZE);
        let mut distinct = BTreeSet::new();
        for k in 0..200 {
            let prompt = draw(PromptKind::Box, &object, &mut rng(seed * 1000 + k)).unwrap();
            prompt.check("prompt", 128, 128).unwrap();
            let Prompt::Box { x, y, w, h } = prompt else { panic!("no box") };
            let [bx, by, bw, bh] = object.bbox;
            // 8 % and a quarter pixel of rounding.
            let off = |a: f32, b: f32, side: f32| (a - b).abs() <= 0.08 * side + 0.25;
            assert!(off(x, bx, bw) && off(x + w, bx + bw, bw), "{x} {w}");
            assert!(off(y, by, bh) && off(y + h, by + bh, bh), "{y} {h}");
            distinct.insert(format!("{x} {y} {w} {h}"));
        }
        assert!(distinct.len() > 50);
    }
}

#[test]
fn scribbles_have_three_to_six_corners_on_the_object() {
    let corner = corner();
    let mut lengths = BTreeSet::new();
    for seed in 0..300 {
        let Some(Prompt::Scribble { points }) = draw(PromptKind::Scribble, &corner, &mut rng(seed))
        else {
            panic!("no scribble")
        };
        assert!(points.iter().all(|p| on(&corner, p[0] as i64, p[1] as i64)));
        lengths.insert(points.len());
    }
    assert_eq!(lengths.into_iter().collect::<Vec<_>>(), [3, 4, 5, 6]);
}

#[test]
fn painted_masks_are_rough_but_mean_the_object() {
    let (corner, mut exact) = (corner(), 0);
    for seed in 0..200 {
        let Some(Prompt::Mask { mask }) = draw(PromptKind::Mask, &corner, &mut rng(seed)) else {
            panic!("no mask")
        };
        let iou = mask.to_mask().unwrap().iou(&corner.mask);
        assert!(iou > 0.5, "{iou}");
        exact += usize::from(iou == 1.0);
    }
    assert!(exact < 5);
}

#[test]
fn a_sliver_can_be_pointed_at_and_nothing_can_not() {
    let sliver = object("dog", 5.0, [40, 20, 1, 30], SIZE);
    let nothing = object("dog", 5.0, [40, 20, 0, 0], SIZE);
    for kind in PromptKind::ALL {
        let prompt = draw(kind, &sliver, &mut rng(4)).unwrap();
        prompt.check("prompt", 128, 128).unwrap();
        assert_eq!(draw(kind, &nothing, &mut rng(4)), None);
    }
}

#[test]
fn prompts_point_at_what_the_answer_means() {
    let mut seen = BTreeSet::new();
    for kind in [Kind::PromptMask, Kind::PromptBox, Kind::PromptKeypoints] {
        for (scene, dialogue) in many(kind, 200) {
            let answer = &dialogue.record.turns[0].answer;
            let targets: Vec<usize> = answer
                .iter()
                .filter_map(|part| match part {
                    AnswerPart::Triplet { targets, concept, .. } => {
                        assert_eq!(targets.len(), 1);
                        assert_eq!(concept, scene.objects[targets[0]].class);
                        Some(targets[0])
                    }
                    AnswerPart::Text(_) => None,
                })
                .collect();
            for (prompt, target) in dialogue.record.prompts.iter().zip(targets) {
                seen.insert((kind, prompt.kind()));
                let at = |p: [f32; 2]| {
                    let at = p[1] as usize * scene.width as usize + p[0] as usize;
                    scene.objects.iter().position(|object| object.mask.pixels[at] == 1)
                };
                match prompt {
                    Prompt::Point { x, y } => assert_eq!(at([*x, *y]), Some(target)),
                    Prompt::Scribble { points } => {
                        assert!(points.iter().all(|&p| at(p) == Some(target)));
                    }
                    Prompt::Mask { mask } => {
                        let mask = mask.to_mask().unwrap();
                        let best = (0..scene.objects.len()).max_by(|&a, &b| {
                            let iou = |k: usize| mask.iou(&scene.objects[k].mask);
                            iou(a).total_cmp(&iou(b))
                        });
                        assert_eq!(best, Some(target));
                    }
                    Prompt::Box { x, .. } => {
                        let [left, _, width, _] = scene.objects[target].bbox;
                        assert!((x - left).abs() <= 0.08 * width + 0.25);
                    }
                }
            }
        }
    }
    assert_eq!(seen.len(), 11, "four kinds, but a box never asks for a box: {seen:?}");
}

/// Every object is pointed at once, and all that can be decoded of it is asked for.
#[test]
fn pointing_covers_every_object() {
    let world = crate::World::new().unwrap();
    let options = crate::SceneOptions::embedded(crate::Split::Train);
    let mut people = 0;
    for seed in 0..60 {
        let scene = world.scene(seed, &options);
        let record = pointing(&scene, &mut rng(seed));
        record.check().unwrap();
        assert_eq!(record.turns.len(), scene.objects.len());
        for (index, turn) in record.turns.iter().enumerate() {
            let units: Vec<_> = turn
                .answer
                .iter()
                .filter_map(|part| match part {
                    refvlm_record::AnswerPart::Triplet { unit, targets, .. } => {
                        assert_eq!(targets[..], [index]);
                        Some(*unit)
                    }
                    _ => None,
                })
                .collect();
            let mut expected = vec![Unit::Box, Unit::Mask];
            if scene.objects[index].keypoints.is_some() {
                expected.push(Unit::Keypoint);
                people += 1;
            }
            assert_eq!(units, expected);
            if let Prompt::Point { x, y } = record.prompts[index] {
                assert!(on_scene(&scene, index, x, y), "the click lies on the object");
            }
        }
    }
    assert!(people > 5, "people were among them");
}

fn on_scene(scene: &crate::Scene, index: usize, x: f32, y: f32) -> bool {
    let mask = &scene.objects[index].mask;
    mask.pixels[y as usize * mask.width as usize + x as usize] == 1
}
