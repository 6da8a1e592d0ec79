//! What words alone have found, by the shipped model.

use burn::tensor::Device;
use refvlm_model::config::{CloserLook, ModelConfig};
use refvlm_model::engine::{Ask, Session};
use refvlm_model::event::{Event, Shape};
use refvlm_model::image::Picture;
use refvlm_record::{Mask, Task};
use refvlm_weights::package::{Embedded, Package};

const SIDE: u32 = 256;

/// A red ball at a place in px on a greenish ground, and its mask.
fn ball(middle: [i32; 2], radius: i32) -> (Vec<u8>, Mask) {
    let side = SIDE as i32;
    let pixels = (0..side * side).map(|i| {
        let [x, y] = [i % side - middle[0], i / side - middle[1]];
        u8::from(x * x + y * y < radius * radius)
    });
    let mask = Mask { width: SIDE, height: SIDE, pixels: pixels.collect() };
    let colour = |inside: &u8| if *inside == 1 { [200, 40, 30] } else { [150, 170, 150] };
    (mask.pixels.iter().flat_map(colour).collect(), mask)
}

#[test]
fn what_words_have_found_is_looked_at_as_if_it_had_been_painted() {
    let device = Device::flex();
    let package = Package::embedded(Embedded::Pocket, &device).unwrap();
    let (rgb, truth) = ball([170, 160], 38);
    let segmented = |words_margin| {
        let look = package.config.closer_look.map(|look| CloserLook { words_margin, ..look });
        // A finder would find the ball first, and words alone would have nothing to say.
        let config = ModelConfig { closer_look: look, finder: None, ..package.config.clone() };
        let (model, tokenizer) = (package.model.clone(), package.tokenizer.clone());
        let mut session = Session::new(config, model, tokenizer, device.clone(), || 0.0).unwrap();
        pollster::block_on(session.set_image(Picture::new(SIDE, SIDE, &rgb).unwrap())).unwrap();
        let ask = Ask::new(Task::GroundingSegmentation, "Segment the ball.", Vec::new());
        let events: Vec<Event> = pollster::block_on(session.ask(&ask).unwrap().collect());
        let mut masks = events.into_iter().filter_map(|event| match event {
            Event::Unit { confidence, shape: Shape::Mask { mask, .. }, .. } => {
                Some((confidence, mask.to_mask().unwrap()))
            }
            _ => None,
        });
        masks.next().expect("the ball is found")
    };
    let (before, far) = segmented(None);
    let (after, near) = segmented(Some(1.5));
    assert_ne!(near, far, "another look");
    assert_eq!(after, before, "whether it is a ball was judged before");
    let (far, near) = (far.iou(&truth), near.iou(&truth));
    assert!(far > 0.7 && near > 0.85, "{far}, looked at once more {near}");
    assert!(segmented(Some(1.0)).1.iou(&truth) > 0.7, "a part without room around the ball");
}
