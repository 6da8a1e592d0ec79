//! A person's walk through the page: once with a mouse, once by keys alone, once on a phone.

use crate::hands::{Fingers, Hand, Keys, Mouse};
use crate::known::Known;
use crate::page::{Page, covers};
use crate::taken;
use refvlm_browser_tests::{Fault, Screen, Server};
use refvlm_record::{Mask, Prompt};
use serde_json::{from_value, json};
use std::time::Instant;

/// Makes answers about everything take seconds, so that they can be stopped by hand.
const SLOW: &str = "
const ask = Engine.prototype.ask;
Engine.prototype.ask = function (question, emit) {
    if (!question.includes('everything')) return ask.call(this, question, emit);
    return ask.call(this, question, async (event) => {
        await new Promise((resolve) => setTimeout(resolve, 400));
        return emit(event);
    });
};";

const ASK: &str = ".go[aria-label='Ask']";

#[test]
fn a_walk_with_the_mouse() {
    walk("mouse", &Mouse, |page, known| page.show("scene.png", &known.png(), known.size));
}

#[test]
fn a_walk_by_keys_alone() {
    walk("keys", &Keys::default(), |page, known| {
        // Random is what we say, so that the new scene is the known one.
        let seed = f64::from(known.seed) + 0.5;
        page.browser.get("Math.random = () => args / 4294967295;", json!(seed));
        Keys::default().press(page, ".sources .button:nth-of-type(2)");
        page.opened(&format!("scene {}", known.seed), known.size);
    });
}

#[test]
fn a_walk_on_a_phone() {
    walk("phone", &Fingers, |page, known| page.show("scene.png", &known.png(), known.size));
}

fn walk(name: &str, hand: &dyn Hand, open: impl Fn(&Page, &Known)) {
    let start = Instant::now();
    let mut known = Known::find();
    println!("{name}: scene {} is known, {:.1} s", known.seed, start.elapsed().as_secs_f32());
    let server = Server::start();
    server.plan("engine/refvlm.js", Fault::Append(SLOW.into()), usize::MAX);
    let page = Page::open(&server, hand.screen());
    page.browser.shot(&format!("{name}-start"));
    open(&page, &known);
    page.browser.shot(&format!("{name}-open"));
    let turns = prompts_and_answers(name, hand, &page, &mut known);
    println!("{name}: asked, {:.1} s", start.elapsed().as_secs_f32());
    live(hand, &page, &mut known);
    println!("{name}: live, {:.1} s", start.elapsed().as_secs_f32());
    let turns = stopped(hand, &page, turns);
    takes_home(name, hand, &page, &mut known, turns + 1);
    println!("{name}: taken home, {:.1} s", start.elapsed().as_secs_f32());
    if hand.screen() == Screen::Phone {
        two_fingers(&page, &known, turns + 2);
    }
    assert_eq!(page.browser.complaints(), Vec::<String>::new());
    offline(hand, &page, &server, &known, &open);
    println!("{name}: {:.1} s", start.elapsed().as_secs_f32());
}

