//! Training the whole model.

use super::Student;
use crate::config::TrainFile;
use crate::losses::Losses;
use crate::plan::{Sizes, Work, of_tokens};
use crate::score::Score;
use crate::source::{Drawn, Source};
use crate::task::{Judge, Part, Task};
use crate::teach::Teachers;
use crate::teach::alignment::alignment;
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use refvlm_model::learning::batch::Batch;
use refvlm_model::learning::pointing::PointingBatch;
use refvlm_model::triplet::Tokenizer;

/// Training of the whole model.
pub struct FullTask<'a> {
    file: &'a TrainFile,
    source: &'a dyn Source,
    teachers: Teachers,
    judge: Option<&'a dyn Judge<Student>>,
    /// Ids that stand before every dialogue.
    trunk: Vec<i64>,
    sizes: Sizes,
}

impl<'a> FullTask<'a> {
    /// The task of a file, fed by a source whose examples have dialogues.
    ///
    /// # Errors
    /// When the template's prefix or a name cannot be encoded.
    pub fn new(
        file: &'a TrainFile,
        tokenizer: &Tokenizer,
        source: &'a dyn Source,
    ) -> Result<Self, String> {
        let trunk = file.model.template.encode_prefix(tokenizer, true);
        let trunk = trunk.map_err(|e| e.to_string())?;
        let teachers = Teachers::new(tokenizer, &file.model).map_err(|e| e.to_string())?;
        let sizes = Sizes::new(&file.model, &Work::default()).map_err(|e| e.to_string())?;
        Ok(Self { file, source, teachers, trunk, sizes, judge: None })
    }

    /// The same with a judge.
    pub fn with_judge(self, judge: &'a dyn Judge<Student>) -> Self {
        Self { judge: Some(judge), ..self }
    }
}

impl Task for FullTask<'_> {
    type Module = Student;
    type Item = Drawn;

    fn item(&self, step: usize, part: Part) -> Result<Drawn, String> {
        Ok(Drawn { step: Some(step), ..self.source.draw(step, part)? })
    }

    fn loss(&self, student: &Student, item: Drawn, device: &Device) -> Result<Losses, String> {
        let (config, model) = (&self.file.train, &student.model);
        let side = config.label_side;
        let batch = Batch::new(&item.examples, &self.trunk, &self.file.model, device);
        let step = model.losses(&batch, &config.losses, side).map_err(|e| e.to_string())?;
        let trunk = self.trunk.len() - 1 + self.file.model.image_rows();
        let seen = [item.examples.len(), batch.tokens + item.examples.len() * trunk];
        let mut losses = Losses::new(Tensor::zeros([1], device), seen);
        losses.add("text", step.text, config.weights.text);
        losses.add_some("classes", self.teachers.classes(model), config.class_weight);
        let risen = config.risen(item.step);
        for (unit, loss) in step.units {
            losses.add_unit("", unit, loss, risen * config.weights.of(unit));
        }
        losses.add_found(model, &step.sight, &item.pointing, config.finder_weight);
        if let Some(pointing) = PointingBatch::new(&item.pointing, &self.file.model, device) {
            let (states, prompts) = model.pointing(&step.sight, &pointing);
            if config.alignment_weight > 0.0 {
                let loss = alignment(&batch, step.hidden, &pointing, states.clone().detach());
                losses.add_some("alignment", loss, config.alignment_weight);
            }
            if let Some(truth) = &item.truth {
                let (sight, states) = (&step.sight, states.clone());
                for (name, loss) in self.teachers.name(model, truth, sight, &pointing, states) {
                    losses.add_some(name, loss, config.naming_weight);
                }
            }
            let asked = (states, prompts.as_ref());
            let units = model.pointing_losses(&step.sight, asked, &pointing, &config.losses, side);
            for (unit, loss) in units.map_err(|e| e.to_string())? {
                let weight = config.weights.of(unit) * config.pointing_weight;
                losses.add_unit("pointing.", unit, loss, weight);
            }
        }
        if let Some(truth) = item.truth.filter(|_| config.dense_weight > 0.0) {
            let maps = &step.sight.pyramid.maps;
            for (name, loss) in self.teachers.look(&student.heads, &truth, maps) {
                losses.add(name, loss, config.dense_weight);
            }
        }
        Ok(losses)
    }

    fn activations(&self, item: &Drawn) -> u64 {
        let trunk = (self.trunk.len() - 1 + self.file.model.image_rows()) as u64;
        let rows = self.file.model.prompt_rows().saturating_sub(1);
        let (mut tokens, mut pairs) = (0, 0);
        for example in &item.examples {
            tokens += trunk;
            pairs += trunk * trunk;
            for turn in &example.turns {
                let length = (turn.ids.len() + turn.prompts.len() * rows) as u64;
                tokens += length;
                pairs += length * (trunk + length);
            }
        }
        of_tokens(&self.sizes, tokens, pairs)
    }

    fn judge(&self) -> Option<&dyn Judge<Student>> {
        self.judge
    }

    fn score(&self, student: &Student, device: &Device) -> Result<Vec<Score>, String> {
        Ok(self.loss(&student.valid(), self.source.held_out()?, device)?.scores())
    }
}
