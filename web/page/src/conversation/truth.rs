//! What a generated scene knows about itself, and how well an answer agrees with it.

use crate::canvas::geometry::box_iou;
use refvlm_protocol::{Record, Shape};
use refvlm_record::answer::Found;
use refvlm_record::{AnswerPart, Mask, Target, depth};
use std::sync::Arc;

/// One object of a scene.
#[derive(Debug, Clone, PartialEq)]
pub struct Known {
    /// What the scene calls it; empty where no turn names it.
    pub name: String,
    /// Box, mask and joints, px.
    pub target: Target,
    /// The mask unpacked.
    pub mask: Option<Arc<Mask>>,
}

/// The truth about a scene.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Truth {
    /// Every object.
    pub objects: Vec<Known>,
    /// Distance of every pixel in metres, row-major; empty where it is not known.
    pub depth_m: Arc<Vec<f32>>,
    /// Columns and rows of the picture.
    pub picture_px: [u32; 2],
}

impl Truth {
    /// Of a scene's record and its distances.
    pub fn new(record: &Record, depth_m: Vec<f32>) -> Self {
        let object = |target: &Target| Known {
            name: String::new(),
            target: target.clone(),
            mask: target.mask.as_ref().and_then(|mask| mask.to_mask().ok()).map(Arc::new),
        };
        let mut objects: Vec<Known> = record.targets.iter().map(object).collect();
        let answers = record.turns.iter().flat_map(|turn| &turn.answer);
        for part in answers {
            let AnswerPart::Triplet { concept, targets, .. } = part else { continue };
            for &at in targets {
                if let Some(known) = objects.get_mut(at).filter(|known| known.name.is_empty()) {
                    known.name.clone_from(concept);
                }
            }
        }
        // Depth alone is no object.
        objects.retain(|known| known.target.bbox.is_some() || known.mask.is_some());
        let picture_px = [record.image.width, record.image.height];
        Self { objects, depth_m: Arc::new(depth_m), picture_px }
    }

    /// How well a decoded target agrees with the truth: for boxes, masks and bodies (their boxes)
    /// the IoU with the object that fits best.
    pub fn agreement(&self, found: &Found) -> Option<Agreement> {
        let best = |iou: &dyn Fn(&Known) -> Option<f32>| {
            let rated = self.objects.iter().filter_map(iou);
            rated.max_by(f32::total_cmp).map(Agreement::Iou)
        };
        match &found.shape {
            Shape::Box { bbox } => best(&|known| Some(box_iou(*bbox, known.target.bbox?))),
            Shape::Keypoint { bbox, .. } => best(&|known| {
                known.target.keypoints.as_ref()?;
                Some(box_iou(*bbox, known.target.bbox?))
            }),
            Shape::Mask { .. } => {
                let mask = found.mask.as_deref()?;
                best(&|known| {
                    let truth = known.mask.as_deref()?;
                    let same = truth.width == mask.width && truth.height == mask.height;
                    same.then(|| mask.iou(truth))
                })
            }
            Shape::Depth { width, height, metres } => {
                self.depth_error([*width, *height], metres).map(Agreement::AbsRel)
            }
        }
    }

    /// Mean of `|predicted - true| / true` over the pixels whose distance is known; the map is read
    /// at its nearest cell.
    fn depth_error(&self, map: [u32; 2], metres: &[f32]) -> Option<f32> {
        let [width, height] = self.picture_px.map(|side| side as usize);
        let [columns, rows] = map.map(|side| side as usize);
        if metres.len() != columns * rows || self.depth_m.len() != width * height {
            return None;
        }
        let (mut sum, mut count) = (0.0_f64, 0_u32);
        for (at, &truth) in self.depth_m.iter().enumerate() {
            let (x, y) = (at % width, at / width);
            let cell = (y * rows / height) * columns + x * columns / width;
            let Some(&guess) = metres.get(cell) else { continue };
            if depth::known(truth) && guess.is_finite() {
                sum += f64::from((guess - truth).abs() / truth);
                count += 1;
            }
        }
        (count > 0).then(|| (sum / f64::from(count)) as f32)
    }
}

/// How well a decoded target agrees with the truth.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Agreement {
    /// Intersection over union, 1 is best.
    Iou(f32),
    /// Relative error of distances, 0 is best.
    AbsRel(f32),
}

impl Agreement {
    /// As it is shown: `IoU 0.83`.
    pub fn label(self) -> String {
        match self {
            Agreement::Iou(iou) => format!("IoU {iou:.2}"),
            Agreement::AbsRel(error) => format!("AbsRel {error:.2}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn truth() -> Truth {
        let record = r#"{"id":"s","image":{"path":"s.png","width":4,"height":2},
            "targets":[{"box":[0,0,2,2],"mask":{"size":[2,4],"counts":[0,4,4]}},
                       {"box":[2,0,2,1]}],
            "turns":[{"task":"segmentation","question":["Segment."],
                "answer":[{"concept":"dog","unit":"mask","targets":[0]}]}]}"#;
        Truth::new(
            &Record::from_json(record).unwrap(),
            vec![1.0, 1.0, 2.0, 2.0, 1.0, 1.0, 2.0, 0.0],
        )
    }

    fn found(shape: Shape) -> Found {
        Found::new(1.0, shape)
    }

    #[test]
    fn names_come_from_the_answers() {
        let names: Vec<_> = truth().objects.iter().map(|known| known.name.clone()).collect();
        assert_eq!(names, ["dog", ""]);
    }

    #[test]
    fn the_best_object_counts() {
        let truth = truth();
        let hit = found(Shape::Box { bbox: [2.0, 0.0, 2.0, 2.0] });
        assert_eq!(truth.agreement(&hit), Some(Agreement::Iou(0.5)));
        let mask = truth.objects[0].mask.as_ref().unwrap().to_rle();
        let exact = found(Shape::Mask { mask, bbox: [0.0, 0.0, 2.0, 2.0], others: Vec::new() });
        assert_eq!(truth.agreement(&exact), Some(Agreement::Iou(1.0)));
        let body = found(Shape::Keypoint { bbox: [0.0, 0.0, 2.0, 2.0], keypoints: vec![] });
        assert_eq!(truth.agreement(&body), None, "there is no person");
    }

    #[test]
    fn distances_are_compared_where_they_are_known() {
        let truth = truth();
        let map = |metres: Vec<f32>| found(Shape::Depth { width: 2, height: 1, metres });
        assert_eq!(truth.agreement(&map(vec![1.0, 2.0])), Some(Agreement::AbsRel(0.0)));
        let Some(Agreement::AbsRel(error)) = truth.agreement(&map(vec![1.5, 2.0])) else {
            panic!("an error")
        };
        assert!((error - 4.0 * 0.5 / 7.0).abs() < 1e-6);
        assert_eq!(truth.agreement(&map(vec![1.0])), None);
    }
}
