//! Several ranks train as one does: to the bit where each rank has as many parts of a batch, a power
//! of two; else within rounding.

use crate::interrupted::Interrupted;
use crate::support::{Folder, Tiny, bits, log};
use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use refvlm_collective::threads::threads;
use refvlm_collective::{Collective, Traffic};
use refvlm_model::layers::Linear;
use refvlm_train::config::LoopConfig;
use refvlm_train::plan::{Setting, Sizes, Wire};
use refvlm_train::source::scenes::SceneSource;
use refvlm_train::stage::FullTask;
use refvlm_train::{Losses, Part, RunError, Score, Task, run};
use std::sync::atomic::AtomicBool;

/// Trains on several ranks, each a thread that began with other weights. Only the last is ever
/// asked to stop. Returns the bits of their weights, which must be equal, and what each sent.
fn train<T: Task>(
    (task, config, device): (&T, &LoopConfig, &Device),
    folder: &Folder,
    size: usize,
    stop_after: Option<usize>,
    module: impl Fn(usize) -> T::Module + Sync,
) -> (Vec<u32>, Vec<Traffic>) {
    let one = |ranks: &dyn Collective| {
        let rank = ranks.rank();
        let after = stop_after.filter(|_| rank + 1 == size);
        let stop = AtomicBool::new(false);
        let task = Interrupted::new(task, &stop, after);
        // What is not rank 0's must stay untouched.
        let dir = if rank == 0 { folder.0.clone() } else { folder.0.join("other") };
        let place = (device, ranks);
        let (module, _) = run(&task, module(rank), config, &dir, place, &stop).unwrap();
        ranks.leave().unwrap();
        (bits(&module), ranks.traffic())
    };
    let ends: Vec<_> = std::thread::scope(|scope| {
        let ranks = threads(size).into_iter();
        let running: Vec<_> = ranks.map(|rank| scope.spawn(|| one(&{ rank }))).collect();
        running.into_iter().map(|rank| rank.join().unwrap()).collect()
    });
    assert!(!folder.0.join("other").exists());
    let (all, sent): (Vec<_>, _) = ends.into_iter().unzip();
    assert!(all.iter().all(|bits| *bits == all[0]), "{size} ranks end with different weights");
    (all[0].clone(), sent)
}

fn values(bits: &[u32]) -> impl Iterator<Item = f32> {
    bits.iter().map(|&bits| f32::from_bits(bits))
}

