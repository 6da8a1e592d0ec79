//! `refvlm bench`.

use super::device::Answering;
use super::say::{note, say};
use super::{Outcome, fetched, package_on, put};
use clap::{Args, ValueEnum};
use refvlm_model::engine::{Ask, Session};
use refvlm_model::event::{Event, Shape, Timings};
use refvlm_model::image::Picture as View;
use refvlm_native::chat::Chat;
use refvlm_native::fetch::SMOLLM2_135M;
use refvlm_native::output::check_file;
use refvlm_native::package::Embedded;
use refvlm_native::picture::{Picture, read_picture};
use refvlm_record::{Prompt, Task};
use refvlm_shaders::Kernel;
use serde::Serialize;
use std::path::PathBuf;
use std::time::Instant;

/// Measure how fast this machine answers.
///
/// Of each figure the median of several runs. Other work on the machine makes it slower: compare
/// figures of one run with each other, and repeat.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Bench {
    /// A picture to ask about.
    #[arg(required_unless_present = "text_only")]
    picture: Option<PathBuf>,
    /// Measure the language model of the preset `photo` alone (SmolLM2-135M, 4 bits, fetched into
    /// the cache).
    #[arg(long, conflicts_with_all = ["picture", "model"])]
    text_only: bool,
    /// Folder of a package, or one inside the program: pocket (the default) or scenes.
    #[arg(long)]
    model: Option<PathBuf>,
    /// Lengths of questions to read, in tokens, of `--text-only`.
    #[arg(long, value_delimiter = ',', default_values_t = [64, 256, 1024])]
    lengths: Vec<usize>,
    /// Tokens to write behind each, of `--text-only`.
    #[arg(long, default_value_t = 64)]
    tokens: usize,
    /// Where to compute.
    #[arg(long, value_enum, default_value_t = Answering::Cpu)]
    device: Answering,
    /// Threads; all of the machine's when absent.
    #[arg(long)]
    threads: Option<usize>,
    /// Runs of each measurement, at least one.
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// Where to write the figures as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Replace the file at `--json`.
    #[arg(long)]
    force: bool,
}

const EXAMPLES: &str = "\
Examples:
  refvlm bench photo.jpg
  refvlm bench photo.jpg --threads 1 --json figures.json
  refvlm bench --text-only --lengths 64,256";

type Measured<T> = Result<T, Box<dyn std::error::Error>>;

/// A figure with what it is of.
#[derive(Debug, Serialize)]
struct Figure {
    what: String,
    value: f64,
    unit: &'static str,
}

/// Bytes of each of the two buffers that the copy is measured with: more than caches hold.
const COPIED: usize = 256 << 20;

impl Bench {
    /// Runs the command.
    pub fn run(self) -> Outcome {
        if let Some(json) = &self.json {
            let inputs: Vec<_> = self.picture.iter().map(PathBuf::as_path).collect();
            check_file(json, &inputs, self.force)?;
        }
        if let Some(threads) = self.threads {
            rayon::ThreadPoolBuilder::new().num_threads(threads.max(1)).build_global()?;
        }
        let threads = rayon::current_num_threads();
        let device = self.device.to_possible_value();
        let device = device.map(|value| value.get_name().to_string()).unwrap_or_default();
        note(format_args!("{device}, {threads} threads, kernels: {}", Kernel::found().name()));
        let mut figures = vec![self.copy()];
        show(&figures)?;
        let first = figures.len();
        match &self.picture {
            Some(path) => figures.extend(self.picture(&read_picture(path)?)?),
            None => figures.extend(self.text()?),
        }
        show(figures.get(first..).unwrap_or_default())?;
        if let Some(path) = &self.json {
            let kernels = Kernel::found().name();
            let all = serde_json::json!({
                "device": device, "threads": threads, "kernels": kernels, "runs": self.runs,
                "figures": figures,
            });
            put(path, &serde_json::to_vec_pretty(&all)?)?;
        }
        Ok(())
    }

    /// The median of some runs.
    fn median(&self, mut run: impl FnMut() -> Measured<f64>) -> Measured<f64> {
        Ok(median((0..self.runs.max(1)).map(|_| run()).collect::<Result<_, _>>()?))
    }

    /// What memory gives one thread: bytes read and written.
    fn copy(&self) -> Figure {
        let from = vec![1u8; COPIED];
        let mut to = vec![0u8; COPIED];
        let mut best = f64::INFINITY;
        for _ in 0..self.runs.max(1) {
            let start = Instant::now();
            to.copy_from_slice(std::hint::black_box(&from));
            std::hint::black_box(&mut to);
            best = best.min(start.elapsed().as_secs_f64());
        }
        let value = 2.0 * COPIED as f64 / best / 1e9;
        Figure { what: "memory, read and written by a copy".into(), value, unit: "GB/s" }
    }

