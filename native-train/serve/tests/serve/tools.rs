//! Label Studio and CVAT, by the requests that they publish, and the site.

use super::support::{file, photo, read, request, start};
use refvlm_files::picture::read_picture;
use refvlm_helpers::Folder;
use refvlm_serve::{LabelStudio, Settings};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::mpsc;

/// `_TEST_CONFIG` of label_studio_ml/examples/segment_anything_model/test_predict.py in
/// HumanSignal/label-studio-ml-backend, commit bb556d3.
const CONFIG: &str = r##"
<View>
    <Image name="image" value="$image" zoom="true"/>
    <BrushLabels name="tag" toName="image">
        <Label value="Banana" background="#FF0000"/>
        <Label value="Orange" background="#0d14d3"/>
    </BrushLabels>
    <KeyPointLabels name="tag2" toName="image" smart="true" >
        <Label value="Banana" background="#000000" showInline="true"/>
        <Label value="Orange" background="#000000" showInline="true"/>
    </KeyPointLabels>
    <RectangleLabels name="tag3" toName="image"  >
        <Label value="Banana" background="#000000" showInline="true"/>
        <Label value="Orange" background="#000000" showInline="true"/>
    </RectangleLabels>
</View>
"##;

/// A click of the same file, in the form of `/predict` that label_studio_ml/api.py documents.
fn published(image: &str, click: Value) -> Value {
    json!({
        "tasks": [{ "data": { "image": image } }],
        "model_version": "pocket",
        "project": "1.1680000000",
        "label_config": CONFIG,
        "params": { "login": "", "password": "", "context": { "result": [click] } },
    })
}

fn keypoint() -> Value {
    json!({
        "original_width": 1080, "original_height": 1080, "image_rotation": 0,
        "value": { "x": 49.441786283891545, "y": 59.96810207336522, "width": 0.3189792663476874,
            "labels": ["Banana"], "keypointlabels": ["Banana"] },
        "is_positive": true, "id": "fBWv1t0S2L", "from_name": "tag2", "to_name": "image",
        "type": "keypointlabels", "origin": "manual",
    })
}

fn rectangle() -> Value {
    json!({
        "original_width": 1080, "original_height": 1080, "type": "rectanglelabels",
        "value": { "x": 50, "y": 50, "width": 10, "height": 10, "rectanglelabels": ["Orange"] },
    })
}

fn size_of(name: &str) -> [u32; 2] {
    let picture = read_picture(&file(&format!("www/examples/photos/{name}.webp"))).unwrap();
    [picture.width, picture.height]
}

/// The bits of thi.ng's rle-pack, read as its source says: alpha of each pixel.
fn alpha(runs: &[u8]) -> Vec<u8> {
    let bits: Vec<u8> = runs.iter().flat_map(|b| (0..8).rev().map(move |k| b >> k & 1)).collect();
    let mut at = 0;
    let mut take = |count: usize| {
        let value = bits[at..at + count].iter().fold(0usize, |sum, bit| sum << 1 | *bit as usize);
        at += count;
        value
    };
    let (length, word) = (take(32), take(5) + 1);
    let sizes: Vec<usize> = (0..4).map(|_| take(4) + 1).collect();
    let mut values = Vec::new();
    while values.len() < length {
        let same = take(1) == 1;
        let which = take(2);
        let count = take(sizes[which]) + 1;
        if same {
            let value = take(word) as u8;
            values.extend(std::iter::repeat_n(value, count));
        } else {
            values.extend((0..count).map(|_| take(word) as u8));
        }
    }
    assert_eq!(values.len(), length);
    values.chunks(4).map(|pixel| pixel[3]).collect()
}

