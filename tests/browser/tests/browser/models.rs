//! Two models: the picture decides which one answers, or the person does.

use crate::hands::{Hand, Mouse};
use crate::page::Page;
use refvlm_browser_tests::{Browser, Fault, Screen, Server};
use serde_json::json;

const SHARD: &str = ".safetensors";
const PHOTOS: &str = "models/pocket/refvlm.json";
const SCENES: &str = "models/scenes/refvlm.json";

/// The examples as they stand on the start page.
const CAT: &str = "[aria-label='Photos'] li:nth-child(1) .example";
const CAT_PX: [u32; 2] = [480, 392];

/// A server that has both packages.
fn both() -> Server {
    let server = Server::start();
    server.stand_in("models/pocket/", "models/scenes/");
    server
}

/// A page where the picture decides.
fn automatic(server: &Server) -> Page {
    let page = Page::automatic(Browser::start(Screen::Wide));
    page.browser.go(&server.url("index.html"));
    page.browser.until("document.querySelector('.start .example')");
    page
}

fn answering(page: &Page) -> String {
    let script = "return document.querySelector('.chooser .toggle').textContent;";
    page.browser.get(script, json!(null)).as_str().unwrap().to_string()
}

#[test]
fn the_picture_decides_and_then_the_person() {
    let server = both();
    let page = automatic(&server);
    assert_eq!(server.requests("refvlm.json"), [0; 0], "nothing is fetched before it is needed");
    page.browser.click(CAT);
    page.opened("cat", CAT_PX);
    assert_eq!(answering(&page), "Photos");
    assert_eq!(server.requests(SCENES), [0; 0]);
    Mouse.draw(&page, &[[180.0, 180.0]]);
    page.expect_prompts(&["point"]);
    Mouse.press(&page, ".go");
    page.answered(1);

    // A drawn scene brings the other model.
    page.browser.get("Math.random = () => 5.5 / 4294967295;", json!(null));
    Mouse.press(&page, ".sources .button:nth-of-type(2)");
    page.browser.until("document.querySelector('canvas.canvas').ariaLabel.startsWith('scene 5, ')");
    page.browser.until("document.querySelector('.stage').ariaBusy === 'false'");
    assert_eq!((answering(&page).as_str(), server.requests(SCENES).len()), ("Drawn scenes", 1));

    // Back to a photo: its model is in the cache.
    let shards = server.requests(SHARD).len();
    let photo = image::RgbImage::from_pixel(64, 48, image::Rgb([90, 120, 60]));
    let mut png = std::io::Cursor::new(Vec::new());
    photo.write_to(&mut png, image::ImageFormat::Png).unwrap();
    page.show("own.png", png.get_ref(), [64, 48]);
    assert_eq!((answering(&page).as_str(), server.requests(SHARD).len()), ("Photos", shards));
    Mouse.draw(&page, &[[30.0, 20.0]]);
    page.expect_prompts(&["point"]);
    Mouse.press(&page, ".go");
    page.answered(1);

    // The person wants the other one; what is asked at once waits for it.
    Mouse.press(&page, ".chooser .toggle");
    page.browser.until("document.querySelectorAll('.chooser .size')[2].textContent.includes('MB')");
    let script = "
        document.querySelector('.chooser .sheet li:nth-child(3) button').click();
        document.querySelector('.go').click();
        await new Promise((resolve) => requestAnimationFrame(resolve));
        return document.querySelector('.turn:last-child .state').textContent;";
    assert_eq!(page.browser.get(script, json!(null)), "Waits for the model.");
    page.answered(2);
    page.expect_prompts(&["point"]);
    assert_eq!(answering(&page), "Drawn scenes");
    assert_eq!(
        page.browser.get("return document.querySelectorAll('.turn').length;", json!(null)),
        2
    );
    assert!(page.last(".state").starts_with("Answered in"), "{}", page.last(".state"));

    // The session remembers it.
    page.browser.command("refresh", json!({}));
    page.ready();
    assert_eq!(answering(&page), "Drawn scenes");
    assert_eq!(page.browser.complaints(), Vec::<String>::new());
}

#[test]
fn without_a_model_for_photos_the_page_says_so_once_and_goes_on() {
    let server = Server::start();
    server.plan(PHOTOS, Fault::Missing, usize::MAX);
    let page = automatic(&server);
    page.browser.click(CAT);
    assert!(page.notice().starts_with("This server has no model for photos."));
    page.opened("cat", CAT_PX);
    assert_eq!(answering(&page), "Drawn scenes");
    page.browser.click(".notice .x");
    let photo = image::RgbImage::from_pixel(64, 48, image::Rgb([90, 120, 60]));
    let mut png = std::io::Cursor::new(Vec::new());
    photo.write_to(&mut png, image::ImageFormat::Png).unwrap();
    page.show("own.png", png.get_ref(), [64, 48]);
    assert_eq!(server.requests(PHOTOS), [0]);
    assert_eq!(
        page.browser.get("return document.querySelectorAll('.notice').length;", json!(null)),
        0
    );
    Mouse.draw(&page, &[[30.0, 20.0]]);
    page.expect_prompts(&["point"]);
    Mouse.press(&page, ".go");
    page.answered(1);
    // That the file is missing is Chromium's own remark.
    let complaints = page.browser.complaints();
    assert!(complaints.iter().all(|text| text.contains("refvlm.json")), "{complaints:?}");
}

#[test]
fn a_load_is_stopped_and_taken_up_again() {
    let server = both();
    server.plan(SHARD, Fault::Drop(500_000), usize::MAX);
    let page = automatic(&server);
    page.browser.click(CAT);
    page.browser.until("document.querySelector('.loading')?.textContent.includes('MB of')");
    // Not by WebDriver, which waits until an element stays where it is.
    page.browser
        .get("document.querySelector(\"[aria-label='Stop loading']\").click();", json!(null));
    page.browser.until("document.querySelector('.engine .button')");
    server.reset();
    page.browser.click(".engine .button");
    page.opened("cat", CAT_PX);
    assert_eq!(answering(&page), "Photos");
}
