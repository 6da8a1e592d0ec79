//! `refvlm selftest`.

use super::Outcome;
use super::device::Answering;
use super::say::{note, say};
use burn::tensor::Device;
use clap::Args;
use refvlm_model::engine::{Ask, Session};
use refvlm_model::event::Shape;
use refvlm_model::image::Picture as View;
use refvlm_native::evaluate::{TABLE_KINDS, asked, scene_samples};
use refvlm_native::metrics::Answer;
use refvlm_native::package::{Embedded, Package};
use refvlm_native::train::selftest::{Row, difference, operations, steps, worse};
use refvlm_scenes::{SceneOptions, Split, World};
use std::time::Instant;

/// Largest difference of a place in an answer, as a share of the picture's longest side, and of a
/// distance as a share of the farthest.
const LIMIT: f64 = 1e-2;
/// Scenes that are asked about.
const SCENES: u64 = 2;

/// Check whether a device computes what the CPU computes.
///
/// Runs every operation of answering and training on small shapes, forward and backward, then a
/// whole training step of each stage and questions to the model inside the program, and prints the
/// largest differences. On the CPU it compares one thread with all. Ends with an error when something
/// differs too much.
#[derive(Debug, Args)]
pub struct Selftest {
    /// What to check.
    #[arg(long, value_enum, default_value_t = Answering::Cpu)]
    device: Answering,
}

impl Selftest {
    /// Runs the command.
    pub fn run(self) -> Outcome {
        let (device, reference) = (self.device.device()?, Device::flex());
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build()?;
        let one_thread = self.device == Answering::Cpu;
        let on_reference = |compute: &mut (dyn FnMut() + Send)| match one_thread {
            true => pool.install(compute),
            false => compute(),
        };
        if one_thread {
            note(format_args!("one thread against {}", rayon::current_num_threads()));
        }
        let started = Instant::now();
        say!("{:<34} {:>10} {:>10} {:>8}", "largest difference", "forward", "backward", "limit");
        let mut wrong = 0;
        let mut show = |rows: Vec<Row>| -> std::io::Result<()> {
            for row in rows {
                let short = |x: f64| if x == 0.0 { "0".into() } else { format!("{x:.1e}") };
                let backward = row.backward.map_or("-".into(), short);
                let verdict = if row.is_fine() { "" } else { "  DIFFERS" };
                wrong += usize::from(!row.is_fine());
                super::say::line(format_args!(
                    "{:<34} {:>10} {backward:>10} {:>8}{verdict}",
                    row.name,
                    short(row.forward),
                    format!("{:.0e}", row.limit)
                ))?;
            }
            Ok(())
        };
        show(operations(&device, &reference, on_reference))?;
        show(steps(&device, &reference, on_reference)?)?;
        show(answers(&device, &reference, on_reference)?)?;
        let seconds = started.elapsed().as_secs_f64();
        match wrong {
            0 => {
                say!("everything agrees, in {seconds:.0} s");
                Ok(())
            }
            1 => Err("one thing differs too much; do not train or answer on this device".into()),
            _ => Err(format!(
                "{wrong} things differ too much; do not train or answer on this device"
            )
            .into()),
        }
    }
}

/// Questions about drawn scenes to the model inside the program.
fn answers(
    device: &Device,
    reference: &Device,
    on_reference: impl Fn(&mut (dyn FnMut() + Send)),
) -> Result<Vec<Row>, Box<dyn std::error::Error>> {
    let mut expected = None;
    on_reference(&mut || expected = Some(given(reference).map_err(|e| e.to_string())));
    let expected = expected.ok_or("nothing was computed")??;
    let found = given(device)?;
    let words = expected.iter().zip(&found).filter(|(a, b)| a.1.text != b.1.text).count();
    let share = words as f64 / expected.len().max(1) as f64;
    let places = expected.iter().zip(&found).filter(|(a, b)| a.1.text == b.1.text);
    let places = places.map(|((side, a), (_, b))| {
        let pairs = a.triplets.iter().zip(&b.triplets).flat_map(|(a, b)| {
            a.shapes.iter().zip(&b.shapes).map(|(a, b)| apart(&a.1, &b.1, *side))
        });
        worse(pairs)
    });
    let row = |name: String, forward| Row { name, forward, backward: None, limit: LIMIT };
    Ok(vec![
        row(format!("words of {} answers", expected.len()), share),
        row("places in these answers".into(), worse(places)),
    ])
}

/// Answers with the longest side of their pictures.
fn given(device: &Device) -> Result<Vec<(f32, Answer)>, Box<dyn std::error::Error>> {
    let package = Package::embedded(Embedded::Scenes, device)?;
    let mut session: Session = package.session(device)?;
    let world = World::new()?;
    let options = SceneOptions::embedded(Split::HeldOut);
    let mut answers = Vec::new();
    for seed in 0..SCENES {
        let (picture, samples) = scene_samples(&world, seed, &options, &TABLE_KINDS);
        let view = View::new(picture.width, picture.height, &picture.rgb)?;
        pollster::block_on(session.set_image(view))?;
        for sample in &samples {
            let Some(turn) = sample.record.turns.first() else { continue };
            let (text, prompts) = asked(&sample.record, turn);
            let answer = session.ask(&Ask::new(turn.task, text, prompts))?;
            let answer = Answer::from_events(&pollster::block_on(answer.collect()));
            answers.push((picture.width.max(picture.height) as f32, answer));
        }
    }
    Ok(answers)
}

/// How far two shapes are apart, as a share of the side; of distances, as a share of the farthest.
fn apart(a: &Shape, b: &Shape, side: f32) -> f64 {
    let boxes = |a: &[f32; 4], b: &[f32; 4]| {
        worse(a.iter().zip(b).map(|(a, b)| f64::from((a - b).abs() / side)))
    };
    match (a, b) {
        (Shape::Box { bbox: a }, Shape::Box { bbox: b }) => boxes(a, b),
        (Shape::Mask { bbox: a, .. }, Shape::Mask { bbox: b, .. }) => boxes(a, b),
        (
            Shape::Keypoint { bbox: a, keypoints: joints },
            Shape::Keypoint { bbox: b, keypoints: others },
        ) => {
            let each = joints.iter().zip(others).flat_map(|(a, b)| [(a[0], b[0]), (a[1], b[1])]);
            let each = each.map(|(a, b)| f64::from((a - b).abs() / side));
            worse(each.chain([boxes(a, b)]))
        }
        (Shape::Depth { metres: a, .. }, Shape::Depth { metres: b, .. }) => difference(a, b),
        _ => f64::NAN,
    }
}
