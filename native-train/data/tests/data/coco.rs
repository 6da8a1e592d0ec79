//! Reading folders in COCO format, sound and damaged.

use crate::support::{Folder, joints, runs, scene};
use refvlm_data::{Collection, DataError};
use serde_json::json;

#[test]
fn a_sound_folder_is_read_whole() {
    let folder = scene();
    let collection = Collection::open(&folder.0).unwrap();
    assert!(collection.faults.is_empty(), "{:?}", collection.faults);
    let [photo] = &collection.photos[..] else { panic!("one photo") };
    let names: Vec<_> = photo.things.iter().map(|thing| thing.noun()).collect();
    assert_eq!(names, ["dog", "dog", "person", "tree"]);
    assert_eq!(photo.captions[0], "A person with two dogs.");
    assert!(photo.complete && photo.complete_for.contains("traffic light"));
    assert_eq!(photo.licence, "CC0");
    let areas: Vec<_> = photo.things.iter().map(|t| t.decoded().unwrap().area()).collect();
    assert_eq!(areas, [16 * 12, 28 * 24 - 16, 20 * 40, 30 * 26], "the hole stays a hole");
    assert_eq!(photo.things[2].joints.unwrap()[6], [46.0, 24.0, 2.0]);
    assert_eq!(photo.load().unwrap().dimensions(), (96, 64));
}

/// Half of a JPEG would be learned as a picture whose lower half is grey.
#[test]
fn a_photo_of_which_a_part_is_missing_is_refused() {
    let folder = scene();
    let mut photo = Collection::open(&folder.0).unwrap().photos.remove(0);
    let paint = |x: u32, y: u32| image::Rgb([(x * 77) as u8, (y * 131) as u8, (x * y) as u8]);
    photo.path = folder.0.join("whole.jpg");
    image::RgbImage::from_fn(96, 64, paint).save(&photo.path).unwrap();
    photo.load().unwrap();
    let bytes = std::fs::read(&photo.path).unwrap();
    std::fs::write(&photo.path, [&bytes[..bytes.len() / 2], b"\xFF\xD9"].concat()).unwrap();
    let error = photo.load().unwrap_err().to_string();
    assert!(error.contains("whole.jpg: truncated or damaged"), "{error}");
}

#[test]
fn a_folder_of_folders_is_read_by_name() {
    let folder = scene();
    let collection = Collection::open(folder.0.parent().unwrap()).unwrap();
    assert_eq!(collection.photos[0].source.name, "made");
}

#[test]
fn odd_names_ids_and_forms_are_taken() {
    let folder = Folder::new("odd");
    folder.picture("Füchse 狐.png", 20, 10);
    folder.json(
        "instances.json",
        &json!({
            "info": { "year": 2026 },
            "licenses": [{ "id": "by", "name": "CC BY" }],
            "images": [
                { "id": "eins", "file_name": "Füchse 狐.png", "width": 20, "height": 10, "license": "by" },
            ],
            "categories": [{ "id": "f", "name": "Fox" }],
            "annotations": [
                { "id": "a", "image_id": "eins", "category_id": "f", "iscrowd": 1,
                  "segmentation": runs(20, 10, [2, 2, 4, 4], None) },
                { "id": "b", "image_id": "eins", "category_id": "f", "bbox": [-5.0, 1.0, 9.0, 4.0],
                  "segmentation": [] },
                { "id": "c", "image_id": "eins", "category_id": "f", "bbox": [1, 1, 8, 8],
                  "keypoints": vec![0; 51], "segmentation": { "size": [10, 20], "counts": "X6" } },
            ],
        }),
    );
    let collection = Collection::open(&folder.0).unwrap();
    let photo = &collection.photos[0];
    assert_eq!((photo.id.as_str(), photo.licence.as_str()), ("eins", "CC BY"));
    let [crowd, clipped, empty] = &photo.things[..] else { panic!("{:?}", collection.faults) };
    assert!(crowd.crowd && crowd.bbox == [2.0, 2.0, 4.0, 4.0], "the box is that of the mask");
    assert_eq!(clipped.bbox, [0.0, 1.0, 4.0, 4.0]);
    assert!(clipped.mask.is_none());
    assert!(empty.joints.is_none() && empty.mask.is_none(), "v = 0 and no pixel: nothing labelled");
    assert!(!photo.complete && photo.complete_for.is_empty(), "nothing vouches for it");
    photo.load().unwrap();
}

