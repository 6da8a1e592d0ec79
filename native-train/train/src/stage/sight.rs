//! Teaching a model to see and to find what is pointed at, before a language model joins in.
//!
//! The published model starts from CLIP's towers. Those of the `scenes` preset start from
//! nothing, and the language model's loss alone reaches them too weakly to begin with. Two losses
//! teach them: dense labels of every cell, and decoders that are asked of prompts directly.

use super::Student;
use crate::config::TrainFile;
use crate::losses::Losses;
use crate::score::Score;
use crate::source::{Drawn, Source};
use crate::task::{Judge, Part, Task};
use crate::teach::Teachers;
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use refvlm_model::learning::batch::Pictures;
use refvlm_model::learning::pointing::PointingBatch;
use refvlm_model::triplet::{TokenError, Tokenizer};

/// Training without a language model.
pub struct SightTask<'a> {
    file: &'a TrainFile,
    source: &'a dyn Source,
    teachers: Teachers,
    judge: Option<&'a dyn Judge<Student>>,
}

impl<'a> SightTask<'a> {
    /// The task of a file, fed by a source whose examples point at things.
    ///
    /// # Errors
    /// When a name cannot be encoded.
    pub fn new(
        file: &'a TrainFile,
        tokenizer: &Tokenizer,
        source: &'a dyn Source,
    ) -> Result<Self, TokenError> {
        let teachers = Teachers::new(tokenizer, &file.model)?;
        Ok(Self { file, source, teachers, judge: None })
    }

    /// The same with a judge.
    pub fn with_judge(self, judge: &'a dyn Judge<Student>) -> Self {
        Self { judge: Some(judge), ..self }
    }
}

impl Task for SightTask<'_> {
    type Module = Student;
    type Item = Drawn;

    fn item(&self, step: usize, part: Part) -> Result<Drawn, String> {
        self.source.draw(step, part)
    }

    fn loss(&self, student: &Student, item: Drawn, device: &Device) -> Result<Losses, String> {
        let (file, model) = (self.file, &student.model);
        let batch = PointingBatch::new(&item.pointing, &file.model, device)
            .ok_or("no object of this step can be pointed at")?;
        let batch = batch.of_units(|unit| file.train.weights.of(unit) > 0.0, device);
        let sight = model.look(&Pictures::new(&item.pointing, &file.model, device), None);
        let (states, prompts) = model.pointing(&sight, &batch);
        let truth = item.truth.as_deref();
        let named = truth
            .map(|truth| self.teachers.name(model, truth, &sight, &batch, states.clone()))
            .into_iter()
            .flatten();
        let config = &file.train;
        let side = config.label_side;
        let asked = (states, prompts.as_ref());
        let units = model.pointing_losses(&sight, asked, &batch, &config.losses, side);
        let mut losses = Losses::new(Tensor::zeros([1], device), [item.pointing.len(), 0]);
        for (unit, loss) in units.map_err(|e| e.to_string())? {
            losses.add_unit("", unit, loss, config.weights.of(unit));
        }
        losses.add_some("classes", self.teachers.classes(model), config.class_weight);
        losses.add_found(model, &sight, &item.pointing, config.finder_weight);
        for (name, loss) in named {
            losses.add_some(name, loss, file.sight.naming_weight);
        }
        if let Some(truth) = truth {
            for (name, loss) in self.teachers.look(&student.heads, truth, &sight.pyramid.maps) {
                losses.add(name, loss, file.sight.dense_weight);
            }
        }
        Ok(losses)
    }

    fn judge(&self) -> Option<&dyn Judge<Student>> {
        self.judge
    }

    fn score(&self, student: &Student, device: &Device) -> Result<Vec<Score>, String> {
        Ok(self.loss(&student.valid(), self.source.held_out()?, device)?.scores())
    }
}
