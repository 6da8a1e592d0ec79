//! `refvlm infer`.

use super::{Outcome, fetched, package};
use burn::tensor::Device;
use clap::{Args, ValueEnum};
use refvlm_model::engine::{Ask, Session};
use refvlm_model::event::{Event, Finish, Shape};
use refvlm_model::image::Picture as View;
use refvlm_model::language::Sampling;
use refvlm_native::chat::Chat;
use refvlm_native::draw::annotate;
use refvlm_native::fetch::SMOLLM2_135M;
use refvlm_native::photo;
use refvlm_native::picture::{Picture, read_mask, read_picture, write_png};
use refvlm_record::coco::JOINT_VISIBLE;
use refvlm_record::ready::{default_question, pointed_question};
use refvlm_record::{Prompt, Task};
use std::io::Write;
use std::path::PathBuf;
use std::time::Instant;

/// Ask about a picture. Point at things with `--point`, `--box`, `--scribble` and `--mask`, any
/// number of times; the question mentions them as `[prompt 1]`, `[prompt 2]` in the order
/// points, boxes, scribbles, masks.
#[derive(Debug, Args)]
pub struct Infer {
    /// PNG, JPEG, WebP or GIF.
    #[arg(required_unless_present = "text_only")]
    picture: Option<PathBuf>,
    /// Ask the language model alone, without a picture; needs `--preset`.
    #[arg(long, value_name = "QUESTION", requires = "preset", conflicts_with = "picture")]
    text_only: Option<String>,
    /// A model whose pretrained parts are fetched.
    #[arg(long, value_enum, conflicts_with = "model")]
    preset: Option<Preset>,
    /// The question.
    #[arg(long, default_value = "")]
    ask: String,
    /// The kind of answer: vqa, detection, segmentation, grounding_detection,
    /// grounding_segmentation, gcg_detection, gcg_segmentation, keypoint_detection,
    /// grounding_keypoints, depth, mixed.
    #[arg(long, default_value = "vqa")]
    task: Task,
    /// A click: x,y in px.
    #[arg(long, value_name = "X,Y")]
    point: Vec<String>,
    /// A rectangle: x,y,width,height in px.
    #[arg(long = "box", value_name = "X,Y,W,H")]
    boxes: Vec<String>,
    /// A line: corners x,y in px, separated by spaces.
    #[arg(long, value_name = "X,Y X,Y ...")]
    scribble: Vec<String>,
    /// A mask: a picture of the same size; its bright or opaque pixels are the prompt.
    #[arg(long, value_name = "PNG")]
    mask: Vec<PathBuf>,
    /// Where to draw the answer.
    #[arg(long)]
    out: Option<PathBuf>,
    /// Folder of a package; the embedded model by default.
    #[arg(long)]
    model: Option<PathBuf>,
    /// Print the events, one JSON object per line.
    #[arg(long)]
    json: bool,
    /// Let the model write freely; the answer may then not parse.
    #[arg(long)]
    unconstrained: bool,
    /// The largest number of tokens in the answer.
    #[arg(long, default_value_t = 192)]
    budget: usize,
    /// Sampling temperature; 0 always takes the best token.
    #[arg(long, default_value_t = 0.0)]
    temperature: f32,
    /// Sample from the k best tokens; 0 means all.
    #[arg(long, default_value_t = 0)]
    top_k: usize,
    /// Sample from the best tokens that reach this probability together.
    #[arg(long, default_value_t = 1.0)]
    top_p: f32,
    /// Seed of the random numbers.
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

/// Models whose pretrained parts are fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Preset {
    /// ViT-S/14 and SmolLM2-135M, for photos.
    Photo,
}

impl Infer {
    /// Runs the command.
    pub fn run(self) -> Outcome {
        if let Some(question) = &self.text_only {
            return self.text_only(question);
        }
        let path = self.picture.as_deref().ok_or("no picture given; name a file")?;
        let picture = read_picture(path)?;
        let prompts = self.prompts(&picture)?;
        let text = match (self.ask.trim(), prompts.len()) {
            ("", 0) => default_question(self.task).about(&[]).unwrap_or_default(),
            ("", _) => pointed_question(self.task).about(&[1]).unwrap_or_default(),
            (text, _) => text.to_string(),
        };
        let mut session = self.session()?;
        let view = View::new(picture.width, picture.height, &picture.rgb)?;
        pollster::block_on(session.set_image(view))?;
        let ask = Ask {
            sampling: self.sampling(),
            budget: self.budget,
            constrained: !self.unconstrained,
            ..Ask::new(self.task, text, prompts.clone())
        };
        let mut answer = session.ask(&ask)?;
        let mut events = Vec::new();
        let mut failed = None;
        while let Some(event) = pollster::block_on(answer.next()) {
            if self.json {
                println!("{}", serde_json::to_string(&event)?);
            } else {
                print_event(&event)?;
            }
            if let Event::Failed { error } = &event {
                failed = Some(error.clone());
            }
            events.push(event);
        }
        if let Some(error) = failed {
            return Err(error.into());
        }
        if let Some(out) = &self.out {
            write_png(out, &annotate(&picture, &prompts, &events))?;
            eprintln!("{}", out.display());
        }
        Ok(())
    }

