//! What a question names is looked for before the answer is planned: the untrained model of the
//! preset `pocket`, whose finder is made to find nothing or something.

use burn::tensor::Device;
use refvlm_model::config::{ClassTokens, ModelConfig};
use refvlm_model::decoding::FinderConfig;
use refvlm_model::engine::{Ask, Session};
use refvlm_model::event::{Event, Shape};
use refvlm_model::image::Picture;
use refvlm_model::refvlm::RefVlm;
use refvlm_record::{Prompt, Task};
use refvlm_tests::{pocket_tokenizer, preset, settled};

const SIDE: u32 = 64;

/// The preset with tokens for its classes, and a finder that is sure from this confidence on; none
/// without one.
fn config(least_confidence: Option<f32>) -> ModelConfig {
    let mut config = preset("pocket");
    let tokens = (0..1000).map(|class| vec![class, class + 1000, class + 2000]).collect();
    config.class_words = Some(ClassTokens::Tokens(tokens));
    let finder = config.finder.take().expect("the preset has a finder");
    config.finder =
        least_confidence.map(|least| FinderConfig { least_confidence: least, ..finder });
    config
}

fn session(least_confidence: Option<f32>) -> Session {
    let device = Device::flex();
    let config = config(least_confidence);
    let model = settled(RefVlm::new(&config, &device).unwrap());
    let mut session = Session::new(config, model, pocket_tokenizer(), device, || 0.0).unwrap();
    let rgb: Vec<u8> =
        (0..SIDE * SIDE * 3).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    pollster::block_on(session.set_image(Picture::new(SIDE, SIDE, &rgb).unwrap())).unwrap();
    session
}

/// The numbers of targets that an answer announces, and the confidences of what it decodes.
fn answer(session: &mut Session, ask: &Ask) -> (Vec<usize>, Vec<f32>) {
    let (mut counts, mut found) = (Vec::new(), Vec::new());
    for event in pollster::block_on(session.ask(ask).unwrap().collect()) {
        match event {
            Event::Triplet { count, .. } => counts.push(count),
            Event::Unit { confidence, shape: Shape::Box { .. } | Shape::Mask { .. }, .. } => {
                found.push(confidence);
            }
            Event::Failed { error } => panic!("{error}"),
            _ => {}
        }
    }
    (counts, found)
}

#[test]
fn an_answer_names_what_was_found_and_nothing_else() {
    for task in [Task::GroundingDetection, Task::GroundingSegmentation] {
        let ask = Ask::new(task, "Where are all dogs?", Vec::new());
        // No peak is as high as 1: nothing is there, or the language model insists.
        let nothing = answer(&mut session(Some(1.0)), &ask);
        let alone = answer(&mut session(None), &ask);
        assert!(nothing.0.is_empty() || nothing == alone, "{task:?}: {nothing:?} {alone:?}");
        // Each is higher than 0.
        let mut session = session(Some(0.0));
        let (counts, found) = answer(&mut session, &ask);
        assert_eq!(counts.iter().sum::<usize>(), found.len(), "{task:?}");
        assert!(!found.is_empty(), "{task:?}");
        // What was read ahead is forgotten: asked again, the answer is the same.
        assert_eq!(answer(&mut session, &ask), (counts, found), "{task:?}");
    }
}

#[test]
fn what_is_pointed_at_or_asked_in_words_is_not_looked_for() {
    let ask = Ask::new(Task::Vqa, "What colour is the dog?", Vec::new());
    assert_eq!(answer(&mut session(Some(0.0)), &ask), answer(&mut session(Some(1.0)), &ask));
    let click = Prompt::Point { x: 20.0, y: 30.0 };
    let ask = Ask::new(Task::GroundingSegmentation, "Segment [prompt 1].", vec![click]);
    assert_eq!(answer(&mut session(Some(0.0)), &ask), answer(&mut session(Some(1.0)), &ask));
}