fn distance(a: &[u32], b: &[u32]) -> f32 {
    assert_eq!(a.len(), b.len());
    values(a).zip(values(b)).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

fn tiny() -> Tiny {
    let mut tiny = Tiny::new();
    tiny.file.train.pictures = 4;
    tiny.file.train.run.threads = 4;
    tiny.file.train.run.steps = 20;
    tiny
}

#[test]
fn any_number_of_ranks_trains_the_model_as_one_rank() {
    let tiny = tiny();
    let source = SceneSource::full(&tiny.file, &tiny.world, &tiny.tokenizer);
    let task = FullTask::new(&tiny.file, &tiny.tokenizer, &source).unwrap();
    let on = |size: usize| {
        let folder = Folder::new("ranks");
        let what = (&task, &tiny.file.train.run, &tiny.device);
        let (bits, sent) = train(what, &folder, size, None, |rank| tiny.student(rank as u64));
        (bits, sent, log(&folder))
    };
    let (one, sent, lines) = on(1);
    assert_eq!(sent, [Traffic::default()]);
    for size in [2, 4] {
        let (bits, _, log) = on(size);
        assert!(bits == one, "{size} ranks: off by {}", distance(&bits, &one));
        // Losses and norms of the log are those of the whole batch.
        assert_eq!(log.len(), lines.len());
        for (a, b) in log.iter().zip(&lines) {
            let head = |line: &str| line.split(" | ").next().unwrap().to_string();
            assert_eq!(head(a), head(b));
        }
    }
    // Three ranks have 1, 1 and 2 of the four parts, so they add in another order.
    let (bits, ..) = on(3);
    let off = distance(&bits, &one);
    assert!(off < 1e-5, "3 ranks: off by {off}");
}

#[test]
fn a_run_goes_on_with_another_number_of_ranks() {
    let tiny = tiny();
    let source = SceneSource::full(&tiny.file, &tiny.world, &tiny.tokenizer);
    let task = FullTask::new(&tiny.file, &tiny.tokenizer, &source).unwrap();
    let part = |folder: &Folder, size, stop_after, seed: u64| {
        let what = (&task, &tiny.file.train.run, &tiny.device);
        train(what, folder, size, stop_after, |rank| tiny.student(seed + rank as u64)).0
    };
    let unbroken = part(&Folder::new("unbroken-ranks"), 1, None, 1);
    let folder = Folder::new("broken-ranks");
    // Each of 4 ranks computes one part of a step, each of 2 ranks two.
    part(&folder, 4, Some(7), 1);
    assert!(log(&folder).last().unwrap().starts_with("stopped at step 7"));
    part(&folder, 2, Some(12), 50);
    assert!(log(&folder).last().unwrap().starts_with("stopped at step 13"));
    let bits = part(&folder, 1, None, 90);
    assert!(bits == unbroken, "off by {}", distance(&bits, &unbroken));
}

/// Two layers that learn a function of random inputs. The loss is a mean over the pictures of a
/// part, so that equal parts have the mean of the whole batch. One layer is used in some parts only.
struct Regression {
    inputs: usize,
}

#[derive(Module, Debug)]
struct Layers {
    fc1: Linear,
    fc2: Linear,
    sometimes: Linear,
    never: Linear,
}

impl Layers {
    fn new(seed: usize, device: &Device) -> Self {
        // A layer draws its first weights of a stream of random numbers that threads share: beside a
        // test that has just seeded it, that one's weights would change.
        let _alone = refvlm_model::layers::drawing();
        let layer = |n: usize, inputs: usize, outputs: usize| {
            let mut layer = Linear::new(inputs, outputs, true, device);
            let value = |i: usize| ((i * 37 + n * 11 + seed * 5) % 23) as f32 / 23.0 - 0.5;
            let fill = |len: usize| (0..len).map(value).collect::<Vec<_>>();
            let weight = TensorData::new(fill(inputs * outputs), layer.weight.dims());
            layer.weight = layer.weight.map(|_| Tensor::from_data(weight, device).require_grad());
            layer.bias = layer.bias.map(|bias| {
                bias.map(|_| Tensor::from_data(fill(outputs).as_slice(), device).require_grad())
            });
            layer
        };
        let (fc1, fc2) = (layer(0, 5, 16), layer(1, 16, 1));
        Self { fc1, fc2, sometimes: layer(2, 5, 1), never: layer(3, 5, 1) }
    }
}

impl Task for Regression {
    type Module = Layers;
    type Item = (Part, Vec<f32>);

    fn item(&self, step: usize, part: Part) -> Result<Self::Item, String> {
        let seeds = part.seeds(0, step, self.inputs);
        let number = |seed: u64, i: u64| ((seed * 7919 + i * 104_729) % 1009) as f32 / 1009.0 - 0.5;
        Ok((part, seeds.flat_map(|seed| (0..5).map(move |i| number(seed, i))).collect()))
    }

    fn loss(&self, module: &Layers, item: Self::Item, device: &Device) -> Result<Losses, String> {
        let (part, values) = item;
        let rows = values.len() / 5;
        let x = Tensor::<2>::from_data(TensorData::new(values, [rows, 5]), device);
        let mut y = module.fc2.forward(module.fc1.forward(x.clone()).tanh());
        // The second half of each batch, however it is divided.
        let half = match part.of {
            1 => Some(rows / 2..rows),
            of => (2 * part.index >= of).then_some(0..rows),
        };
        if let Some(half) = half {
            let extra = module.sometimes.forward(x.clone().slice([half.clone(), 0..5]));
            let added = y.clone().slice([half.clone(), 0..1]) + extra;
            y = y.slice_assign([half, 0..1], added);
        }
        let target = x.clone().square().sum_dim(1);
        let mut losses = Losses::new(Tensor::zeros([1], device), [rows, 0]);
        losses.add("square", (y - target).square().mean(), 1.0);
        Ok(losses)
    }

    fn score(&self, _module: &Layers, _device: &Device) -> Result<Vec<Score>, String> {
        Ok(Vec::new())
    }
}

#[test]
fn several_ranks_equal_one_device_on_the_full_batch() {
    let device = Device::flex().autodiff();
    let task = Regression { inputs: 16 };
    for muon in [false, true] {
        let mut config = tiny().file.train.run;
        (config.optim.muon, config.average) = (muon, None);
        let mut on = |size, parts| {
            config.threads = parts;
            let folder = Folder::new("regression");
            train((&task, &config, &device), &folder, size, None, |rank| Layers::new(rank, &device))
        };
        let (full, _) = on(1, 1);
        let fresh = bits(&Layers::new(0, &device));
        assert!(distance(&full, &fresh) > 1e-3, "nothing was learned");
        // Never used, it is neither moved nor decayed.
        let never = full.len() - 6..full.len();
        assert_eq!(full[never.clone()], fresh[never]);
        for size in [2, 4] {
            let (bits, sent) = on(size, size);
            let off = distance(&bits, &full);
            assert!(off < 1e-5, "{size} ranks: off by {off}");
            println!("muon {muon}, {size} ranks: off by {off:.1e}, sent {sent:?}");
        }
    }
}

/// What rank 0 sends in ten steps more, beside what the planner says of a step.
#[test]
fn a_step_sends_what_the_planner_says() {
    let device = Device::flex().autodiff();
    let task = Regression { inputs: 16 };
    let shapes = [5 * 16, 16, 16, 1, 5, 1, 5, 1];
    let sizes = Sizes {
        trained: shapes.to_vec(),
        frozen: 0,
        language_trained: 0,
        language_frozen: 0,
        layer: 0,
        layers: 0,
        hidden: 0,
        inner: 0,
        heads: 0,
        queries: 0,
        keys: 0,
        vocabulary: 0,
        tokens: 0,
        sequences: 0,
    };
    for size in [2, 4] {
        let sent = |steps| {
            let mut config = LoopConfig { steps, log_every: 100, ..tiny().file.train.run };
            (config.threads, config.average) = (4, None);
            let folder = Folder::new("sent");
            let what = (&task, &config, &device);
            train(what, &folder, size, None, |rank| Layers::new(rank, &device)).1[0]
        };
        let (ten, twenty) = (sent(10), sent(20));
        let step = Wire::of_rank(&sizes, Setting::ALL[0], size, 0);
        assert_eq!(twenty.messages - ten.messages, 10 * step.messages);
        assert_eq!(twenty.bytes - ten.bytes, 10 * step.bytes);
    }
}

#[test]
fn more_ranks_than_parts_are_refused_with_the_remedy() {
    let device = Device::flex().autodiff();
    let config = LoopConfig { threads: 1, ..tiny().file.train.run };
    let stop = AtomicBool::new(false);
    let folder = Folder::new("parts");
    std::thread::scope(|scope| {
        for rank in threads(2) {
            let (device, config, stop, folder) = (&device, &config, &stop, &folder);
            scope.spawn(move || {
                let task = Regression { inputs: 4 };
                let module = Layers::new(0, device);
                let error = run(&task, module, config, &folder.0, (device, &rank), stop);
                let error = error.map(|_| ()).unwrap_err();
                assert!(matches!(error, RunError::Parts { parts: 1, ranks: 2 }), "{error}");
                assert!(error.to_string().ends_with("raise loop.threads to 2"), "{error}");
            });
        }
    });
}
