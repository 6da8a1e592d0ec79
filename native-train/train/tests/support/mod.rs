//! A model of a few thousand parameters beside its table of words, and its configuration.

#![allow(dead_code, reason = "each test file takes what it needs")]

pub mod changes;
mod tiny;

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Tensor};
pub use refvlm_helpers::Folder;
use refvlm_model::triplet::Tokenizer;
use refvlm_scenes::World;
use refvlm_train::TrainFile;
use refvlm_train::stage::Student;

/// All that a stage needs.
pub struct Tiny {
    pub file: TrainFile,
    pub world: World,
    pub tokenizer: Tokenizer,
    pub device: Device,
}

impl Tiny {
    pub fn new() -> Self {
        let file: TrainFile = tiny::table().try_into().unwrap();
        file.model.check().unwrap();
        let tokenizer = include_bytes!("../../../../configs/scenes-tokenizer.json");
        let tokenizer = Tokenizer::from_json(tokenizer).unwrap();
        let device = Device::flex().autodiff();
        Self { file, world: World::new().unwrap(), tokenizer, device }
    }

    pub fn student(&self, seed: u64) -> Student {
        Student::fresh(&self.file.model, seed, &self.device).unwrap()
    }
}

/// The bits of all weights.
pub fn bits(module: &impl Module) -> Vec<u32> {
    struct Bits(Vec<u32>);
    impl ModuleVisitor for Bits {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.0.extend(param.val().into_data().iter::<f32>().map(f32::to_bits));
        }
    }
    let mut bits = Bits(Vec::new());
    module.visit(&mut bits);
    bits.0
}

/// The lines of a run's log, without what depends on clock and machine.
pub fn log(folder: &Folder) -> Vec<String> {
    let text = std::fs::read_to_string(folder.0.join("train.log")).unwrap();
    let timeless = |line: &str| match line.rsplit_once(" | ") {
        Some((losses, _)) => losses.to_string(),
        None => line.to_string(),
    };
    text.lines().filter(|line| !line.starts_with("memory: ")).map(timeless).collect()
}
