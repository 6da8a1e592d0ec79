//! An answer as COCO JSON.

use crate::conversation::answer::Answer;
use refvlm_protocol::Shape;
use refvlm_record::answer::Found;
use refvlm_record::coco::{JOINT_VISIBLE, JOINTS, SKELETON};
use refvlm_record::{Counts, Rle};
use serde::Serialize;

/// A COCO file.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Coco {
    images: [Image; 1],
    annotations: Vec<Annotation>,
    categories: Vec<Category>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct Image {
    id: u32,
    file_name: String,
    width: u32,
    height: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct Annotation {
    id: u32,
    image_id: u32,
    category_id: u32,
    bbox: [f32; 4],
    area: f32,
    iscrowd: u8,
    score: f32,
    #[serde(skip_serializing_if = "Option::is_none")]
    segmentation: Option<Rle>,
    #[serde(skip_serializing_if = "Option::is_none")]
    keypoints: Option<Vec<f32>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    num_keypoints: Option<usize>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct Category {
    id: u32,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    keypoints: Option<[&'static str; 17]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    skeleton: Option<[[u32; 2]; 19]>,
}

impl Coco {
    /// The boxes, masks and keypoints of an answer; each phrase is a category. COCO has no form
    /// for depth.
    pub fn new(answer: &Answer, file_name: &str, picture_px: [u32; 2]) -> Self {
        let (mut annotations, mut categories) = (Vec::new(), Vec::<Category>::new());
        for triplet in &answer.said.triplets {
            for found in &triplet.found {
                let Some(bbox) = found.bbox() else { continue };
                let joints = matches!(found.shape, Shape::Keypoint { .. });
                let known = categories
                    .iter()
                    .find(|c| c.name == triplet.concept && c.keypoints.is_some() == joints);
                let category_id = match known {
                    Some(category) => category.id,
                    None => {
                        let id = categories.len() as u32 + 1;
                        categories.push(Category {
                            id,
                            name: triplet.concept.clone(),
                            keypoints: joints.then_some(JOINTS),
                            skeleton: joints.then_some(SKELETON),
                        });
                        id
                    }
                };
                let id = annotations.len() as u32 + 1;
                annotations.push(annotation(id, category_id, bbox, found));
            }
        }
        let [width, height] = picture_px;
        let image = Image { id: 1, file_name: file_name.into(), width, height };
        Self { images: [image], annotations, categories }
    }

    /// Whether there is anything in it.
    pub fn is_empty(&self) -> bool {
        self.annotations.is_empty()
    }
}

fn annotation(id: u32, category_id: u32, bbox: [f32; 4], found: &Found) -> Annotation {
    let segmentation = match &found.shape {
        Shape::Mask { mask, .. } => Some(runs(mask)),
        _ => None,
    };
    let area = match &found.mask {
        Some(mask) => mask.area() as f32,
        None => bbox[2] * bbox[3],
    };
    let keypoints = match &found.shape {
        Shape::Keypoint { keypoints, .. } => Some(keypoints),
        _ => None,
    };
    let there = |p: &&[f32; 3]| p[2] > JOINT_VISIBLE;
    Annotation {
        id,
        image_id: 1,
        category_id,
        bbox,
        area,
        iscrowd: 0,
        score: found.confidence,
        segmentation,
        keypoints: keypoints.map(|rows| {
            rows.iter().flat_map(|p| if there(&p) { [p[0], p[1], 2.0] } else { [0.0; 3] }).collect()
        }),
        num_keypoints: keypoints.map(|rows| rows.iter().filter(there).count()),
    }
}

/// Run lengths as numbers, which every reader takes.
fn runs(mask: &Rle) -> Rle {
    match &mask.counts {
        Counts::Runs(_) => mask.clone(),
        Counts::Compressed(_) => mask.to_mask().map_or_else(|_| mask.clone(), |m| m.to_rle()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use refvlm_protocol::{Event, Unit};
    use serde_json::{Value, json};

    fn answer(parts: &[(&str, Unit, Shape)]) -> Answer {
        let mut answer = Answer::default();
        for (triplet, (concept, unit, shape)) in parts.iter().enumerate() {
            let concept = concept.to_string();
            answer.take(Event::Triplet { triplet, concept, unit: *unit, count: 1 });
            let shape = shape.clone();
            answer.take(Event::Unit { triplet, index: 0, confidence: 0.5, shape });
        }
        answer
    }

    #[test]
    fn each_unit_becomes_what_coco_calls_it() {
        let mut rows = vec![[1.0, 2.0, 0.9]; 17];
        rows[3][2] = 0.1;
        let answer = answer(&[
            ("dog", Unit::Box, Shape::Box { bbox: [1.0, 2.0, 3.0, 4.0] }),
            (
                "dog",
                Unit::Mask,
                Shape::Mask {
                    mask: Rle { size: [2, 2], counts: Counts::Runs(vec![1, 2, 1]) },
                    bbox: [0.0, 0.0, 2.0, 2.0],
                },
            ),
            ("man", Unit::Keypoint, Shape::Keypoint { bbox: [0.0; 4], keypoints: rows }),
            ("depth", Unit::Depth, Shape::Depth { width: 1, height: 1, metres: vec![1.0] }),
        ]);
        let coco = Coco::new(&answer, "a.png", [2, 2]);
        let json: Value = serde_json::to_value(&coco).unwrap();
        assert_eq!(json["images"][0]["file_name"], "a.png");
        assert_eq!(json["annotations"].as_array().unwrap().len(), 3, "depth has no form in COCO");
        assert_eq!(json["annotations"][0]["area"], 12.0);
        assert_eq!(json["annotations"][1]["area"], 2.0);
        assert_eq!(
            json["annotations"][1]["segmentation"],
            json!({"size": [2,2], "counts": [1,2,1]})
        );
        assert_eq!(json["annotations"][2]["num_keypoints"], 16);
        assert_eq!(json["annotations"][2]["keypoints"].as_array().unwrap().len(), 51);
        assert_eq!(json["categories"].as_array().unwrap().len(), 2);
        assert_eq!(json["categories"][1]["keypoints"].as_array().unwrap().len(), 17);
        assert_eq!(json["annotations"][0]["category_id"], json["annotations"][1]["category_id"]);
    }

    #[test]
    fn nothing_found_is_an_empty_file() {
        assert!(Coco::new(&Answer::default(), "a.png", [2, 2]).is_empty());
    }
}