    /// Questions about a picture.
    fn picture(&self, picture: &Picture) -> Measured<Vec<Figure>> {
        let device = self.device.device()?;
        let start = Instant::now();
        let package = package_on(self.model.as_deref(), Embedded::Pocket, &device)?;
        let mut session = package.session(&device)?;
        let loaded = start.elapsed().as_secs_f64();
        let mut figures = vec![Figure { what: "package opened".into(), value: loaded, unit: "s" }];
        let (width, height) = (picture.width as f32, picture.height as f32);
        // The middle of the picture, as a person would point at it.
        let point = Prompt::Point { x: width / 2.0, y: height / 2.0 };
        let (x, y, w, h) = (width / 4.0, height / 4.0, width / 2.0, height / 2.0);
        let boxed = Prompt::Box { x, y, w, h };
        let masks = Task::GroundingSegmentation;
        let questions = [
            ("click to mask", masks, "Segment [prompt 1].", vec![point]),
            ("box to mask", masks, "Segment [prompt 1].", vec![boxed.clone()]),
            ("box to name", Task::Vqa, "What is [prompt 1]?", vec![boxed]),
            ("caption with masks", Task::GcgSegmentation, "Describe the picture.", vec![]),
        ];
        let set = self.median(|| {
            let start = Instant::now();
            let view = View::new(picture.width, picture.height, &picture.rgb)?;
            pollster::block_on(session.set_image(view))?;
            Ok(start.elapsed().as_secs_f64())
        })?;
        figures.push(Figure { what: "picture set".into(), value: 1e3 * set, unit: "ms" });
        for (what, task, text, prompts) in questions {
            let ask = Ask::new(task, text.to_string(), prompts);
            let mut last = Asked::default();
            let total = self.median(|| {
                last = asked(&mut session, &ask)?;
                Ok(last.timings.total_s)
            })?;
            let first = 1e3 * last.timings.first_token_s;
            figures.push(Figure { what: what.into(), value: 1e3 * total, unit: "ms" });
            let what = format!(
                "  first token of it ({} read, {} written, {} results)",
                last.timings.read_tokens, last.timings.tokens, last.results
            );
            figures.push(Figure { what, value: first, unit: "ms" });
        }
        Ok(figures)
    }

    /// The language model alone.
    fn text(&self) -> Measured<Vec<Figure>> {
        let path = fetched(&SMOLLM2_135M)?;
        let start = Instant::now();
        let chat = Chat::read(&path, &self.device.device()?)?;
        let loaded = start.elapsed().as_secs_f64();
        let mut figures =
            vec![Figure { what: "language model opened".into(), value: loaded, unit: "s" }];
        let count = chat.config.vocab_size as u32;
        let most = chat.config.max_position_embeddings;
        for &length in &self.lengths {
            let room = length.saturating_add(self.tokens);
            if length == 0 || room > most {
                let tokens = self.tokens;
                return Err(format!(
                    "--lengths {length} and --tokens {tokens}: give 1 to {most} tokens in all"
                )
                .into());
            }
            // Any tokens: time does not depend on what they say.
            let ids: Vec<u32> = (0..length as u32).map(|i| 1000 + i * 7 % (count - 1000)).collect();
            let mut decode = Vec::new();
            let read = self.median(|| {
                let mut cache = chat.cache(room);
                let start = Instant::now();
                chat.next(&ids, &mut cache)?;
                let read = start.elapsed().as_secs_f64();
                let start = Instant::now();
                for id in 0..self.tokens as u32 {
                    chat.next(&[1000 + id], &mut cache)?;
                }
                decode.push(start.elapsed().as_secs_f64());
                Ok(read)
            })?;
            let written = median(decode);
            let rate = |tokens: usize, seconds: f64| tokens as f64 / seconds.max(1e-9);
            let what = format!("{length} tokens read");
            figures.push(Figure { what, value: rate(length, read), unit: "tokens/s" });
            let what = format!("{} tokens written behind {length}", self.tokens);
            figures.push(Figure { what, value: rate(self.tokens, written), unit: "tokens/s" });
        }
        Ok(figures)
    }
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all.get(all.len() / 2).copied().unwrap_or_default()
}

/// What an answer took, and how much it found.
#[derive(Debug, Default)]
struct Asked {
    timings: Timings,
    results: usize,
}

fn asked(session: &mut Session, ask: &Ask) -> Measured<Asked> {
    let events = pollster::block_on(session.ask(ask)?.collect());
    let mut asked = Asked::default();
    for event in events {
        match event {
            Event::Unit { shape: Shape::Mask { .. }, .. } => asked.results += 1,
            Event::Done { timings, .. } => asked.timings = timings,
            Event::Failed { error } => return Err(error.into()),
            _ => {}
        }
    }
    Ok(asked)
}

fn show(figures: &[Figure]) -> Outcome {
    for Figure { what, value, unit } in figures {
        say!("{what:<60} {value:>9.2} {unit}");
    }
    Ok(())
}
