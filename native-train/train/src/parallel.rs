//! The parts of a step's batch that one rank computes, each on a thread.

use super::optim::sum_gradients;
use super::task::Task;
use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};
use refvlm_model::layers::drawing;

/// Draws the parameters that nothing has used yet. Else each fork of a step would draw its own, and
/// the tape keep them all: a run became slower with each step.
pub(crate) fn materialise<M: Module>(module: &M) {
    let _alone = drawing();
    draw(module);
}

/// The same for who holds [`drawing`] already.
pub(crate) fn draw<M: Module>(module: &M) {
    struct Draw;
    impl ModuleVisitor for Draw {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            param.val();
        }
    }
    module.visit(&mut Draw);
}

/// What the log takes of one part of a step.
pub(crate) struct Logged {
    /// Losses by name, `[1]` each, on the device and without autodiff.
    pub parts: Vec<(String, Tensor<1>)>,
    /// Pictures and tokens.
    pub seen: [usize; 2],
}

/// What one step taught.
pub(crate) struct Learned {
    /// The sum of the parts' gradients.
    pub gradients: GradientsParams,
    /// The parts' losses, `[parts]`, on the device and without autodiff.
    pub totals: Tensor<1>,
    /// Each part's share of the log.
    pub logged: Vec<Logged>,
}

/// What all ranks know of a step when they have shared it.
pub(crate) struct Step {
    /// The mean loss.
    pub total: f64,
    /// The norm of all gradients before they were clipped.
    pub norm: f64,
    /// Pictures and tokens of all ranks.
    pub seen: [usize; 2],
    /// This rank's share of the log.
    pub logged: Vec<Logged>,
    /// Whether any rank was asked to stop.
    pub stopping: bool,
}

/// Gradients and losses of some parts of a step's batch, each on a thread of its own; the gradients
/// are added in order of the parts. A single part stays on the caller's thread. Nothing is read to
/// the host.
///
/// One thread cannot fill the cores: most operations of a small model are too short to be worth
/// splitting, so the batch is split instead.
///
/// # Errors
/// When the data of a part do not fit the model, or there is no part.
pub(crate) fn learn<T: Task>(
    task: &T,
    module: &T::Module,
    mut items: Vec<T::Item>,
    device: &Device,
) -> Result<Learned, String> {
    let learn = |module: T::Module, item| {
        let losses = task.loss(&module, item, device)?;
        let total = losses.total.clone().inner();
        let parts = losses.parts.into_iter().map(|(name, x)| (name, x.inner()));
        let logged = Logged { parts: parts.collect(), seen: losses.seen };
        // Where nothing that is trained takes part, there is no graph; this is one of its own.
        let root = Tensor::zeros([1], device).require_grad();
        let gradients = GradientsParams::from_grads((losses.total + root).backward(), &module);
        Ok::<_, String>((gradients, total, logged))
    };
    // A fork has the same weights and ids but a graph of its own.
    let fork = || module.clone().fork(device);
    let last = items.pop().ok_or("a step needs data")?;
    let learned: Vec<_> = if items.is_empty() {
        vec![learn(fork(), last)?]
    } else {
        std::thread::scope(|scope| {
            let spawn = |item| {
                let module = fork();
                scope.spawn(move || learn(module, item))
            };
            let threads: Vec<_> = items.into_iter().chain([last]).map(spawn).collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap_or_else(|_| Err("a thread panicked".into())))
                .collect::<Result<_, String>>()
        })?
    };
    let (mut gradients, mut totals, mut logged) = (Vec::new(), Vec::new(), Vec::new());
    for (grads, total, log) in learned {
        gradients.push(grads);
        totals.push(total);
        logged.push(log);
    }
    let totals = Tensor::cat(totals, 0);
    Ok(Learned { gradients: sum_gradients(module, gradients), totals, logged })
}