    /// The model that was asked for, with a warning about its limits.
    fn session(&self) -> Result<Session, Box<dyn std::error::Error>> {
        let device = Device::flex();
        if self.preset == Some(Preset::Photo) {
            let [language, tower] = photo::PARTS.map(|part| fetched(&part));
            eprintln!(
                "note: projector and decoders of this preset are untrained: answers mean nothing"
            );
            return Ok(photo::session(&language?, &tower?, &device)?);
        }
        let package = package(self.model.as_deref())?;
        if package.config.preset == "scenes" {
            eprintln!(
                "note: this model knows drawn scenes; for photos give --model www/models/pocket"
            );
        }
        Ok(package.session(&device)?)
    }

    fn sampling(&self) -> Sampling {
        Sampling {
            temperature: self.temperature,
            top_k: self.top_k,
            top_p: self.top_p,
            seed: self.seed,
        }
    }

    /// The language model's answer, as it is written.
    fn text_only(&self, question: &str) -> Outcome {
        let path = fetched(&SMOLLM2_135M)?;
        let start = Instant::now();
        let chat = Chat::read(&path, &Device::flex())?;
        let loaded = start.elapsed().as_secs_f64();
        let prompt = chat.prompt(question)?;
        let start = Instant::now();
        let mut first = None;
        let answer = chat.answer(&prompt, self.budget, self.sampling(), |text| {
            first.get_or_insert_with(|| start.elapsed().as_secs_f64());
            let mut out = std::io::stdout().lock();
            write!(out, "{text}")?;
            out.flush()
        })?;
        println!();
        eprintln!(
            "{} tokens: loaded in {loaded:.2} s, first token {:.2} s, answer {:.2} s",
            answer.len(),
            first.unwrap_or_default(),
            start.elapsed().as_secs_f64()
        );
        Ok(())
    }

    fn prompts(&self, picture: &Picture) -> Result<Vec<Prompt>, Box<dyn std::error::Error>> {
        let mut prompts = Vec::new();
        for text in &self.point {
            let [x, y] = numbers("--point", text)?;
            prompts.push(Prompt::Point { x, y });
        }
        for text in &self.boxes {
            let [x, y, w, h] = numbers("--box", text)?;
            prompts.push(Prompt::Box { x, y, w, h });
        }
        for text in &self.scribble {
            let corners = text.split_whitespace().map(|corner| numbers("--scribble", corner));
            prompts.push(Prompt::Scribble { points: corners.collect::<Result<_, _>>()? });
        }
        for path in &self.mask {
            let mask = read_mask(path, picture.width, picture.height)?;
            prompts.push(Prompt::Mask { mask: mask.to_rle() });
        }
        for (i, prompt) in prompts.iter().enumerate() {
            prompt.check(&format!("prompt {}", i + 1), picture.width, picture.height)?;
        }
        Ok(prompts)
    }
}

fn numbers<const N: usize>(flag: &str, text: &str) -> Result<[f32; N], String> {
    let values: Result<Vec<f32>, _> = text.split(',').map(|v| v.trim().parse::<f32>()).collect();
    let values = values.ok().filter(|values| values.iter().all(|v| v.is_finite()));
    values
        .and_then(|values| values.try_into().ok())
        .ok_or_else(|| format!("{flag} {text}: give {N} numbers separated by commas, in px"))
}

/// The answer as text while it is written, and a line per unit.
fn print_event(event: &Event) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    match event {
        Event::Status { .. } => {}
        Event::Token { text, .. } => write!(out, "{text}")?,
        Event::Triplet { triplet, concept, unit, count } => {
            writeln!(out, "\n  [{}] {concept}: {count} {unit}", triplet + 1)?;
        }
        Event::Unit { index, confidence, shape, .. } => {
            let shape = match shape {
                Shape::Box { bbox } => format!("box {}", place(bbox)),
                Shape::Mask { bbox, .. } => format!("mask within {}", place(bbox)),
                Shape::Keypoint { bbox, keypoints } => {
                    let seen = keypoints.iter().filter(|k| k[2] > JOINT_VISIBLE).count();
                    format!("person {} with {seen} joints in the picture", place(bbox))
                }
                Shape::Depth { metres, .. } => {
                    let near = metres.iter().copied().fold(f32::INFINITY, f32::min);
                    let far = metres.iter().copied().fold(0.0, f32::max);
                    format!("depth from {near:.1} m to {far:.1} m")
                }
            };
            writeln!(out, "      [{index}] {shape} (confidence {confidence:.2})")?;
        }
        Event::Done { timings, reason } => {
            let cut = match reason {
                Finish::End => "",
                Finish::Budget => "; cut at the token budget",
            };
            writeln!(
                out,
                "\n{} tokens ({} forced): picture {:.2} s, first token {:.2} s, answer {:.2} s{cut}",
                timings.tokens,
                timings.forced_tokens,
                timings.picture_s,
                timings.first_token_s,
                timings.total_s,
            )?;
        }
        Event::Failed { .. } => writeln!(out)?,
    }
    out.flush()
}

fn place(bbox: &[f32; 4]) -> String {
    let [x, y, w, h] = bbox.map(|v| v.round());
    format!("{x},{y} {w}x{h} px")
}
