//! A small sample of each layout, as its authors publish it, with odd cases of some.

use super::{Folder, picture, runs};
use image::{ImageBuffer, Luma, Rgb, RgbImage};
use serde_json::{Value, json};
use std::fs;

type Sample = (&'static str, fn() -> Folder);

/// A maker of a sample for each reader, by the reader's name.
pub const SAMPLES: [Sample; 19] = [
    ("refcoco", refcoco),
    ("flickr30k", flickr30k),
    ("coco", coco),
    ("yolo", yolo),
    ("cvat", cvat),
    ("voc", voc),
    ("labelme", labelme),
    ("label-studio", label_studio),
    ("vqa", vqa),
    ("gqa", gqa),
    ("pope", pope),
    ("osprey", osprey),
    ("llava", llava),
    ("grit", grit),
    ("visual-genome", genome),
    ("coco-panoptic", panoptic),
    ("clevr", clevr),
    ("semantic", ade),
    ("depth", nyu),
];

impl Folder {
    /// Writes a file, with the folders above it.
    pub fn text(&self, name: &str, text: &str) {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Writes a picture, with the folders above it.
    pub fn photo(&self, name: &str) {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        picture(20, 10).save(path).unwrap();
    }

    /// Writes a grey picture of numbers, with the folders above it.
    pub fn numbers<T: image::Primitive>(&self, name: &str, number: impl Fn(u32, u32) -> T)
    where
        Luma<T>: image::PixelWithColorType<Subpixel = T>,
        [T]: image::EncodableLayout,
    {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let grey: ImageBuffer<Luma<T>, Vec<T>> =
            ImageBuffer::from_fn(20, 10, |x, y| Luma([number(x, y)]));
        grey.save(path).unwrap();
    }

    /// Writes a coloured map of 20 x 10 px, with the folders above it.
    pub fn colours(&self, name: &str, colour: impl Fn(u32, u32) -> [u8; 3]) {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        RgbImage::from_fn(20, 10, |x, y| Rgb(colour(x, y))).save(path).unwrap();
    }
}

fn instances() -> Value {
    json!({
        "images": [{ "id": 9, "file_name": "a.jpg", "width": 20, "height": 10, "license": 1 }],
        "categories": [{ "id": 18, "name": "dog" }], "licenses": [{ "id": 1, "name": "CC BY 2.0" }],
        "annotations": [
            { "id": 77, "image_id": 9, "category_id": 18, "iscrowd": 0, "bbox": [2, 1, 4, 4],
              "segmentation": [[2, 1, 6, 1, 6, 5, 2, 5]] },
            { "id": 78, "image_id": 9, "category_id": 18, "iscrowd": 1, "bbox": [8, 2, 4, 4],
              "segmentation": runs(20, 10, [8, 2, 4, 4], None) },
        ],
    })
}

fn coco() -> Folder {
    let folder = Folder::new("coco");
    folder.photo("val2017/a.jpg");
    folder.text("annotations/instances_val2017.json", &instances().to_string());
    let captions =
        json!({ "annotations": [{ "id": 1, "image_id": 9, "caption": "A dog on grass" }] });
    folder.text("annotations/captions_val2017.json", &captions.to_string());
    folder
}

fn refcoco() -> Folder {
    let folder = Folder::new("refcoco");
    folder.photo("images/a.jpg");
    folder.json("instances.json", &instances());
    folder.json(
        "grefs(unc).json",
        &json!([
            { "ref_id": 1, "ann_id": [77, 78], "image_id": 9, "split": "train", "sentences": [{ "sent": "both dogs" }] },
            { "ref_id": 2, "ann_id": [-1], "image_id": 9, "split": "val", "sentences": [{ "sent": "a cat" }] },
        ]),
    );
    folder
}

fn yolo() -> Folder {
    let folder = Folder::new("yolo");
    folder.photo("images/train/a.png");
    folder.text("labels/train/a.txt", "0 0.5 0.5 0.5 0.4\n1 0.1 0.1 0.6 0.1 0.6 0.9 0.1 0.9\n");
    folder.text("data.yaml", "path: .\ntrain: images/train\nnames:\n  0: dog\n  1: cat\n");
    folder
}

fn cvat() -> Folder {
    let folder = Folder::new("cvat");
    folder.photo("images/a.png");
    folder.text(
        "annotations.xml",
        "<annotations><version>1.1</version><meta><task><labels><label><name>dog</name></label>\
         </labels></task></meta><image id=\"0\" name=\"a.png\" width=\"20\" height=\"10\">\
         <box label=\"dog\" xtl=\"1\" ytl=\"1\" xbr=\"5\" ybr=\"6\" occluded=\"0\"/>\
         <polygon label=\"dog\" points=\"1,1;8,1;8,8\"/>\
         <mask label=\"dog\" rle=\"1, 2, 1\" left=\"2\" top=\"2\" width=\"2\" height=\"2\"/>\
         </image></annotations>",
    );
    folder
}

fn voc() -> Folder {
    let folder = Folder::new("voc");
    folder.photo("JPEGImages/a.jpg");
    folder.text(
        "Annotations/a.xml",
        "<annotation><filename>a.jpg</filename><size><width>20</width><height>10</height></size>\
         <object><name>dog</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>5</xmax><ymax>6</ymax>\
         </bndbox></object></annotation>",
    );
    folder
}

fn labelme() -> Folder {
    let folder = Folder::new("labelme");
    folder.photo("a.png");
    folder.json("a.json", &json!({
        "version": "5.5.0", "imagePath": "a.png", "imageWidth": 20, "imageHeight": 10,
        "shapes": [
            { "label": "dog", "points": [[1, 1], [8, 1], [8, 8]], "shape_type": "polygon", "group_id": null },
            { "label": "dog", "points": [[1, 1], [8, 8]], "shape_type": "rectangle", "group_id": 3 },
        ],
    }));
    folder
}

fn label_studio() -> Folder {
    let folder = Folder::new("studio");
    folder.photo("images/a.png");
    folder.json("export.json", &json!([{
        "id": 1, "data": { "image": "/data/upload/1/0123abcd-a.png" },
        "annotations": [{ "was_cancelled": false, "result": [{
            "type": "rectanglelabels", "original_width": 20, "original_height": 10,
            "value": { "x": 10, "y": 10, "width": 30, "height": 40, "rotation": 0, "rectanglelabels": ["dog"] },
        }] }],
    }]));
    folder
}

fn vqa() -> Folder {
    let folder = Folder::new("vqa");
    folder.photo("images/COCO_val2014_000000000009.jpg");
    folder.json(
        "OpenEnded_mscoco_val2014_questions.json",
        &json!({ "questions": [
        { "image_id": 9, "question": "What is it?", "question_id": 90 }] }),
    );
    folder.json(
        "mscoco_val2014_annotations.json",
        &json!({ "annotations": [
        { "question_id": 90, "image_id": 9, "answers": [{ "answer": "dog" }, { "answer": "dog" }] }] }),
    );
    folder
}

fn gqa() -> Folder {
    let folder = Folder::new("gqa");
    folder.photo("images/n1.jpg");
    folder.json(
        "val_balanced_questions.json",
        &json!({
            "1": { "imageId": "n1", "question": "Is it dark?", "answer": "yes" },
            "2": { "imageId": "n1", "question": "Who?", "answer": "a man" },
        }),
    );
    folder
}

fn pope() -> Folder {
    let folder = Folder::new("pope");
    folder.photo("images/a.jpg");
    let line = |k: u32| json!({ "question_id": k, "image": "a.jpg", "text": "Is there a dog?", "label": "no" });
    folder.text("coco_pope_popular.json", &format!("{}\n{}\n", line(1), line(2)));
    folder
}

fn osprey() -> Folder {
    let folder = Folder::new("osprey");
    folder.photo("images/a.jpg");
    folder.json("osprey.json", &json!([{ "id": 1, "file_name": "a.jpg", "height": 10, "width": 20,
        "annotation": [{ "segmentation": [[0, 0, 4, 0, 4, 4, 0, 4]], "bbox": [0, 0, 4, 4] }],
        "conversations": [{ "from": "human", "value": "What is <region1>?" }, { "from": "gpt", "value": "A dog." }],
    }]));
    folder
}

fn llava() -> Folder {
    let folder = Folder::new("llava");
    folder.photo("images/a.jpg");
    folder.json("llava.json", &json!([{ "id": "1", "image": "a.jpg", "conversations": [
        { "from": "human", "value": "<image>\nWhat is it?" }, { "from": "gpt", "value": "A dog." }] }]));
    folder
}

fn grit() -> Folder {
    let folder = Folder::new("grit");
    folder.photo("0001.jpg");
    folder.json("0001.json", &json!({ "key": "0001", "caption": "a dog and its tail",
        "width": 20, "height": 10, "noun_chunks": [[0, 5, 0.1, 0.2, 0.5, 0.8, 0.9]], "ref_exps": [] }));
    folder
}

/// Two pictures: one sentence without a phrase, a scene without a box, a chain with two boxes, a
/// chain that is not in the XML, and a picture that is missing.
pub fn flickr30k() -> Folder {
    let folder = Folder::new("flickr30k");
    folder.photo("flickr30k-images/36979.jpg");
    folder.text(
        "Sentences/36979.txt",
        "[/EN#11/people Two men] in [/EN#12/clothing grün shirts] , near [/EN#0/notvisual it] .\n\
         [/EN#13/scene A street] is seen .\nNobody is named .\n",
    );
    folder.text("Sentences/99.txt", "[/EN#1/people A man] sleeps .\n");
    folder.text("test.txt", "36979\n99\n");
    folder.text(
        "Annotations/36979.xml",
        "<annotation><filename>36979.jpg</filename><size><width>20</width><height>10</height>\
         <depth>3</depth></size><object><name>11</name><bndbox><xmin>1</xmin><ymin>1</ymin>\
         <xmax>4</xmax><ymax>10</ymax></bndbox></object><object><name>11</name><name>12</name>\
         <bndbox><xmin>11</xmin><ymin>1</ymin><xmax>20</xmax><ymax>10</ymax></bndbox></object>\
         <object><name>13</name><scene>1</scene><nobndbox>1</nobndbox></object></annotation>",
    );
    folder
}

/// Regions over two records, a region outside of its picture, relations.
pub fn genome() -> Folder {
    let folder = Folder::new("genome");
    folder.photo("VG_100K/1.jpg");
    folder.photo("VG_100K_2/2.jpg");
    let region = |id: u32, image: u32, x: u32| {
        json!({ "region_id": id, "image_id": image, "x": x, "y": 1, "width": 6, "height": 4,
            "phrase": "a brown dog. " })
    };
    let five: Vec<Value> = (0..5).map(|k| region(k, 1, k)).collect();
    folder.json(
        "region_descriptions.json",
        &json!([{ "id": 1, "regions": five }, { "id": 2, "regions": [region(9, 2, 50)] }]),
    );
    let thing = |name: &str, x: u32| json!({ "object_id": 5, "name": name, "x": x, "y": 0, "w": 5, "h": 5 });
    folder.json(
        "relationships.json",
        &json!([{ "image_id": 2, "relationships": [{ "relationship_id": 1, "predicate": "ON",
            "subject": thing("dog", 0), "object": thing("grass", 8), "synsets": [] }] }]),
    );
    folder
}

/// Stuff, a thing, a crowd and a segment without pixels; the number 256 is green.
pub fn panoptic() -> Folder {
    let folder = Folder::new("panoptic");
    folder.photo("val2017/a.jpg");
    folder.colours("annotations/panoptic_val2017/a.png", |x, _| match x {
        0..5 => [0, 0, 0],
        5..10 => [7, 0, 0],
        10..15 => [0, 1, 0],
        _ => [1, 0, 1],
    });
    let segment = |id: u32, class: u32, crowd: u32| json!({ "id": id, "category_id": class, "area": 50, "bbox": [0, 0, 5, 10], "iscrowd": crowd });
    let file = json!({
        "images": [{ "id": 9, "file_name": "a.jpg", "width": 20, "height": 10 }],
        "categories": [{ "id": 1, "name": "person", "isthing": 1 }, { "id": 184, "name": "tree-merged", "isthing": 0 }],
        "annotations": [{ "image_id": 9, "file_name": "a.png", "segments_info": [
            segment(7, 1, 0), segment(256, 184, 0), segment(65537, 1, 1), segment(8, 1, 0),
        ] }],
    });
    folder.text("annotations/panoptic_val2017.json", &file.to_string());
    folder
}

/// A question with an answer and one without.
pub fn clevr() -> Folder {
    let folder = Folder::new("CLEVR_v1.0");
    folder.photo("images/val/CLEVR_val_000000.png");
    let question = |k: u32| {
        json!({ "question_index": k, "image_filename": "CLEVR_val_000000.png", "image_index": 0,
            "split": "val", "question": "Are there any spheres?", "program": [] })
    };
    let mut answered = question(0);
    answered["answer"] = json!("yes");
    let file = json!({ "info": {}, "questions": [answered, question(1)] });
    folder.text("questions/CLEVR_val_questions.json", &file.to_string());
    folder
}

/// Two classes beside unlabelled pixels.
pub fn ade() -> Folder {
    let folder = Folder::new("ADEChallengeData2016");
    folder.photo("images/validation/ADE_val_00000001.jpg");
    folder.text(
        "objectInfo150.txt",
        "Idx\tRatio\tTrain\tVal\tStuff\tName\n1\t0.1576\t11664\t1172\t1\twall\n\
         2\t0.1072\t6046\t612\t1\tbuilding, edifice\n",
    );
    folder.numbers("annotations/validation/ADE_val_00000001.png", |x, _| (x / 7) as u8);
    folder
}

/// A crowd of persons, two cars, road and what does not count.
pub fn cityscapes() -> Folder {
    let folder = Folder::new("cityscapes");
    folder.photo("leftImg8bit/val/ulm/ulm_000000_000019_leftImg8bit.png");
    folder.numbers("gtFine/val/ulm/ulm_000000_000019_gtFine_instanceIds.png", |x, _| match x {
        0..4 => 7u16,
        4..8 => 24,
        8..12 => 26000,
        12..16 => 26001,
        _ => 3,
    });
    folder.numbers("gtFine/val/ulm/ulm_000000_000019_gtFine_labelIds.png", |_, _| 7u8);
    folder
}

/// Two things with a border between them, in the colours of the kit.
pub fn voc_maps() -> Folder {
    let folder = Folder::new("VOC2012");
    folder.photo("JPEGImages/2007_000032.jpg");
    let border = [224, 224, 192];
    folder.colours("SegmentationObject/2007_000032.png", |x, _| match x {
        0..8 => [128, 0, 0],
        8..10 => border,
        10..16 => [0, 128, 0],
        _ => [0, 0, 0],
    });
    folder.colours("SegmentationClass/2007_000032.png", |x, _| match x {
        0..8 => [192, 128, 128],
        8..10 => border,
        10..16 => [64, 0, 128],
        _ => [0, 0, 0],
    });
    folder
}

/// A map with its picture, and one without.
pub fn nyu() -> Folder {
    let folder = Folder::new("nyu_depth_v2");
    folder.photo("test/kitchen/rgb_00045.jpg");
    folder.numbers("test/kitchen/sync_depth_00045.png", |x, _| (x * 250) as u16);
    folder.numbers("test/kitchen/sync_depth_00046.png", |x, _| x as u16);
    folder
}

/// A map whose picture is among the raw ones.
pub fn kitti() -> Folder {
    let folder = Folder::new("kitti");
    let drive = "2011_09_26_drive_0001_sync";
    folder.photo(&format!("2011_09_26/{drive}/image_02/data/0000000005.png"));
    let map = format!("train/{drive}/proj_depth/groundtruth/image_02/0000000005.png");
    folder.numbers(&map, |x, _| (x * 512) as u16);
    folder
}
