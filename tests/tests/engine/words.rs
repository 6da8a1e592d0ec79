//! What the shipped model says of a drawn ball: what words alone have found is looked at again, and
//! what the finder sees decides what is said to be there.

use burn::tensor::Device;
use refvlm_model::config::{CloserLook, ModelConfig};
use refvlm_model::decoding::FinderConfig;
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

/// The shipped model with another configuration, looking at a picture.
fn session(package: &Package, config: ModelConfig, rgb: &[u8]) -> Session {
    let (model, tokenizer) = (package.model.clone(), package.tokenizer.clone());
    let mut session = Session::new(config, model, tokenizer, Device::flex(), || 0.0).unwrap();
    pollster::block_on(session.set_image(Picture::new(SIDE, SIDE, rgb).unwrap())).unwrap();
    session
}

/// The same with a finder that is sure from this confidence on; none without one.
fn finding(package: &Package, least_confidence: Option<f32>, rgb: &[u8]) -> Session {
    let finder = package.config.finder.clone().zip(least_confidence);
    let finder =
        finder.map(|(finder, least_confidence)| FinderConfig { least_confidence, ..finder });
    session(package, ModelConfig { finder, ..package.config.clone() }, rgb)
}

fn events(session: &mut Session, task: Task, question: &str) -> Vec<Event> {
    let ask = Ask::new(task, question, Vec::new());
    pollster::block_on(session.ask(&ask).unwrap().collect())
}

fn text(events: &[Event]) -> String {
    let token = |event: &Event| match event {
        Event::Token { text, .. } => Some(text.clone()),
        _ => None,
    };
    events.iter().filter_map(token).collect()
}

#[test]
fn what_words_have_found_is_looked_at_as_if_it_had_been_painted() {
    let package = Package::embedded(Embedded::Pocket, &Device::flex()).unwrap();
    let (rgb, truth) = ball([170, 160], 38);
    let segmented = |words_margin| {
        let look = package.config.closer_look.map(|look| CloserLook { words_margin, ..look });
        // A finder would find the ball first, and words alone would have nothing to say.
        let config = ModelConfig { closer_look: look, finder: None, ..package.config.clone() };
        let mut session = session(&package, config, &rgb);
        let events = events(&mut session, Task::GroundingSegmentation, "Segment the ball.");
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

#[test]
fn what_is_there_is_what_the_finder_sees() {
    let package = Package::embedded(Embedded::Pocket, &Device::flex()).unwrap();
    let (rgb, _) = ball([170, 160], 38);
    for (question, asks) in [("Is there a ball in the picture?", true), ("Is the ball red?", false)]
    {
        // No peak is as high as 1, and each is higher than 0.
        let [mut alone, mut never, mut always] =
            [None, Some(1.0), Some(0.0)].map(|least| finding(&package, least, &rgb));
        let answer = |session: &mut Session| {
            let answers = [(); 2].map(|()| text(&events(session, Task::Vqa, question)));
            assert_eq!(answers[0], answers[1], "what was read ahead is forgotten");
            answers[0].rsplit('\n').next().unwrap_or_default().to_string()
        };
        let said = [answer(&mut alone), answer(&mut never), answer(&mut always)];
        match asks {
            true => assert!(said[1].starts_with("no") && said[2].starts_with("yes"), "{said:?}"),
            false => assert!(said[1] == said[0] && said[2] == said[0], "{said:?}"),
        }
        // What was read for it leaves nothing behind for the next question.
        let next = |session: &mut Session| text(&events(session, Task::Vqa, "What is it?"));
        assert_eq!(next(&mut never), next(&mut alone), "{question}");
    }
}

#[test]
fn a_caption_keeps_its_words_and_a_list_names_what_was_found() {
    let package = Package::embedded(Embedded::Pocket, &Device::flex()).unwrap();
    let (rgb, _) = ball([170, 160], 38);
    let said = |task: Task, least| {
        let mut session = finding(&package, least, &rgb);
        let events = events(&mut session, task, "What do you see?");
        let places = events.iter().filter(|event| matches!(event, Event::Unit { .. })).count();
        (text(&events), places)
    };
    let caption = Task::GcgSegmentation;
    let alone = said(caption, None);
    assert_eq!(
        (said(caption, Some(1.0)).0, said(caption, Some(0.0)).0),
        (alone.0.clone(), alone.0)
    );
    let alone = said(Task::Segmentation, None);
    assert!(alone.1 > 0);
    // What is seen nowhere is named as if there were no finder, and else once, however sure it is.
    assert!(said(Task::Segmentation, Some(1.0)).1 > 0);
    let (list, places) = said(Task::Segmentation, Some(0.0));
    let names = list.matches("- Name:").count();
    assert!(names > 0 && places >= names && list.ends_with(")."), "{list}");
}

#[test]
fn a_question_for_one_thing_is_not_answered_by_another() {
    let package = Package::embedded(Embedded::Pocket, &Device::flex()).unwrap();
    let (rgb, _) = ball([170, 160], 38);
    let named = |nouns: &[&str]| {
        let finder = package.config.finder.clone().map(|finder| FinderConfig {
            least_confidence: 0.0,
            nouns: nouns.iter().map(|noun| noun.to_string()).collect(),
            ..finder
        });
        let mut session = session(&package, ModelConfig { finder, ..package.config.clone() }, &rgb);
        text(&events(&mut session, Task::GroundingDetection, "Where are the toothbrushes?"))
    };
    let answer = named(&["brush", "toothbrush", "ball"]);
    assert!(answer.contains("- Name: toothbrush Unit: box"), "{answer}");
}
