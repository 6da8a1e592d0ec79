//! The JavaScript API: aborting, refusing, coming back, and the page that shows how to use it.

use crate::{IMPORT, LOAD, blank};
use refvlm_browser_tests::{Browser, Fault, Server};
use serde_json::{Value, json};
use std::thread::sleep;
use std::time::Duration;

#[test]
fn the_page_to_copy_from_segments_what_is_clicked() {
    let server = Server::start();
    let browser = Browser::open(&server, "examples/embed.html");
    let status = "return document.querySelector('[role=status]').textContent;";
    let wait = |done: &dyn Fn(&str) -> bool| {
        for _ in 0..600 {
            let text = browser.get(status, json!(null));
            let text = text.as_str().unwrap().to_string();
            if done(&text) {
                return text;
            }
            sleep(Duration::from_millis(100));
        }
        panic!("the page still says {}", browser.get(status, json!(null)));
    };
    wait(&|text| text == "Click on something");
    let pixels = "return document.querySelector('canvas').toDataURL();";
    let script = "await new Promise((resolve) => setTimeout(resolve, 1000));";
    // The page draws another scene each time, and not in each of them does a thing lie in the middle.
    let drawn = (0..8).any(|scene| {
        if scene > 0 {
            browser.click("button");
            wait(&|text| text == "Click on something");
        }
        let before = browser.get(pixels, json!(null));
        browser.click("canvas");
        let named = wait(&|text| !text.is_empty() && text != "Click on something");
        browser.get(script, json!(null));
        let drawn = browser.get(pixels, json!(null)) != before;
        println!("clicked: {named}, {}", if drawn { "drawn" } else { "nothing drawn" });
        drawn
    });
    assert!(drawn, "nothing was drawn in any of eight scenes");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn an_answer_is_aborted_at_any_token_and_the_next_is_whole() {
    let server = Server::start();
    let browser = blank(&server);
    browser.get(LOAD, json!(null));
    let script = "
        await model.setImage((await model.generate(3)).image);
        const ask = async (stop, leave) => {
            const abort = new AbortController();
            const question = { task: 'segmentation', text: 'Segment everything.', signal: abort.signal };
            let tokens = 0;
            try {
                for await (const event of model.ask(question)) {
                    if (event.event === 'token' && ++tokens === stop) {
                        if (leave) break;
                        abort.abort();
                    }
                }
            } catch (error) {
                return [tokens, error.name];
            }
            return [tokens, null];
        };
        const whole = await ask(Infinity);
        const stopped = [];
        for (let stop = 1; stop < whole[0]; stop++) stopped.push(await ask(stop), await ask(stop, true));
        return { whole, stopped, again: await ask(Infinity) };";
    let value = browser.get(script, json!(null));
    let whole = value["whole"][0].as_u64().unwrap();
    assert!(whole > 10, "{value}");
    let stopped = value["stopped"].as_array().unwrap();
    for (stop, both) in (1..whole).zip(stopped.chunks_exact(2)) {
        assert_eq!(both, [json!([stop, "AbortError"]), json!([stop, null])]);
    }
    assert_eq!(value["again"], value["whole"]);
}

#[test]
fn what_cannot_be_used_is_refused_with_its_kind() {
    let server = Server::start();
    let browser = blank(&server);
    browser.get(LOAD, json!(null));
    let ask = "for await (const event of model.ask(args)) ;";
    assert_eq!(browser.kind(ask, json!({"text": "What?"})), "no_picture");
    browser.get("await model.setImage((await model.generate(1)).image);", json!(null));
    for question in [
        json!({"text": ""}),
        json!({"text": "[prompt 2]"}),
        json!({"text": "What?", "task": "walk"}),
        json!({"text": "What?", "also": 1}),
        json!({"text": "What?", "prompts": [{"kind": "point", "x": -5, "y": 3}]}),
        json!({"text": "What?", "prompts": [{"kind": "point", "x": null, "y": 3}]}),
        json!({"text": "word ".repeat(5000)}),
    ] {
        assert_eq!(browser.kind(ask, question), "bad_request");
    }
    let pictures = [
        "new Blob([])",
        "new File(['these are words'], 'words.jpg', { type: 'image/jpeg' })",
        "new Blob([new Uint8Array([137, 80, 78, 71, 13, 10, 26, 10, 0, 0])])",
    ];
    for picture in pictures {
        let script = format!("await model.setImage({picture});");
        assert_eq!(browser.kind(&script, json!(null)), "bad_picture", "{picture}");
    }
    assert_eq!(browser.kind("await model.generate(-1);", json!(null)), "bad_request");
    let webgpu = "await RefVlm.load('models/scenes', { backend: 'webgpu' });";
    assert_eq!(browser.kind(webgpu, json!(null)), "no_webgpu");
    // After all that the model still answers about the picture that was set.
    let script = "const events = []; for await (const e of model.ask(args)) events.push(e.event); return events;";
    let events = browser.get(script, json!({"text": "Describe the picture."}));
    assert_eq!(events.as_array().unwrap().last().unwrap(), "done");
}

#[test]
fn large_and_turned_pictures_are_made_to_fit() {
    let server = Server::start();
    let browser = blank(&server);
    browser.get(LOAD, json!(null));
    let script = "
        const canvas = new OffscreenCanvas(10000, 10000);
        canvas.getContext('2d').fillRect(0, 0, 10, 10);
        const set = await model.setImage(canvas);
        return [set.width, set.height];";
    assert_eq!(browser.get(script, json!(null)), json!([2048, 2048]));
    // EXIF orientation 6: stored 8x4, to be shown as 4x8.
    let script = "
        const canvas = new OffscreenCanvas(8, 4);
        canvas.getContext('2d').fillRect(0, 0, 4, 4);
        const jpeg = new Uint8Array(await (await canvas.convertToBlob({ type: 'image/jpeg' })).arrayBuffer());
        const exif = [0xff, 0xe1, 0, 34, ...new TextEncoder().encode('Exif'), 0, 0,
            0x4d, 0x4d, 0, 42, 0, 0, 0, 8, 0, 1, 1, 18, 0, 3, 0, 0, 0, 1, 0, 6, 0, 0, 0, 0, 0, 0];
        const turned = new Blob([jpeg.slice(0, 2), new Uint8Array(exif), jpeg.slice(2)]);
        const set = await model.setImage(turned);
        return [set.width, set.height];";
    assert_eq!(browser.get(script, json!(null)), json!([4, 8]));
}

#[test]
fn an_engine_that_dies_is_told_and_comes_back() {
    let server = Server::start();
    let browser = blank(&server);
    // An engine whose scenes panic in a continuation, where no call can catch it.
    let panic = "\nEngine.prototype.scene = () => { queueMicrotask(() => { throw new Error('panicked at scene.rs'); });
        return new Promise(() => {}); };";
    server.plan("engine/refvlm.js", Fault::Append(String::new()), 1);
    browser.get(IMPORT, json!(null));
    server.reset();
    server.plan("engine/refvlm.js", Fault::Append(panic.into()), 1);
    browser.get(LOAD, json!(null));
    let generate = "const { width, height } = await model.generate(1); return [width, height];";
    let thrown = browser.run(generate, json!(null));
    assert_eq!(thrown["thrown"]["kind"], "crashed", "{thrown}");
    assert!(thrown["thrown"]["message"].as_str().unwrap().contains("panicked"), "{thrown}");
    server.reset();
    let size = browser.get(generate, json!(null));
    assert!(size[0].as_u64().unwrap() > 0);
    assert_eq!(server.requests(".safetensors"), Vec::<usize>::new(), "it came from the cache");
    let two: Value = browser.get("return [model.info.cached, model.info.preset];", json!(null));
    assert_eq!(two, json!([true, "scenes"]));
}