#[test]
fn label_studio_is_connected_and_clicks_are_answered() {
    let server = start(Settings::default());
    assert_eq!(server.get("/health").json()["status"], "UP");
    let setup = json!({ "project": "1.1680000000", "schema": CONFIG, "hostname": "http://localhost:8080",
        "access_token": "x", "extra_params": null });
    assert_eq!(server.post("/setup", &setup).json(), json!({ "model_version": "pocket" }));
    let hook = json!({ "action": "ANNOTATION_CREATED", "project": { "id": 1 } });
    assert_eq!(server.post("/webhook", &hook).status, 200);
    let image = format!("data:image/webp;base64,{}", photo("cat"));
    let [width, height] = size_of("cat");
    for (click, label) in [(keypoint(), "Banana"), (rectangle(), "Orange")] {
        let answer = server.post("/predict", &published(&image, click.clone()));
        assert_eq!(answer.status, 200, "{}", answer.text());
        let results = answer.json()["results"].clone();
        assert_eq!(
            (results.as_array().unwrap().len(), &results[0]["model_version"]),
            (1, &json!("pocket"))
        );
        let region = &results[0]["result"][0];
        for (field, value) in [
            ("type", json!("brushlabels")),
            ("from_name", json!("tag")),
            ("to_name", json!("image")),
            ("original_width", json!(width)),
            ("original_height", json!(height)),
            ("image_rotation", json!(0)),
            ("readonly", json!(false)),
        ] {
            assert_eq!(region[field], value, "{field}");
        }
        assert_eq!(region["value"]["format"], "rle");
        assert_eq!(region["value"]["brushlabels"], json!([label]));
        let runs: Vec<u8> = serde_json::from_value(region["value"]["rle"].clone()).unwrap();
        let mask = alpha(&runs);
        assert_eq!(mask.len(), (width * height) as usize);
        assert!(mask.contains(&255) && mask.iter().all(|a| [0, 255].contains(a)));
        // What came back is what a brush would send: painted over, it is refined.
        let brush = json!({ "original_width": width, "original_height": height, "type": "brushlabels",
            "value": { "format": "rle", "rle": runs, "brushlabels": [label] } });
        let again = server.post("/predict", &published(&image, brush)).json();
        assert_eq!(again["results"][0]["result"][0]["type"], "brushlabels");
    }
    // A project of polygons gets polygons, in percent.
    let mut polygons = published(&image, keypoint());
    polygons["label_config"] = json!(CONFIG.replace("BrushLabels", "PolygonLabels"));
    let region = server.post("/predict", &polygons).json()["results"][0]["result"][0].clone();
    assert_eq!(region["type"], "polygonlabels");
    let points: Vec<[f32; 2]> = serde_json::from_value(region["value"]["points"].clone()).unwrap();
    assert!(points.len() >= 3 && points.iter().flatten().all(|v| (0.0..=100.0).contains(v)));
    // Nobody clicked.
    let mut none = published(&image, keypoint());
    none["params"]["context"] = json!(null);
    assert_eq!(server.post("/predict", &none).json(), json!({ "results": [] }));
}

/// Answers one request, with a photo, and hands on its head.
fn studio(answers: usize) -> (String, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (heard, hear) = mpsc::channel();
    std::thread::spawn(move || {
        let bytes = std::fs::read(file("www/examples/photos/cat.webp")).unwrap();
        for stream in listener.incoming().take(answers) {
            let mut stream = stream.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                head.push(byte[0]);
            }
            let head = String::from_utf8(head).unwrap();
            let answer = match head.starts_with("GET /away") {
                true => b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n".to_vec(),
                false => [format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", bytes.len()).as_bytes(), &bytes].concat(),
            };
            stream.write_all(&answer).unwrap();
            heard.send(head).unwrap();
        }
    });
    (url, hear)
}

#[test]
fn pictures_are_fetched_from_the_label_studio_that_was_named_and_nowhere_else() {
    let (url, heard) = studio(2);
    let home = LabelStudio { url: url.parse().unwrap(), key: Some("abc".into()) };
    let server = start(Settings { label_studio: Some(home), ..Settings::default() });
    let answer = server.post("/predict", &published("/data/upload/1/cat.webp", keypoint()));
    assert_eq!(answer.status, 200, "{}", answer.text());
    let head = heard.recv().unwrap();
    assert!(head.starts_with("GET /data/upload/1/cat.webp "), "{head}");
    assert!(head.to_ascii_lowercase().contains("authorization: token abc"), "{head}");
    let elsewhere = [
        "https://s3.amazonaws.com/htx-pub/datasets/images/x.jpg",
        "s3://bucket/x.jpg",
        "http://127.0.0.1:1/x",
        "file:///etc/passwd",
    ];
    for image in elsewhere {
        let answer = server.post("/predict", &published(image, keypoint()));
        assert_eq!((answer.status, answer.code()), (400, "picture_url_refused".into()), "{image}");
    }
    let answer = server.post("/predict", &published("/away", keypoint()));
    assert_eq!((answer.status, answer.code()), (502, "picture_not_fetched".into()));
    drop(server);
    let server = start(Settings::default());
    let answer = server.post("/predict", &published("/data/upload/1/cat.webp", keypoint()));
    assert_eq!((answer.status, answer.code()), (400, "picture_url_refused".into()));
}