#[test]
fn damaged_entries_are_left_out_with_place_and_remedy() {
    let folder = Folder::new("damaged");
    folder.picture("a.png", 20, 10);
    folder.json("source.json", &json!({ "complete": true, "complete_for": ["*"] }));
    let good = json!({ "id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 5, 5] });
    let broken = [
        (json!({ "bbox": [1, 1, 0, 5] }), "covers less"),
        (json!({ "bbox": [1, 1, 5] }), "3 numbers"),
        (json!({ "bbox": [1, 1, 5, 5], "image_id": 9 }), "no usable picture"),
        (json!({ "bbox": [1, 1, 5, 5], "category_id": 9 }), "no category"),
        (json!({}), "neither bbox"),
        (json!({ "bbox": [1, 1, 5, 5], "segmentation": "x" }), "neither polygons"),
        (json!({ "bbox": [1, 1, 5, 5], "segmentation": [[1, 2]] }), "at least 3"),
        (json!({ "bbox": [1, 1, 5, 5], "segmentation": runs(5, 5, [0, 0, 2, 2], None) }), "5x5"),
        (
            json!({ "bbox": [1, 1, 5, 5], "segmentation": { "size": [10, 20], "counts": [3] } }),
            "re-encode",
        ),
        (json!({ "bbox": [1, 1, 5, 5], "keypoints": [1, 2, 2] }), "17 times"),
        (json!({ "bbox": [1, 1, 5, 5], "keypoints": vec![7; 51] }), "v 0, 1 or 2"),
        (json!({ "bbox": [1, 1, 5, 5], "id": 1 }), "there before"),
    ];
    let mut annotations = vec![good];
    for (k, (fields, _)) in broken.iter().enumerate() {
        let mut entry = json!({ "id": 100 + k, "image_id": 1, "category_id": 1 });
        for (key, value) in fields.as_object().unwrap() {
            entry[key] = value.clone();
        }
        annotations.push(entry);
    }
    folder.json(
        "instances.json",
        &json!({
            "images": [
                { "id": 1, "file_name": "a.png", "width": 20, "height": 10 },
                { "id": 1, "file_name": "a.png", "width": 20, "height": 10 },
                { "id": 2, "file_name": "missing.png", "width": 20, "height": 10 },
                { "id": 3, "file_name": "../damaged/images/a.png", "width": 20, "height": 10 },
                { "id": 4, "file_name": "a.png", "width": 0, "height": 10 },
            ],
            "categories": [{ "id": 1, "name": "dog" }],
            "annotations": annotations,
        }),
    );
    let collection = Collection::open(&folder.0).unwrap();
    let faults: Vec<String> = collection.faults.iter().map(ToString::to_string).collect();
    assert_eq!(faults.len(), 4 + broken.len(), "{faults:#?}");
    for (k, (_, wanted)) in broken.iter().enumerate() {
        let place = format!("annotations[{}]", k + 1);
        let found = faults.iter().find(|fault| fault.contains(&place)).unwrap();
        assert!(found.contains(wanted), "{found}");
    }
    for place in ["images[1]", "images[2] (id 2)", "images[3]", "images[4]"] {
        assert!(faults.iter().any(|fault| fault.contains(place)), "{place}");
    }
    let [photo] = &collection.photos[..] else { panic!("one photo") };
    assert_eq!(photo.things.len(), 1);
    assert!(!photo.complete && photo.complete_for.is_empty(), "a lost thing is a gap");
}

#[test]
fn joints_of_a_second_file_join_their_annotation() {
    let folder = scene();
    let poses = json!({ "annotations": [
        { "id": 1, "image_id": 1, "category_id": 2, "keypoints": joints(6.0, 42.0) },
    ]});
    folder.json("person_keypoints.json", &poses);
    let photo = Collection::open(&folder.0).unwrap().photos.remove(0);
    assert_eq!(photo.things[0].joints.unwrap()[5], [6.0, 42.0, 2.0]);
}

#[test]
fn what_is_no_folder_in_coco_format_is_an_error() {
    let empty = Folder::new("empty");
    let open = |folder: &Folder| Collection::open(&folder.0).unwrap_err();
    assert!(matches!(open(&empty), DataError::NoSource { .. }));
    std::fs::write(empty.0.join("instances.json"), "{\"images\": [").unwrap();
    let error = open(&empty);
    assert!(matches!(error, DataError::Json { .. }) && error.to_string().contains("line 1"));
    empty.json("instances.json", &json!({ "images": 3 }));
    assert!(matches!(open(&empty), DataError::Json { .. }));
    let scene = scene();
    std::fs::write(scene.0.join("captions.json"), [0xff, 0xfe]).unwrap();
    assert!(matches!(open(&scene), DataError::Json { .. }));
    scene.json("captions.json", &json!({}));
    scene.json("source.json", &json!({ "complet": true }));
    assert!(open(&scene).to_string().contains("complet"), "a misspelt fact is no fact");
}

#[test]
fn a_picture_that_is_not_what_its_entry_says_is_an_error() {
    let folder = scene();
    let photo = Collection::open(&folder.0).unwrap().photos.remove(0);
    folder.picture("a.png", 95, 64);
    assert!(matches!(photo.load(), Err(DataError::Size { found_width: 95, .. })));
    std::fs::write(&photo.path, b"no picture").unwrap();
    assert!(matches!(photo.load(), Err(DataError::Picture { .. })));
    std::fs::remove_file(&photo.path).unwrap();
    assert!(matches!(photo.load(), Err(DataError::Read { .. })));
}