/// Draws each kind of prompt, and asks about each. Returns how many turns there are then.
fn prompts_and_answers(name: &str, hand: &dyn Hand, page: &Page, known: &mut Known) -> usize {
    let [x, y, w, h] = known.bounds;
    let [cx, cy] = known.at;
    let slack = hand.slack(page);
    let mut turns = 0;
    let mut ask = |kind: &str, known: &mut Known| {
        hand.press(page, ASK);
        turns += 1;
        page.answered(turns);
        let asked = page.asked();
        let ask = asked.last().unwrap();
        assert_eq!(ask.prompts[0].kind(), kind);
        // What is on the screen is what the native engine finds by the same prompt.
        let masks = known.masks(ask);
        assert_eq!(page.rows().len(), masks.len(), "{kind}");
        if let Some(mask) = masks.first() {
            covers(kind, &page.shown_by("Results"), mask);
        }
        (ask.prompts[0].clone(), masks)
    };

    hand.take(page, "Point");
    hand.draw(page, &[known.at]);
    page.expect_prompts(&["point"]);
    let (prompt, masks) = ask("point", known);
    let Prompt::Point { x: px, y: py } = prompt else { panic!("{prompt:?}") };
    assert!((px - cx).abs() <= slack && (py - cy).abs() <= slack, "{prompt:?}, not {cx}, {cy}");
    assert!(masks[0].iou(&known.mask) > 0.6, "another object than the one pointed at");
    linked_both_ways(hand, page, known);
    page.browser.shot(&format!("{name}-point"));

    // A negative point makes a mask of it; undo takes that back, redo does it again.
    hand.take(page, "Negative point");
    hand.draw(page, &[[cx + 24.0, cy]]);
    page.expect_prompts(&["mask"]);
    page.browser.shot(&format!("{name}-cut"));
    hand.press(page, "[aria-label='Undo']");
    page.expect_prompts(&["point"]);
    hand.press(page, "[aria-label='Redo']");
    page.expect_prompts(&["mask"]);

    hand.take(page, "Box");
    hand.draw(page, &[[x, y], [x + w, y + h]]);
    page.expect_prompts(&["mask", "box"]);
    let (prompt, _) = ask("box", known);
    let Prompt::Box { x: bx, y: by, w: bw, h: bh } = prompt else { panic!("{prompt:?}") };
    let off = [bx - x, by - y, bx + bw - x - w, by + bh - y - h];
    assert!(off.iter().all(|d| d.abs() <= slack), "{prompt:?}, not {:?}", known.bounds);
    assert_eq!(page.last(".question .chip").trim(), "prompt 2");

    let half = [w.min(h) * 0.2; 2];
    let [a, b] = [[cx - half[0], cy - half[1]], [cx + half[0], cy + half[1]]];
    hand.take(page, "Scribble");
    hand.draw(page, &[a, known.at, b]);
    page.expect_prompts(&["mask", "box", "scribble"]);
    ask("scribble", known);

    hand.take(page, "Brush");
    hand.draw(page, &[a, b]);
    page.expect_prompts(&["mask", "box", "scribble", "mask"]);
    let (painted, _) = ask("mask", known);
    hand.take(page, "Eraser");
    // It takes away from what lies under its first place.
    hand.draw(page, &[a, known.at]);
    page.expect_prompts(&["mask", "box", "scribble", "mask"]);
    let (erased, _) = ask("mask", known);
    let area = |prompt: &Prompt| match prompt {
        Prompt::Mask { mask } => mask.to_mask().unwrap().area(),
        other => panic!("{other:?}"),
    };
    assert!(area(&erased) < area(&painted), "the eraser took nothing away");
    page.browser.shot(&format!("{name}-prompts"));

    // The first prompt was cut at its side and is still asked about when it is chosen.
    hand.press(page, ".prompts li:first-child .name");
    ask("mask", known);
    assert_eq!(page.last(".question .chip").trim(), "prompt 1");

    hand.press(page, "[aria-label='Clear prompts']");
    page.expect_prompts(&[]);
    hand.press(page, "[aria-label='Undo']");
    page.expect_prompts(&["mask", "box", "scribble", "mask"]);
    hand.press(page, "[aria-label='Redo']");
    page.expect_prompts(&[]);
    turns
}

/// Phrase and target light up together, from either side.
fn linked_both_ways(hand: &dyn Hand, page: &Page, known: &Known) {
    let rows = page.rows();
    assert_eq!((rows.len(), rows[0].unit.as_str()), (1, "mask"));
    assert_eq!(page.last(".phrase .number"), rows[0].number);
    assert!(!rows[0].concept.is_empty() && page.last(".answer").contains(&rows[0].concept));
    hand.point_at(page, ".turn:last-child .phrase");
    assert!(page.rows()[0].lit, "the target of the phrase is not highlighted");
    hand.point_at(page, ".turn:last-child .result");
    assert_eq!(page.lit_phrases(), [rows[0].number.clone()]);
    if hand.hovers() {
        // Away, and to the thing on the picture itself.
        page.browser.hover(page.middle(".brand"));
        assert_eq!(page.lit_phrases(), Vec::<String>::new());
        page.browser.hover(page.spot(known.at));
        assert_eq!(page.lit_phrases(), [rows[0].number.clone()]);
    }
}

