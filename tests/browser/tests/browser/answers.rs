//! The browser's answers are those of the native engine.

use crate::known::{events, native};
use crate::{LOAD, blank};
use refvlm_browser_tests::{Browser, Server};
use refvlm_protocol::{Ask, Event, Shape};
use refvlm_record::{QuestionPart, Record, Rle, Task, Turn};
use serde_json::{from_value, json};

/// Questions per scene.
const QUESTIONS: usize = 5;

/// The question of a turn, with the prompts that it mentions.
pub fn ask_of(record: &Record, turn: &Turn) -> Ask {
    let mut prompts = Vec::new();
    let text = turn.question.iter().map(|part| match part {
        QuestionPart::Text(text) => text.clone(),
        QuestionPart::Prompt { prompt } => {
            prompts.push(record.prompts[*prompt].clone());
            format!("[prompt {}]", prompts.len())
        }
    });
    let text: String = text.collect();
    Ask::new(turn.task, text, prompts)
}

#[test]
fn five_scenes_are_answered_as_natively() {
    let server = Server::start();
    let browser = blank(&server);
    browser.get(LOAD, json!(null));
    let mut engine = native();
    let (mut tasks, mut shapes) = (Vec::new(), 0);
    for seed in 0..5u32 {
        let drawn = engine.scene(seed, 200).unwrap();
        let script = "
            const scene = await model.generate(args.seed, { side: 200 });
            await model.setImage(scene.image);
            const { image, depth, ...rest } = scene;
            return { ...rest, pixels: Array.from(image.data) };";
        let mut scene = browser.get(script, json!({"seed": seed}));
        let pixels: Vec<u8> = from_value(scene["pixels"].take()).unwrap();
        assert!(pixels == drawn.rgba, "seed {seed}: other pixels");
        let record: Record = from_value(scene["record"].take()).unwrap();
        assert_eq!(record, without_depth(&drawn.scene.record), "seed {seed}: another truth");

        let (width, height) = (drawn.scene.width, drawn.scene.height);
        pollster::block_on(engine.set_image(width, height, &drawn.rgba)).unwrap();
        // Other kinds of question for each scene.
        let turns = record.turns.iter().cycle().skip(seed as usize * 3).take(QUESTIONS);
        for ask in turns.map(|turn| ask_of(&record, turn)) {
            let (found, expected) = (asked(&browser, &ask), events(&mut engine, &ask));
            shapes += same(&format!("seed {seed}, {ask:?}"), &found, &expected);
            tasks.push(ask.task);
        }
    }
    for task in [Task::Segmentation, Task::Vqa, Task::GroundingDetection, Task::Depth] {
        assert!(tasks.contains(&task), "{task:?} was never asked: {tasks:?}");
    }
    assert!(shapes > 10, "only {shapes} shapes were compared");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

/// What JSON does not hold.
fn without_depth(record: &Record) -> Record {
    from_value(serde_json::to_value(record).unwrap()).unwrap()
}

/// The answer of the page's `model`.
pub fn asked(browser: &Browser, ask: &Ask) -> Vec<Event> {
    let script = "
        const events = [];
        for await (const event of model.ask(args)) events.push(event);
        return events;";
    from_value(browser.get(script, serde_json::to_value(ask).unwrap())).unwrap()
}

/// Holds two answers against each other; returns how many shapes there were.
pub fn same(what: &str, found: &[Event], expected: &[Event]) -> usize {
    assert_eq!(found.len(), expected.len(), "{what}");
    let mut shapes = 0;
    for (found, expected) in found.iter().zip(expected) {
        match (found, expected) {
            (
                Event::Unit { triplet, index, shape, confidence },
                Event::Unit { triplet: t, index: i, shape: s, confidence: c },
            ) => {
                assert_eq!((triplet, index), (t, i), "{what}");
                assert!((confidence - c).abs() < 0.01, "{what}: confidence {confidence}, {c}");
                same_shape(what, shape, s);
                shapes += 1;
            }
            (Event::Done { reason, timings }, Event::Done { reason: r, timings: t }) => {
                assert_eq!((reason, timings.tokens), (r, t.tokens), "{what}");
            }
            (found, expected) => assert_eq!(found, expected, "{what}"),
        }
    }
    shapes
}

fn same_shape(what: &str, found: &Shape, expected: &Shape) {
    let near = |a: &[f32], b: &[f32], tolerance: f32| {
        let near = a.iter().zip(b).all(|(a, b)| (a - b).abs() <= tolerance);
        assert!(a.len() == b.len() && near, "{what}: {a:?}, natively {b:?}");
    };
    match (found, expected) {
        (Shape::Box { bbox }, Shape::Box { bbox: b }) => near(bbox, b, 1.0),
        (Shape::Mask { mask, .. }, Shape::Mask { mask: m, .. }) => {
            let pixels = |mask: &Rle| mask.to_mask().unwrap();
            let iou = pixels(mask).iou(&pixels(m));
            assert!(iou > 0.99, "{what}: IoU with the native mask {iou}");
        }
        (Shape::Keypoint { bbox, keypoints }, Shape::Keypoint { bbox: b, keypoints: k }) => {
            near(bbox, b, 1.0);
            near(keypoints.as_flattened(), k.as_flattened(), 1.0);
        }
        (Shape::Depth { metres, .. }, Shape::Depth { metres: m, .. }) => {
            let ratios: Vec<f32> = metres.iter().zip(m).map(|(a, b)| a / b).collect();
            near(&ratios, &vec![1.0; m.len()], 0.01);
        }
        _ => panic!("{what}: {found:?}, natively {expected:?}"),
    }
}

#[test]
fn a_hundred_questions_do_not_grow_the_heap() {
    let server = Server::start();
    let browser = blank(&server);
    // In the page itself, where the memory can be looked at.
    let script = "
        const entry = await (await fetch('engine/refvlm.js')).text();
        const folder = new URL(`engine/${/\\.\\/(\\w+)\\//.exec(entry)[1]}/engine/`, location.href);
        const { default: init, Engine, version } = await import(new URL('refvlm.js', folder));
        const { memory } = await init();
        const engine = new Engine();
        const bytes = async (name) => new Uint8Array(await (await fetch(`models/scenes/${name}`)).arrayBuffer());
        const wanted = JSON.parse(engine.begin(await bytes('refvlm.json'), 'cpu'));
        engine.tokenizer(await bytes('tokenizer.json'));
        for (const { file } of wanted) engine.shard(file, await bytes(file));
        engine.finish();
        const heap = [];
        const asks = args.map((ask) => JSON.stringify(ask));
        for (let i = 0; i < 100; i++) {
            if (i % 5 === 0) {
                // Two pictures in turn.
                const [scene, rgba] = engine.scene((i / 5) % 2, 200);
                const { width, height } = JSON.parse(scene);
                await engine.set_image(width, height, rgba);
            }
            if (!(await engine.ask(asks[i % asks.length], async () => true))) throw new Error('aborted');
            heap.push(memory.buffer.byteLength);
        }
        const start = performance.now();
        for (let i = 0; i < 10000; i++) version();
        return { heap, call_us: (performance.now() - start) / 10 };";
    let asks = json!([
        {"task": "vqa", "text": "Describe the picture."},
        {"task": "segmentation", "text": "Segment everything."},
        {"task": "detection", "text": "Detect everything."},
        {"task": "depth", "text": "How far away is everything?"},
        {"task": "grounding_segmentation", "text": "Segment [prompt 1].",
            "prompts": [{"kind": "point", "x": 60, "y": 60}]},
    ]);
    let measured = browser.get(script, asks);
    let heap: Vec<u64> = from_value(measured["heap"].clone()).unwrap();
    println!("heap {} bytes; an empty call {} us", heap[99], measured["call_us"]);
    // Blocks of several sizes leave gaps until they have found their places; a leak of a picture
    // or a question goes on.
    assert_eq!(heap[99], heap[39], "the heap grew: {heap:?}");
    assert!(heap[99] <= 400 << 20, "{} bytes", heap[99]);
    // Where every call ran the static constructors again it would take milliseconds.
    let call: f64 = from_value(measured["call_us"].clone()).unwrap();
    assert!(call < 100.0, "an empty call takes {call} us");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}
