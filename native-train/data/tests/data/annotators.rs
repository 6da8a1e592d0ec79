//! What annotators export, in the exact layouts, with the odd cases of each.

use crate::support;
use crate::support::Folder;
use refvlm_data::readers;
use refvlm_data::{Collection, Photo};
use serde_json::json;

/// The reader that takes the folder, its photos, and what was left out, one line each.
fn open(folder: &Folder) -> (&'static str, Vec<Photo>, String) {
    let reader = readers::find(&folder.0).unwrap().unwrap();
    let collection = Collection::open(&folder.0).unwrap();
    let faults: Vec<String> = collection.faults.iter().map(ToString::to_string).collect();
    (reader.reader.name, collection.photos, faults.join("\n"))
}

fn areas(photo: &Photo) -> Vec<u64> {
    photo.things.iter().map(|t| t.decoded().map_or(0, |m| m.area())).collect()
}

#[test]
fn names_in_the_table_are_unlike_each_other_and_every_page_is_an_address() {
    for (k, reader) in readers::READERS.iter().enumerate() {
        assert!(reader.page.starts_with("http"), "{}", reader.page);
        assert!(!reader.reads.is_empty());
        let same = readers::READERS.iter().filter(|other| other.name == reader.name);
        assert_eq!(same.count(), 1, "{k}");
        assert_eq!(readers::by_name(reader.name).unwrap().name, reader.name);
    }
}

#[test]
fn coco_as_downloaded_and_as_roboflow_exports_it() {
    let folder = Folder::new("coco");
    let image =
        |id: u32, name: &str| json!({ "id": id, "file_name": name, "width": 20, "height": 10 });
    std::fs::create_dir(folder.0.join("annotations")).unwrap();
    std::fs::create_dir(folder.0.join("val2017")).unwrap();
    support::picture(20, 10).save(folder.0.join("val2017/000000000009.jpg")).unwrap();
    folder.json("annotations/instances_val2017.json", &json!({
        "images": [image(9, "000000000009.jpg")], "categories": [{ "id": 18, "name": "dog" }],
        "annotations": [{ "id": 1, "image_id": 9, "category_id": 18, "iscrowd": 0, "bbox": [1, 1, 4, 4] }],
    }));
    folder.json(
        "annotations/captions_val2017.json",
        &json!({
            "images": [image(9, "000000000009.jpg")],
            "annotations": [{ "id": 5, "image_id": 9, "caption": "A dog in the grass" }],
        }),
    );
    let (name, photos, faults) = open(&folder);
    assert_eq!((name, photos.len(), faults.as_str()), ("coco", 1, ""));
    assert_eq!(photos[0].captions, ["A dog in the grass."]);

    let folder = Folder::new("roboflow");
    std::fs::create_dir(folder.0.join("train")).unwrap();
    support::picture(20, 10).save(folder.0.join("train/a_jpg.rf.0f.jpg")).unwrap();
    folder.json("train/_annotations.coco.json", &json!({
        "images": [image(0, "a_jpg.rf.0f.jpg")],
        "categories": [{ "id": 0, "name": "pets", "supercategory": "none" }, { "id": 1, "name": "dog", "supercategory": "pets" }],
        "annotations": [{ "id": 0, "image_id": 0, "category_id": 1, "bbox": [2, 2, 3.5, 4], "segmentation": [] }],
    }));
    let collection = Collection::open(&folder.0).unwrap();
    assert_eq!(collection.photos[0].things[0].bbox, [2.0, 2.0, 3.5, 4.0]);
}

