//! A whole step of each stage of the scenes model.

use super::row::{Row, difference, worse};
use crate::TrainFile;
use crate::checkpoint::{record, with_record};
use crate::source::scenes::SceneSource;
use crate::stage::{FullTask, SightTask, Student};
use crate::task::{Part, Task};
use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};
use refvlm_model::triplet::Tokenizer;
use refvlm_scenes::World;
use std::path::Path;

/// Largest difference of a loss, and of a gradient as a share of the norm of all: hundreds of
/// operations lie behind each other.
const LIMIT: f64 = 2e-3;
/// Pictures of a step.
const PICTURES: usize = 2;

/// Loss and gradients of one step of each stage on both devices, from the same weights.
/// `on_reference` runs what the reference computes.
///
/// # Errors
/// When the model that is inside the program cannot be made.
pub fn steps(
    device: &Device,
    reference: &Device,
    on_reference: impl Fn(&mut (dyn FnMut() + Send)),
) -> Result<Vec<Row>, String> {
    let text = include_str!("../../../../configs/scenes.toml");
    let mut file: TrainFile = toml::from_str(text).map_err(|e| e.to_string())?;
    (file.sight.pictures, file.train.pictures) = (PICTURES, PICTURES);
    let words = include_bytes!("../../../../configs/scenes-tokenizer.json");
    let tokenizer = Tokenizer::from_json(words).map_err(|e| e.to_string())?;
    let world = World::new().map_err(|e| e.to_string())?;
    let (device, reference) = (device.clone().autodiff(), reference.clone().autodiff());
    let student = Student::fresh(&file.model, file.seed, &reference).map_err(|e| e.to_string())?;
    let place = Path::new("selftest");
    let bytes = record(&student, None, place).map_err(|e| e.to_string())?.to_vec();
    let other = Student::new(&file.model, &device).map_err(|e| e.to_string())?;
    let other = with_record(other, bytes, false, place).map_err(|e| e.to_string())?;
    let devices = Devices { device, reference };
    let sight = SceneSource::sight(&file, &world, &tokenizer);
    let full = SceneSource::full(&file, &world, &tokenizer);
    let sight = SightTask::new(&file, &tokenizer, &sight).map_err(|e| e.to_string())?;
    let full = FullTask::new(&file, &tokenizer, &full)?;
    Ok(vec![
        devices.row("a step of seeing and pointing", &sight, [&student, &other], &on_reference)?,
        devices.row("a step of the whole model", &full, [&student, &other], &on_reference)?,
    ])
}

struct Devices {
    device: Device,
    reference: Device,
}

impl Devices {
    fn row<T: Task<Module = Student>>(
        &self,
        name: &str,
        task: &T,
        [student, other]: [&Student; 2],
        on_reference: &impl Fn(&mut (dyn FnMut() + Send)),
    ) -> Result<Row, String> {
        let mut expected = None;
        on_reference(&mut || expected = Some(learned(task, student, &self.reference)));
        let (losses, gradients) = expected.ok_or("nothing was computed")??;
        let (other_losses, other_gradients) = learned(task, other, &self.device)?;
        let largest = |values: &[Vec<f32>]| {
            let all = values.iter().flatten().map(|x| f64::from(*x) * f64::from(*x));
            all.sum::<f64>().sqrt()
        };
        let norm = largest(&gradients);
        let each = gradients.iter().zip(&other_gradients).map(|(a, b)| {
            let squares = a.iter().zip(b).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2));
            if a.len() == b.len() { squares.sum::<f64>().sqrt() / norm } else { f64::NAN }
        });
        let losses = losses.iter().zip(&other_losses).map(|(a, b)| difference(&[*a], &[*b]));
        Ok(Row {
            name: name.into(),
            forward: worse(losses),
            backward: Some(worse(each)),
            limit: LIMIT,
        })
    }
}

/// The losses of the first step, and the gradient of each parameter in the order of the module.
fn learned<T: Task<Module = Student>>(
    task: &T,
    student: &Student,
    device: &Device,
) -> Result<(Vec<f32>, Vec<Vec<f32>>), String> {
    struct Read(GradientsParams, Vec<Vec<f32>>);
    impl ModuleVisitor for Read {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let gradient = self.0.remove::<D>(param.id);
            self.1.push(gradient.map_or(Vec::new(), |g| g.into_data().iter::<f32>().collect()));
        }
    }
    let item = task.item(0, Part { index: 0, of: 1 })?;
    let losses = task.loss(student, item, device)?;
    let total = losses.total;
    let parts = losses.parts.into_iter().map(|(_, value)| value.into_scalar::<f32>());
    let values = std::iter::once(total.clone().into_scalar::<f32>()).chain(parts).collect();
    let gradients = GradientsParams::from_grads(total.backward(), student);
    let mut read = Read(gradients, Vec::new());
    student.visit(&mut read);
    Ok((values, read.1))
}
