//! The engine on WebGPU. A machine without a graphics card computes shaders on the processor
//! (SwiftShader): slowly, but what is computed is the same.

use crate::answers::{ask_of, asked, same};
use crate::hands::{Hand, Mouse};
use crate::known::{Known, events, native};
use crate::page::Page;
use refvlm_browser_tests::{Browser, Fault, Screen, Server};
use refvlm_protocol::Event;
use refvlm_record::{Task, Unit};
use serde_json::{from_value, json};

/// Loads the model on the given backend.
const LOAD: &str = "
    const { RefVlm } = await import(new URL('engine/refvlm.js', location.href));
    window.model = await RefVlm.load('models/scenes', { backend: args });
    return model.info;";

/// An empty page in a browser with an adapter for WebGPU.
fn card(server: &Server) -> Browser {
    let browser = Browser::with(Screen::Wide, &["--enable-unsafe-webgpu"]);
    browser.go(&server.url("blank.html"));
    browser
}

#[test]
fn a_question_on_webgpu_is_answered_as_natively() {
    let server = Server::start();
    let browser = card(&server);
    let info = browser.get(LOAD, json!("webgpu"));
    assert_eq!(info["backend"], "webgpu", "{info}");
    assert!(info["adapter"].as_str().is_some_and(|name| !name.is_empty()), "{info}");
    let mut engine = native();
    let seed = 3;
    let drawn = engine.scene(seed, 200).unwrap();
    let record = &drawn.scene.record;
    let (width, height) = (drawn.scene.width, drawn.scene.height);
    pollster::block_on(engine.set_image(width, height, &drawn.rgba)).unwrap();
    let script = "
        const { image } = await model.generate(args, { side: 200 });
        const first = await model.setImage(image);
        const second = await model.setImage(image);
        return [first.seconds, second.seconds];";
    let seconds: [f64; 2] = from_value(browser.get(script, json!(seed))).unwrap();
    println!(
        "{}: picture set {:.2} s, the first time {:.2} s",
        info["adapter"], seconds[1], seconds[0]
    );
    let of_mask = |turn: &&refvlm_record::Turn| turn.task == Task::GroundingSegmentation;
    let ask = ask_of(record, record.turns.iter().find(of_mask).unwrap());
    let expected = events(&mut engine, &ask);
    // The second time no shader has to be compiled any more.
    for _ in 0..2 {
        let found = asked(&browser, &ask);
        let shapes = same(&format!("{ask:?}"), &found, &expected);
        assert!(shapes > 0 && ask.task.units().contains(&Unit::Mask));
        if let Some(Event::Done { timings, .. }) = found.last() {
            println!("first token {:.2} s, {:?}", timings.first_token_s, timings);
        }
    }
    assert_eq!(browser.complaints(), [""; 0]);
}

#[test]
fn a_program_that_plays_a_card_is_not_taken_by_itself() {
    let server = Server::start();
    let browser = card(&server);
    let info = browser.get(LOAD, json!("auto"));
    assert_eq!((&info["backend"], &info["adapter"]), (&json!("cpu"), &json!(null)));
}

/// Puts a way to lose the device before everything that the engine's worker does.
const FRAGILE: &str = "
    const Real = Worker;
    const script = (text) => URL.createObjectURL(new Blob([text], { type: 'text/javascript' }));
    window.Worker = class {
      constructor(url, options) {
        const patch = script(`
          const request = GPUAdapter.prototype.requestDevice;
          GPUAdapter.prototype.requestDevice = async function (...args) {
            const device = await request.apply(this, args);
            new BroadcastChannel('lose').onmessage = () => device.destroy();
            return device;
          };`);
        return new Real(script(`import '${patch}'; import '${url}';`), options);
      }
    };";

#[test]
fn a_lost_card_is_told_and_the_next_call_is_served_anew() {
    let server = Server::start();
    let browser = card(&server);
    browser.get(FRAGILE, json!(null));
    browser.get(LOAD, json!("webgpu"));
    let set = "
        const { image } = await model.generate(7, { side: 64 });
        await model.setImage(image);
        return model.info;";
    let lose = "
        new BroadcastChannel('lose').postMessage(null);
        await new Promise((resolve) => setTimeout(resolve, 500));";
    browser.get(lose, json!(null));
    assert_eq!(browser.kind(set, json!(null)), "device_lost");
    // A device of a new worker, and the package from the cache.
    let info = browser.get(set, json!(null));
    assert_eq!((&info["backend"], &info["cached"]), (&json!("webgpu"), &json!(true)), "{info}");
    // In the middle of an answer it is the same failure.
    browser.get(lose, json!(null));
    let ask = "for await (const _ of model.ask({ task: 'depth', text: 'How far?' })) {}";
    assert_eq!(browser.kind(ask, json!(null)), "device_lost");
}

/// Has the page's worker say that it computes on a card, which then is lost with the first question.
const LOSABLE: &str = "
    const [take, post] = [self.onmessage, self.postMessage.bind(self)];
    const lost = { type: 'failed', kind: 'device_lost', message: 'the device failed', remedy: 'reload the model', lost: true };
    let card = false;
    self.onmessage = (event) => {
        const { id, request } = event.data;
        if (request.type === 'load') card = request.backend === 'auto';
        if (!card || request.type !== 'ask') return take(event);
        post({ id, last: true, reply: JSON.stringify(lost) });
    };
    self.postMessage = (message, transfer) => {
        if (card) message.reply = message.reply.replace(/\"backend\":\"cpu\"/, '\"backend\":\"webgpu\"');
        post(message, transfer);
    };";

#[test]
fn after_a_lost_card_the_page_goes_on_with_the_processor() {
    let known = Known::find();
    let server = Server::start();
    server.plan("engine/worker.js", Fault::Append(LOSABLE.into()), usize::MAX);
    let page = Page::open(&server, Screen::Wide);
    page.show("scene.png", &known.png(), known.size);
    let engine = "document.querySelector('.engine').textContent";
    page.browser.until(&format!("{engine}.startsWith('WebGPU')"));
    Mouse.press(&page, ".stagebar.right .toggle:last-child");
    Mouse.draw(&page, &[known.at]);
    page.expect_prompts(&["point"]);
    Mouse.press(&page, ".go");
    // The question waits for the processor, and is answered about the same prompt.
    page.answered(1);
    assert!(page.notice().starts_with("The graphics card failed."), "{}", page.notice());
    page.browser.until(&format!("{engine}.startsWith('CPU')"));
    page.expect_prompts(&["point"]);
    assert_eq!(page.rows().len(), 1, "{}", page.last(".state"));
    page.browser.shot("card-lost");
}
