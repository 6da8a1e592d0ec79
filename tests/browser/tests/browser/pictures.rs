//! Damaged, huge, animated and turned pictures, and other files: what the page shows.

use crate::hands::{Hand, Mouse};
use crate::known::Known;
use crate::page::{Page, covers};
use image::{Frame, Rgba, RgbaImage, imageops};
use refvlm_browser_tests::{Screen, Server};
use std::io::Cursor;
use std::time::Instant;

#[test]
fn what_is_no_picture_is_told_and_the_page_goes_on() {
    let server = Server::start();
    let page = Page::open(&server, Screen::Wide);
    page.choose("nothing.png", b"");
    assert_eq!(page.notice(), "nothing.png is empty. Open another file.");
    page.browser.shot("fault-picture");
    page.browser.click(".notice .x");
    page.choose("words.jpg", b"these are words, whatever the name says");
    assert!(page.notice().starts_with("words.jpg is not a picture this browser can read."));
    page.browser.click(".notice .x");
    let known = Known::find();
    let mut cut = known.png();
    cut.truncate(cut.len() / 2);
    page.choose("cut.png", &cut);
    assert!(page.notice().starts_with("cut.png is not a picture this browser can read."));
    page.show("scene.png", &known.png(), known.size);
    // The next one does not take the place of a picture that is open.
    page.choose("nothing.png", b"");
    page.notice();
    Mouse.draw(&page, &[known.at]);
    Mouse.press(&page, ".go");
    page.answered(1);
    assert_eq!(page.rows().len(), 1);
    assert_eq!(page.browser.complaints(), Vec::<String>::new());
}

#[test]
fn a_picture_of_a_hundred_megapixels_is_made_to_fit() {
    let server = Server::start();
    let page = Page::open(&server, Screen::Wide);
    let side = 10_000;
    let mut png = Vec::new();
    {
        // One bit per px, all of one colour: a small file.
        let mut encoder = png::Encoder::new(&mut png, side, side);
        encoder.set_color(png::ColorType::Indexed);
        encoder.set_depth(png::BitDepth::One);
        encoder.set_palette(vec![90, 120, 40, 0, 0, 0]);
        let mut writer = encoder.write_header().unwrap();
        writer.write_image_data(&vec![0; (side * side / 8) as usize]).unwrap();
    }
    let start = Instant::now();
    page.show("field.png", &png, [2048, 2048]);
    println!(
        "a file of {} kB with 100 megapixels is open after {:.1} s",
        png.len() / 1000,
        start.elapsed().as_secs_f32()
    );
    Mouse.draw(&page, &[[1000.0, 1000.0]]);
    Mouse.press(&page, ".go");
    page.answered(1);
    let at = serde_json::to_value(&page.asked()[0].prompts[0]).unwrap();
    assert!((at["x"].as_f64().unwrap() - 1000.0).abs() < 4.0, "{at}");
    assert_eq!(page.browser.complaints(), Vec::<String>::new());
}

#[test]
fn of_an_animation_the_first_frame_is_taken() {
    let server = Server::start();
    let page = Page::open(&server, Screen::Wide);
    let mut gif = Vec::new();
    {
        let mut encoder = image::codecs::gif::GifEncoder::new(&mut gif);
        encoder.set_repeat(image::codecs::gif::Repeat::Infinite).unwrap();
        for colour in [[220, 30, 30, 255], [30, 30, 220, 255]] {
            let delay = image::Delay::from_numer_denom_ms(50, 1);
            let frame = RgbaImage::from_pixel(64, 48, Rgba(colour));
            encoder.encode_frame(Frame::from_parts(frame, 0, 0, delay)).unwrap();
        }
    }
    page.show("blink.gif", &gif, [64, 48]);
    std::thread::sleep(std::time::Duration::from_millis(300));
    let seen = page.seen();
    let middle = &seen[4 * (24 * 64 + 32)..][..3];
    assert!(middle[0] > 180 && middle[2] < 80, "{middle:?} is not the first frame");
}

#[test]
fn turned_photos_are_upright_and_everything_lines_up() {
    let known = Known::find();
    let upright = known.image();
    let server = Server::start();
    let page = Page::open(&server, Screen::Wide);
    for orientation in 1..=8u8 {
        let name = format!("photo{orientation}.jpg");
        page.show(&name, &photo(&upright, orientation), known.size);
        // Nearly the same px as those of the upright picture; JPEG and the screen change a little.
        let seen = page.seen();
        let off: u64 =
            seen.iter().zip(upright.as_raw()).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
        let off = off as f64 / seen.len() as f64;
        assert!(off < 6.0, "orientation {orientation}: px differ by {off}");
        Mouse.take(&page, "Point");
        Mouse.draw(&page, &[known.at]);
        page.expect_prompts(&["point"]);
        Mouse.press(&page, ".go");
        page.answered(1);
        covers(&name, &page.shown_by("Results"), &known.mask);
    }
    assert_eq!(page.browser.complaints(), Vec::<String>::new());
}

/// A JPEG that is stored so that EXIF's orientation makes it upright.
fn photo(upright: &RgbaImage, orientation: u8) -> Vec<u8> {
    // What is undone by the viewer, done beforehand.
    let stored = match orientation {
        1 => upright.clone(),
        2 => imageops::flip_horizontal(upright),
        3 => imageops::rotate180(upright),
        4 => imageops::flip_vertical(upright),
        5 => imageops::rotate270(&imageops::flip_horizontal(upright)),
        6 => imageops::rotate270(upright),
        7 => imageops::rotate90(&imageops::flip_horizontal(upright)),
        _ => imageops::rotate90(upright),
    };
    let rgb = image::DynamicImage::ImageRgba8(stored).to_rgb8();
    let mut jpeg = Cursor::new(Vec::new());
    let encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut jpeg, 95);
    rgb.write_with_encoder(encoder).unwrap();
    let jpeg = jpeg.into_inner();
    // APP1: "Exif", a big-endian TIFF header, one entry: tag 0x0112, one SHORT.
    let mut exif = vec![0xff, 0xe1, 0, 34];
    exif.extend(b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0");
    exif.extend([orientation, 0, 0, 0, 0, 0, 0]);
    [&jpeg[..2], &exif, &jpeg[2..]].concat()
}