#[test]
fn cvat_lists_the_interactor_and_calls_it() {
    let server = start(Settings::default());
    // What `LambdaFunction` of cvat/apps/lambda_manager/views.py reads.
    let functions = server.get("/api/functions").json();
    let function = &functions["refvlm"];
    assert_eq!(function, &server.get("/api/functions/refvlm").json());
    assert_eq!(function["metadata"]["name"], "refvlm");
    let notes = &function["metadata"]["annotations"];
    assert_eq!(notes["type"], "interactor");
    assert!(notes["version"].as_str().unwrap().parse::<u32>().unwrap() >= 2);
    assert_eq!(notes["spec"], "");
    assert!(notes.get("startswith_box").is_none(), "any text would be true");
    assert_eq!(function["status"]["httpPort"], server.address.port());
    assert!(function["spec"]["description"].is_string());
    assert_eq!(server.get("/api/functions/other").code(), "not_found");
    // The payload that `LambdaFunction.invoke` makes for an interactor.
    let call = |positive: Value, negative: Value, bbox: Value| json!({ "image": photo("bus"), "pos_points": positive, "neg_points": negative, "obj_bbox": bbox });
    let [width, height] = size_of("bus");
    let (x, y) = (width / 2, height / 2);
    let headers = [("x-nuclio-function-name", "refvlm"), ("x-nuclio-path", "/")];
    let ask = |path: &str, body: &Value| {
        let bytes = request("POST", path, &headers, body.to_string().as_bytes());
        let mut stream = server.connect();
        stream.write_all(&bytes).unwrap();
        let answer = read(&mut stream);
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    };
    let area = |answer: &Value| -> usize {
        let rows = answer["mask"].as_array().unwrap();
        assert_eq!(rows.len(), height as usize);
        let row = |row: &Value| {
            let row: Vec<u8> = serde_json::from_value(row.clone()).unwrap();
            assert_eq!(row.len(), width as usize);
            row.iter().filter(|p| **p == 1).count()
        };
        rows.iter().map(row).sum()
    };
    let clicked = ask("/api/function_invocations", &call(json!([[x, y]]), json!([]), json!(null)));
    let found = area(&clicked);
    assert!(found > 100);
    assert_eq!(clicked, ask("/", &call(json!([[x, y]]), json!([]), json!([]))), "called directly");
    let points: Vec<[f32; 2]> = serde_json::from_value(clicked["points"].clone()).unwrap();
    assert!(points.len() >= 3);
    // CVAT's own form: run lengths within the bounds, then left, top, right, bottom.
    let runs: Vec<usize> = serde_json::from_value(clicked["shapes"][0]["points"].clone()).unwrap();
    let (runs, corners) = runs.split_at(runs.len() - 4);
    assert_eq!(runs.iter().skip(1).step_by(2).sum::<usize>(), found);
    let bounded = (corners[2] - corners[0] + 1) * (corners[3] - corners[1] + 1);
    assert_eq!(runs.iter().sum::<usize>(), bounded);
    // A point that does not belong to it goes out of the mask.
    let pixel = |answer: &Value, x: u32, y: u32| answer["mask"][y as usize][x as usize] == 1;
    let inside = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
    let far = |(a, b): &(u32, u32)| a.abs_diff(x) + b.abs_diff(y) > 40;
    let (nx, ny) = inside.filter(far).find(|(a, b)| pixel(&clicked, *a, *b)).unwrap();
    let cut = ask("/", &call(json!([[x, y]]), json!([[nx, ny]]), json!(null)));
    assert!(!pixel(&cut, nx, ny) && area(&cut) < found);
    let boxed = ask("/", &call(json!([]), json!([]), json!([[10, 10], [x, y]])));
    assert!(area(&boxed) > 0);
    let none = server.post("/", &call(json!([]), json!([[5, 5]]), json!(null)));
    assert_eq!((none.status, none.code()), (400, "invalid_prompt".into()));
}

#[test]
fn the_site_is_served_with_its_types_and_headers() {
    let folder = Folder::new("served-site");
    let write = |name: &str, text: &str| {
        let path = folder.0.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("site/index.html", "<!doctype html>page");
    write("site/engine/refvlm_bg.wasm", "\0asm");
    write("site/boot.js", "1");
    write("site/manifest.webmanifest", "{}");
    write("secret.txt", "secret");
    let site = Some(folder.0.join("site"));
    let server = start(Settings { site, ..Settings::default() });
    let types = [
        ("/", "text/html"),
        ("/index.html", "text/html"),
        ("/engine/refvlm_bg.wasm", "application/wasm"),
        ("/boot.js", "text/javascript"),
        ("/manifest.webmanifest", "application/manifest+json"),
    ];
    for (path, mime) in types {
        let answer = server.get(path);
        assert_eq!((answer.status, answer.header("content-type")), (200, Some(mime)), "{path}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("content-security-policy"), Some("frame-ancestors 'self'"));
    }
    let range = server.send(&request("GET", "/index.html", &[("Range", "bytes=15-")], b""));
    assert_eq!((range.status, range.text().as_str()), (206, "page"));
    for path in ["/../secret.txt", "/%2e%2e/secret.txt", "/engine/../../secret.txt", "/none"] {
        let answer = server.get(path);
        assert!(answer.status == 404 && !answer.text().contains("secret"), "{path}: {answer:?}");
    }
    assert_eq!(server.get("/health").json()["status"], "UP");
}
