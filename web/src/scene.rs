//! Scenes that no training has seen, with their truth.

use refvlm_protocol::Scene;
use refvlm_scenes::dialog::{Kind, dialogue_of_each};
use refvlm_scenes::{SceneError, SceneOptions, Split, Stream, World, scene_rng};

/// What is asked about a scene, beside the first turn that names everything: what can be asked
/// without pointing, then what needs a prompt.
const KINDS: [Kind; 14] = [
    Kind::SegmentAll,
    Kind::CaptionMasks,
    Kind::Caption,
    Kind::HowMany,
    Kind::Colour,
    Kind::ReferBox,
    Kind::ReferMask,
    Kind::DetectAll,
    Kind::Keypoints,
    Kind::Depth,
    Kind::Mixed,
    Kind::RegionLabel,
    Kind::PromptMask,
    Kind::PromptKeypoints,
];

/// A scene and its pixels.
#[derive(Debug, Clone, PartialEq)]
pub struct Drawn {
    /// The scene.
    pub scene: Scene,
    /// `[height, width, 4]`, row-major, opaque.
    pub rgba: Vec<u8>,
    /// `[height, width]`, metres.
    pub depth: Vec<f32>,
}

const SPLIT: Split = Split::HeldOut;

/// The part of the world that the embedded model knows.
pub(crate) fn world() -> Result<World, SceneError> {
    World::of(&SceneOptions::embedded(SPLIT).classes)
}

impl Drawn {
    pub(crate) fn new(world: &World, seed: u32, side: u32) -> Self {
        let options = SceneOptions { side_px: side, ..SceneOptions::embedded(SPLIT) };
        let drawn = world.scene(u64::from(seed), &options);
        let mut rng = scene_rng(u64::from(seed), SPLIT, Stream::Browser);
        let record = dialogue_of_each(&KINDS, &drawn, &mut rng).record;
        let rgba = drawn.rgb.as_chunks::<3>().0.iter().flat_map(|&[r, g, b]| [r, g, b, 255]);
        let rgba = rgba.collect();
        let scene = Scene { seed, width: drawn.width, height: drawn.height, record };
        Self { scene, rgba, depth: drawn.depth_m }
    }
}