#[test]
fn yolo_boxes_polygons_poses_and_pictures_without_a_file() {
    let folder = Folder::new("yolo");
    std::fs::create_dir_all(folder.0.join("images/train")).unwrap();
    std::fs::create_dir_all(folder.0.join("labels/train")).unwrap();
    let yaml = "# made\npath: ../x\ntrain: images/train\nnames:\n  0: dog\n  1: 'Ähre: gelb'\n";
    std::fs::write(folder.0.join("data.yaml"), yaml).unwrap();
    folder.picture("train/ä b.png", 20, 10);
    folder.picture("train/empty.png", 20, 10);
    let lines = "0 0.5 0.5 0.5 0.4\r\n\r\n1 0.1 0.1 0.6 0.1 0.6 0.9 0.1 0.9\n7 0.5 0.5 0.1 0.1\nx\n0 0.5 0.5\n";
    std::fs::write(folder.0.join("labels/train/ä b.txt"), lines).unwrap();
    let (name, photos, faults) = open(&folder);
    assert_eq!((name, photos.len()), ("yolo", 2), "{faults}");
    assert!(photos[0].things.is_empty());
    let things = &photos[1].things;
    assert_eq!(things[0].bbox, [5.0, 3.0, 10.0, 4.0]);
    assert_eq!((things[1].category.as_str(), areas(&photos[1])[1]), ("Ähre: gelb", 80));
    for fault in ["line 4: class 7", "line 5: 'x'", "line 6: 3 numbers"] {
        assert!(faults.contains(fault), "{fault} not in {faults}");
    }
    // Names as a list, poses with and without visibility.
    for (dims, joint) in [(3, " 0.5 0.5 1"), (2, " 0.5 0.5")] {
        let yaml = format!("names: [person]\nkpt_shape: [17, {dims}]\n");
        std::fs::write(folder.0.join("data.yaml"), yaml).unwrap();
        let none = if dims == 3 { " 0 0 0" } else { " 0 0" };
        let line = format!("0 0.5 0.5 1 1{joint}{}\n", none.repeat(16));
        std::fs::write(folder.0.join("labels/train/ä b.txt"), line).unwrap();
        let (_, photos, faults) = open(&folder);
        assert_eq!(faults, "");
        let joints = photos[1].things[0].joints.unwrap();
        assert_eq!((joints[0][0], joints[0][1], joints[1][2]), (10.0, 5.0, 0.0));
    }
}

#[test]
fn voc_corners_count_from_one_only_in_its_own_folders() {
    let xml = |name: &str, object: &str| {
        format!(
            "<?xml version='1.0'?><annotation><folder>x</folder><filename>{name}</filename>\
             <size><width>20</width><height>10</height><depth>3</depth></size>{object}</annotation>"
        )
    };
    let object = "<object><name>dog</name><pose>Left</pose><difficult>1</difficult><bndbox>\
                  <ymin>1</ymin><xmin>1</xmin><xmax>20</xmax><ymax>10.0</ymax></bndbox></object>";
    let folder = Folder::new("voc");
    std::fs::create_dir(folder.0.join("Annotations")).unwrap();
    std::fs::create_dir(folder.0.join("JPEGImages")).unwrap();
    support::picture(20, 10).save(folder.0.join("JPEGImages/a.png")).unwrap();
    let part = "<object><name>cat</name></object>";
    let write = |name: &str, text: String| {
        std::fs::write(folder.0.join("Annotations").join(name), text).unwrap()
    };
    write("a.xml", xml("a.png", &format!("{object}{part}")));
    write("b.xml", xml("missing.png", ""));
    write("c.xml", "<annotation><object>".into());
    let (name, photos, faults) = open(&folder);
    assert_eq!((name, photos.len()), ("voc", 1));
    assert_eq!(photos[0].things[0].bbox, [0.0, 0.0, 20.0, 10.0]);
    assert_eq!(faults.lines().count(), 3, "{faults}");
    assert!(faults.contains("object[1] (cat): bndbox") && faults.contains("'missing.png'"));

    let folder = Folder::new("labelimg");
    support::picture(20, 10).save(folder.0.join("a.png")).unwrap();
    std::fs::write(folder.0.join("a.xml"), xml("renamed.jpg", object)).unwrap();
    let (_, photos, _) = open(&folder);
    assert_eq!(photos[0].things[0].bbox, [1.0, 1.0, 19.0, 9.0]);
}

#[test]
fn labelme_groups_rectangles_and_circles() {
    let folder = Folder::new("labelme");
    support::picture(20, 10).save(folder.0.join("a.png")).unwrap();
    let square = |x: u32| json!([[x, 1], [x + 2, 1], [x + 2, 3], [x, 3]]);
    let file = json!({
        "version": "5.5.0", "flags": {}, "imagePath": "..\\photos\\a.png", "imageData": null,
        "imageWidth": 20, "imageHeight": 10,
        "shapes": [
            { "label": "dog", "points": square(1), "group_id": 1, "shape_type": "polygon", "flags": {} },
            { "label": "dog", "points": square(5), "group_id": 1, "shape_type": "polygon", "flags": {} },
            { "label": "dog", "points": square(9), "group_id": null, "shape_type": "polygon", "flags": {} },
            { "label": "cat", "points": [[9, 8], [3, 2]], "group_id": null, "shape_type": "rectangle", "flags": {} },
            { "label": "ball", "points": [[10, 5], [13, 5]], "group_id": null, "shape_type": "circle", "flags": {} },
            { "label": "nose", "points": [[1, 1]], "group_id": null, "shape_type": "point", "flags": {} },
        ],
    });
    folder.json("a.json", &file);
    let (name, photos, faults) = open(&folder);
    assert_eq!((name, photos.len()), ("labelme", 1), "{faults}");
    let areas = areas(&photos[0]);
    assert_eq!((areas[0], areas[1]), (8, 4), "two of a group are one thing");
    assert_eq!(photos[0].things[2].bbox, [3.0, 2.0, 6.0, 6.0]);
    assert!((24..=32).contains(&areas[3]), "a disc of radius 3: {areas:?}");
    assert!(faults.contains("shapes[5] (nose): point"), "{faults}");
}

