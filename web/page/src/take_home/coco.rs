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
    /// The words of the answer.
    phrase: String,
    segmentation: Segmentation,
    #[serde(skip_serializing_if = "Option::is_none")]
    keypoints: Option<Vec<f32>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    num_keypoints: Option<usize>,
}

/// The runs of a mask, or the outline of a box: many readers refuse an annotation without either.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
enum Segmentation {
    Runs(Rle),
    Polygons([[f32; 8]; 1]),
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
    /// The boxes, masks and keypoints of an answer; a phrase's class is its category. COCO has
    /// no form for depth.
    pub fn new(answer: &Answer, file_name: &str, picture_px: [u32; 2]) -> Self {
        let (mut annotations, mut categories) = (Vec::new(), Vec::<Category>::new());
        for triplet in &answer.said.triplets {
            for found in &triplet.found {
                let Some(bbox) = found.bbox() else { continue };
                let joints = matches!(found.shape, Shape::Keypoint { .. });
                let class = class_of(&triplet.concept);
                let known =
                    categories.iter().find(|c| c.name == class && c.keypoints.is_some() == joints);
                let category_id = match known {
                    Some(category) => category.id,
                    None => {
                        let id = categories.len() as u32 + 1;
                        categories.push(Category {
                            id,
                            name: class,
                            keypoints: joints.then_some(JOINTS),
                            skeleton: joints.then_some(SKELETON),
                        });
                        id
                    }
                };
                let id = annotations.len() as u32 + 1;
                annotations.push(annotation(id, category_id, bbox, found, &triplet.concept));
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

/// The class of a phrase: its words up to the first that tells where or how, without articles and
/// what describes it.
fn class_of(phrase: &str) -> String {
    const BEHIND: [&str; 22] = [
        "on", "in", "at", "with", "of", "behind", "near", "under", "over", "above", "below",
        "next", "beside", "by", "to", "from", "that", "which", "who", "wearing", "holding",
        "between",
    ];
    const BEFORE: [&str; 40] = [
        "a", "an", "the", "this", "that", "one", "two", "three", "four", "some", "another",
        "other", "red", "green", "blue", "yellow", "orange", "purple", "pink", "brown", "black",
        "white", "grey", "gray", "golden", "dark", "light", "left", "right", "small", "large",
        "big", "tall", "little", "nearest", "farthest", "first", "second", "young", "old",
    ];
    let phrase = phrase.to_lowercase();
    let words: Vec<&str> = phrase.split_whitespace().collect();
    let end = words.iter().skip(1).position(|word| BEHIND.contains(word));
    let head = words.get(..end.map_or(words.len(), |end| end + 1)).unwrap_or_default();
    // The last word stays whatever it is: an orange is a class.
    let most = head.len().saturating_sub(1);
    let start = head.iter().take(most).take_while(|word| BEFORE.contains(word)).count();
    let class = head.get(start..).unwrap_or_default().join(" ");
    if class.is_empty() { "thing".into() } else { class }
}

fn annotation(
    id: u32,
    category_id: u32,
    bbox: [f32; 4],
    found: &Found,
    phrase: &str,
) -> Annotation {
    let [x, y, w, h] = bbox;
    let segmentation = match &found.shape {
        Shape::Mask { mask, .. } => Segmentation::Runs(runs(mask)),
        _ => Segmentation::Polygons([[x, y, x + w, y, x + w, y + h, x, y + h]]),
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
        phrase: phrase.into(),
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
                    others: Vec::new(),
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
        for annotation in json["annotations"].as_array().unwrap() {
            assert_eq!(annotation["iscrowd"], 0);
            assert!(annotation["area"].is_number() && !annotation["segmentation"].is_null());
        }
        let corners = json!([[1.0, 2.0, 4.0, 2.0, 4.0, 6.0, 1.0, 6.0]]);
        assert_eq!(json["annotations"][0]["segmentation"], corners);
        assert_eq!(json["annotations"][2]["num_keypoints"], 16);
        assert_eq!(json["annotations"][2]["keypoints"].as_array().unwrap().len(), 51);
        assert_eq!(json["categories"].as_array().unwrap().len(), 2);
        assert_eq!(json["categories"][1]["keypoints"].as_array().unwrap().len(), 17);
        assert_eq!(json["annotations"][0]["category_id"], json["annotations"][1]["category_id"]);
    }

    #[test]
    fn a_phrase_has_a_class() {
        for (phrase, class) in [
            ("a brown dog on the left", "dog"),
            ("The traffic light", "traffic light"),
            ("an orange", "orange"),
            ("two people wearing hats", "people"),
            ("region", "region"),
            ("", "thing"),
        ] {
            assert_eq!(class_of(phrase), class);
        }
    }

    #[test]
    fn nothing_found_is_an_empty_file() {
        assert!(Coco::new(&Answer::default(), "a.png", [2, 2]).is_empty());
    }
}
