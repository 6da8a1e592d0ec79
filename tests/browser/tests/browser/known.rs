//! The engine natively, and a scene of which it knows something.

use refvlm_protocol::{Ask, Event, Shape, Task};
use refvlm_record::{Mask, Prompt};
use refvlm_web::{Device, Engine};
use std::time::Instant;

pub const PACKAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../www/models/scenes/");

/// Longer side of the scenes, px; what the page asks for when it wants a new one.
const SIDE_PX: u32 = 640;
/// How many scenes are looked at before the model is said to know none.
const SCENES: u32 = 200;

pub fn native() -> Engine {
    let mut engine = Engine::new(|| Instant::now().elapsed().as_secs_f64());
    let read = |name: &str| std::fs::read(format!("{PACKAGE}{name}")).unwrap();
    let wanted = engine.begin(&read("refvlm.json"), Device::flex()).unwrap();
    engine.tokenizer(&read("tokenizer.json")).unwrap();
    for shard in wanted {
        engine.shard(&shard.file, &read(&shard.file)).unwrap();
    }
    engine.finish().unwrap();
    engine
}

/// A scene with a thing that the model outlines well when it is pointed at, and of whose picture it
/// writes a caption with two masks or more, the first two of them apart.
pub struct Known {
    pub engine: Engine,
    pub seed: u32,
    pub size: [u32; 2],
    pub rgba: Vec<u8>,
    /// The thing's visible px, in truth.
    pub mask: Mask,
    /// `[x, y, w, h]` of them.
    pub bounds: [f32; 4],
    /// The place in the thing that is farthest from its edges.
    pub at: [f32; 2],
}

impl Known {
    pub fn find() -> Self {
        let mut engine = native();
        for seed in 0..SCENES {
            let drawn = engine.scene(seed, SIDE_PX).unwrap();
            let size = [drawn.scene.width, drawn.scene.height];
            pollster::block_on(engine.set_image(size[0], size[1], &drawn.rgba)).unwrap();
            let caption = Ask::new(Task::GcgSegmentation, "Describe the image with masks.", vec![]);
            let described = masks(&mut engine, &caption);
            if described.len() < 2 || described[0].iou(&described[1]) > 0.1 {
                continue;
            }
            let targets = drawn.scene.record.targets.iter();
            for mask in targets.filter_map(|target| target.mask.as_ref()?.to_mask().ok()) {
                let (at, depth) = deepest(&mask);
                let ask = |prompt| {
                    Ask::new(Task::GroundingSegmentation, "Segment [prompt 1].", vec![prompt])
                };
                let point = ask(Prompt::Point { x: at[0], y: at[1] });
                let found = masks(&mut engine, &point);
                // Large enough to be hit by a finger.
                if depth < 30.0 || found.first().is_none_or(|found| found.iou(&mask) < 0.75) {
                    continue;
                }
                let bounds = mask.bounds().unwrap().map(|v| v as f32);
                return Self { engine, seed, size, rgba: drawn.rgba, mask, bounds, at };
            }
        }
        panic!("of {SCENES} scenes the model knows nothing");
    }

    /// The masks that the engine finds natively.
    pub fn masks(&mut self, ask: &Ask) -> Vec<Mask> {
        masks(&mut self.engine, ask)
    }

    pub fn png(&self) -> Vec<u8> {
        let mut bytes = std::io::Cursor::new(Vec::new());
        self.image().write_to(&mut bytes, image::ImageFormat::Png).unwrap();
        bytes.into_inner()
    }

    pub fn image(&self) -> image::RgbaImage {
        image::RgbaImage::from_raw(self.size[0], self.size[1], self.rgba.clone()).unwrap()
    }
}

fn masks(engine: &mut Engine, ask: &Ask) -> Vec<Mask> {
    let mask = |event| match event {
        Event::Unit { shape: Shape::Mask { mask, .. }, .. } => Some(mask.to_mask().unwrap()),
        _ => None,
    };
    events(engine, ask).into_iter().filter_map(mask).collect()
}

/// The native answer.
pub fn events(engine: &mut Engine, ask: &Ask) -> Vec<Event> {
    let mut events = Vec::new();
    let keep = async |event: Event| {
        events.push(event);
        true
    };
    assert!(pollster::block_on(engine.ask(ask, keep)).unwrap());
    events
}

/// The place of a mask with the most px around it along rows and columns, and how many.
fn deepest(mask: &Mask) -> ([f32; 2], f32) {
    let (w, h) = (mask.width as usize, mask.height as usize);
    let mut around = vec![u32::MAX; w * h];
    // The length of the run up to each px, in four directions.
    let mut runs = |lines: Vec<Vec<usize>>| {
        for line in lines {
            for line in [line.clone(), line.into_iter().rev().collect()] {
                let mut run = 0;
                for at in line {
                    run = if mask.pixels[at] == 0 { 0 } else { run + 1 };
                    around[at] = around[at].min(run);
                }
            }
        }
    };
    runs((0..h).map(|y| (0..w).map(|x| y * w + x).collect()).collect());
    runs((0..w).map(|x| (0..h).map(|y| y * w + x).collect()).collect());
    let best = (0..w * h).max_by_key(|at| around[*at]).unwrap();
    ([(best % w) as f32 + 0.5, (best / w) as f32 + 0.5], around[best] as f32)
}