#[test]
fn cvat_boxes_polygons_masks_and_skeletons() {
    let folder = Folder::new("cvat");
    folder.picture("a.png", 20, 10);
    let xml = r#"<?xml version="1.0" encoding="utf-8"?>
<annotations><version>1.1</version><meta><task><labels><label><name>dog</name></label></labels></task></meta>
<image id="0" name="a.png" width="20" height="10">
 <box label="dog" source="manual" occluded="0" xtl="1.5" ytl="2" xbr="5.5" ybr="6" z_order="0"><attribute name="age">3</attribute></box>
 <polygon label="dog" occluded="0" points="0,0;4,0;4,4;0,4" z_order="0"></polygon>
 <mask label="dog" rle="1, 2, 1, 2" left="3" top="2" width="3" height="2"></mask>
 <skeleton label="person"><points label="nose" outside="0" occluded="1" points="3,4"/><points label="left_eye" outside="0" occluded="0" points="8,9"/><points label="right_eye" outside="1" points="0,0"/></skeleton>
 <polyline label="dog" points="0,0;4,0"/><tag label="night"/>
</image>
<image id="1" name="gone.png" width="20" height="10"/>
</annotations>"#;
    std::fs::write(folder.0.join("annotations.xml"), xml).unwrap();
    let (name, photos, faults) = open(&folder);
    assert_eq!((name, photos.len()), ("cvat", 1), "{faults}");
    let things = &photos[0].things;
    assert_eq!(things[0].bbox, [1.5, 2.0, 4.0, 4.0]);
    assert_eq!(areas(&photos[0])[1..3], [16, 4]);
    let mask = things[2].decoded().unwrap();
    assert_eq!((mask.pixels[2 * 20 + 3], mask.pixels[2 * 20 + 4]), (0, 1), "rows, outside first");
    assert_eq!(things[3].joints.unwrap()[0], [3.0, 4.0, 1.0]);
    assert_eq!(things[3].joints.unwrap()[1], [8.0, 9.0, 2.0]);
    assert!(faults.contains("polyline") && faults.contains("gone.png"), "{faults}");
}

#[test]
fn label_studio_percent_turned_boxes_and_uploads() {
    let folder = Folder::new("studio");
    folder.picture("a.png", 20, 10);
    let drawn = |kind: &str, value: serde_json::Value| json!({ "type": kind, "original_width": 20, "original_height": 10, "value": value, "to_name": "image" });
    let tasks = json!([{
        "id": 7, "data": { "image": "/data/upload/1/0a1b2c3d-a.png" },
        "annotations": [
            { "id": 1, "was_cancelled": true, "result": [] },
            { "id": 2, "was_cancelled": false, "result": [
                drawn("rectanglelabels", json!({ "x": 10, "y": 20, "width": 50, "height": 40, "rotation": 0, "rectanglelabels": ["dog"] })),
                drawn("rectanglelabels", json!({ "x": 50, "y": 10, "width": 20, "height": 20, "rotation": 90, "rectanglelabels": ["dog"] })),
                drawn("polygonlabels", json!({ "points": [[0, 0], [50, 0], [50, 50], [0, 50]], "polygonlabels": ["cat"] })),
                drawn("ellipselabels", json!({ "x": 50, "y": 50, "radiusX": 10, "radiusY": 20, "ellipselabels": ["ball"] })),
                drawn("brushlabels", json!({ "format": "rle", "rle": [0], "brushlabels": ["cat"] })),
            ] },
        ],
        "predictions": [],
    }]);
    folder.json("project-1.json", &tasks);
    let (name, photos, faults) = open(&folder);
    assert_eq!((name, photos.len()), ("label-studio", 1), "{faults}");
    assert_eq!(photos[0].things[0].bbox, [2.0, 2.0, 10.0, 4.0]);
    assert_eq!(photos[0].things[1].bbox, [8.0, 1.0, 2.0, 4.0], "a quarter turn about its corner");
    assert_eq!(areas(&photos[0])[2], 50);
    assert!(faults.contains("result[4]: brushlabels"), "{faults}");
}