/// The mask follows a prompt that is dragged; of what waits only the newest is asked about.
fn live(hand: &dyn Hand, page: &Page, known: &mut Known) {
    let [cx, cy] = known.at;
    hand.take(page, "Point");
    let before = page.asked().len();
    let from = [cx - 40.0, cy - 30.0];
    hand.draw(page, &[from]);
    page.browser.until("document.querySelector('.prompt .fast')");
    let watch = "
        window.gaps = [];
        let last = performance.now();
        window.watching = setInterval(() => { gaps.push(performance.now() - last); last = performance.now(); }, 4);";
    page.browser.get(watch, json!(null));
    hand.take(page, "Move");
    let steps = 50;
    let line: Vec<_> = (0..=steps).map(|k| k as f32 / steps as f32).collect();
    let line: Vec<_> =
        line.iter().map(|t| [from[0] + (cx - from[0]) * t, from[1] + (cy - from[1]) * t]).collect();
    hand.draw(page, &line);
    let arrived = |at: [f32; 2]| {
        let slack = hand.slack(page);
        page.browser.until(&format!(
            "(({{ x, y }}) => Math.abs(x - {}) <= {slack} && Math.abs(y - {}) <= {slack})(asked.at(-1).prompts[0])",
            at[0], at[1]
        ));
        // The answer to the last question is there.
        page.browser.get("await new Promise((resolve) => setTimeout(resolve, 400));", json!(null));
    };
    arrived(known.at);
    let longest: f64 = from_value(
        page.browser.get("clearInterval(watching); return Math.max(...gaps);", json!(null)),
    )
    .unwrap();
    let count = page.asked().len() - before;
    println!(
        "live: {count} questions for {steps} steps of a drag; the page was away for at most {longest:.0} ms"
    );
    assert!((2..=steps + 2).contains(&count), "{count} questions");
    assert!(longest < 1000.0, "the page did not respond for {longest} ms");
    let last = page.asked().pop().unwrap();
    let masks = known.masks(&last);
    assert!(masks[0].iou(&known.mask) > 0.6, "the last mask is of another object");
    covers("live", &page.shown_by("Live"), &masks[0]);
    page.expect_prompts(&["point"]);
    if hand.hovers() {
        bursts(page, known);
    }
}

/// Fifty moves at once, faster than any hand: at most the running question and the last are asked.
fn bursts(page: &Page, known: &mut Known) {
    let at = page.spot(known.at);
    let to = [at[0] + 50.0 * page.scale() * 0.4, at[1]];
    page.browser.hold(&[at]);
    let before = page.asked().len();
    let script = "
        const canvas = document.querySelector('canvas.canvas');
        for (let i = 1; i <= 50; i++) {
            const [x, y] = [0, 1].map((k) => args.at[k] + (args.to[k] - args.at[k]) * (i / 50));
            const where = { clientX: x, clientY: y, pointerId: 1, pointerType: 'mouse', buttons: 1, bubbles: true };
            canvas.dispatchEvent(new PointerEvent('pointermove', where));
        }
        await new Promise((resolve) => setTimeout(resolve, 600));";
    page.browser.get(script, json!({"at": at, "to": to}));
    let asked = page.asked();
    let count = asked.len() - before;
    println!("live: {count} questions for 50 edits at once");
    assert!((1..=3).contains(&count), "{count} questions for 50 edits at once");
    let Prompt::Point { x, .. } = asked.last().unwrap().prompts[0] else { panic!("no point") };
    let wanted = known.at[0] + 20.0;
    assert!((x - wanted).abs() < 2.0, "the last edit is not the one that was asked: {x}, {wanted}");
    page.browser.hover(at);
    page.browser.release();
    page.browser.until(&format!("Math.abs(asked.at(-1).prompts[0].x - {}) < 2", known.at[0]));
    page.browser.get("await new Promise((resolve) => setTimeout(resolve, 300));", json!(null));
}

/// An answer that takes long is stopped; the next one is whole. Returns how many turns there are.
fn stopped(hand: &dyn Hand, page: &Page, turns: usize) -> usize {
    hand.write(page, "Segment everything.");
    let words =
        page.browser.get("return document.querySelector('.field textarea').value;", json!(null));
    assert_eq!(words, "Segment everything.");
    hand.press(page, ASK);
    page.browser.until("document.querySelector('.turn:last-child .answer').ariaBusy === 'true'");
    hand.press(page, ".go[aria-label='Stop']");
    page.answered(turns + 1);
    assert_eq!(page.last(".state"), "Stopped.");
    hand.press(page, ASK);
    page.answered(turns + 2);
    assert!(page.last(".state").starts_with("Answered in"), "{}", page.last(".state"));
    turns + 2
}

/// Asks for a caption with masks and takes everything home.
fn takes_home(name: &str, hand: &dyn Hand, page: &Page, known: &mut Known, turns: usize) {
    hand.press(page, "[aria-label='Clear prompts']");
    page.expect_prompts(&[]);
    hand.press(page, ASK);
    page.answered(turns);
    let ask = page.asked().pop().unwrap();
    assert_eq!(ask.text, "Describe the image with masks.");
    let masks = known.masks(&ask);
    let rows = page.rows();
    assert!(rows.len() >= 2 && rows.len() == masks.len(), "{rows:?}");
    if hand.hovers() {
        one_of_several(page, &masks);
    }
    page.browser.shot(&format!("{name}-answer"));
    let take = |item: usize, ending: &str| {
        hand.press(page, ".turn:last-child .menu > button");
        page.browser.until("document.querySelector('.sheet')");
        if item == 1 {
            page.browser.shot(&format!("{name}-menu"));
        }
        hand.press(page, &format!(".sheet button:nth-of-type({item})"));
        page.browser.downloaded(ending)
    };
    taken::annotated(&take(1, "annotated.png"), known, &masks);
    taken::mask_files(&take(3, "masks.zip"), &masks);
    taken::cutout_files(&take(4, "cutouts.zip"), known, &masks);
    taken::coco(&take(5, "coco.json"), &rows, &masks);
    let words = String::from_utf8(take(6, ".md")).unwrap();
    for part in [r"Segment \[prompt 1\].", "Stopped.", &ask.text, &rows[0].concept] {
        assert!(words.contains(part), "no {part} in the transcript:\n{words}");
    }
    assert_eq!(words.matches("\n## ").count(), turns);
}

/// Pointing at one phrase of several fades the targets of the others.
fn one_of_several(page: &Page, masks: &[Mask]) {
    let strength = |shown: &[u8], mask: &Mask| {
        let inside = shown.iter().zip(&mask.pixels).filter(|(_, p)| **p != 0);
        inside.map(|(px, _)| f32::from(*px)).sum::<f32>() / mask.area() as f32
    };
    page.browser.hover(page.middle(".brand"));
    let all = page.shown_by("Results");
    page.browser.hover(page.middle(".turn:last-child li:nth-child(1) > .result"));
    let one = page.shown_by("Results");
    let [own, other] = [0, 1].map(|k| strength(&one, &masks[k]) / strength(&all, &masks[k]));
    assert!(own > 0.8 && other < 0.6, "{own} of the first is left, {other} of the second");
}

/// Two fingers zoom and pan, and draw nothing.
fn two_fingers(page: &Page, known: &Known, turns: usize) {
    let [x, y] = page.spot([known.size[0] as f32 / 2.0, known.size[1] as f32 / 2.0]);
    Fingers.take(page, "Point");
    let before = page.prompts();
    let fit = page.scale();
    page.browser.pinch(&[[x - 30.0, y], [x - 60.0, y]], &[[x + 30.0, y], [x + 60.0, y]]);
    // A point that is set now lies where the picture is now.
    page.browser.draw("touch", &[[x + 40.0, y]]);
    page.browser
        .until(&format!("document.querySelectorAll('.prompt').length === {}", before.len() + 1));
    page.browser.click(ASK);
    page.answered(turns);
    let Prompt::Point { x: px, .. } = page.asked().last().unwrap().prompts[0] else {
        panic!("no point")
    };
    let scale = 40.0 / (px - known.size[0] as f32 / 2.0);
    assert!((scale / fit - 2.0).abs() < 0.2, "two fingers zoomed from {fit} to {scale}");
    assert_eq!(page.prompts().len(), before.len() + 1);
}

/// Without any server the page opens again, draws a scene and answers.
fn offline(
    hand: &dyn Hand,
    page: &Page,
    server: &Server,
    known: &Known,
    open: &dyn Fn(&Page, &Known),
) {
    page.browser.until("navigator.serviceWorker.controller");
    server.stop();
    page.browser.command("refresh", json!({}));
    page.ready();
    open(page, known);
    hand.take(page, "Point");
    hand.draw(page, &[known.at]);
    page.expect_prompts(&["point"]);
    hand.press(page, ASK);
    page.answered(1);
    assert_eq!(page.rows().len(), 1);
    // The engine looks for a newer package first; that nobody answers is Chromium's own remark.
    let complaints = page.browser.complaints();
    let expected = |text: &String| text.contains("refvlm.json") && text.contains("ERR_CONNECTION");
    assert!(complaints.iter().all(expected), "{complaints:?}");
}
