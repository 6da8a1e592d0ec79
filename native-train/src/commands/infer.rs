//! `refvlm infer`.

use super::pointing::Pointing;
use super::say::{note, say};
use super::{Outcome, fetched, package, show};
use burn::tensor::Device;
use clap::{Args, ValueEnum};
use refvlm_model::engine::{Ask, Session};
use refvlm_model::event::Event;
use refvlm_model::image::Picture as View;
use refvlm_model::language::Sampling;
use refvlm_native::chat::Chat;
use refvlm_native::draw::annotate;
use refvlm_native::fetch::SMOLLM2_135M;
use refvlm_native::output::{check_file, check_folder};
use refvlm_native::package::Embedded;
use refvlm_native::photo;
use refvlm_native::picture::{
    Format, MAX_FILE_BYTES, Picture, decode_picture, read_picture, write_picture,
};
use refvlm_record::Task;
use refvlm_record::ready::completed;
use std::collections::HashSet;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Ask about one or several pictures.
///
/// Point at things with `--point`, `--box`, `--scribble` and `--mask`, any number of times; the
/// question mentions them as `[prompt 1]`, `[prompt 2]` in the order in which they were typed.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Infer {
    /// PNG, JPEG, WebP or GIF; several, a folder of them, or - for the standard input.
    #[arg(required_unless_present = "text_only")]
    pictures: Vec<PathBuf>,
    /// Ask the language model alone, without a picture; needs `--preset`.
    #[arg(
        long, value_name = "QUESTION", requires = "preset",
        conflicts_with_all = [
            "pictures", "ask", "task", "point", "box", "scribble", "mask", "out", "force", "model",
            "json", "raw", "unconstrained", "no_closer_look",
        ]
    )]
    text_only: Option<String>,
    /// A model whose pretrained parts are fetched into the cache (REFVLM_CACHE, else the user's).
    #[arg(long, value_enum, conflicts_with = "model")]
    preset: Option<Preset>,
    /// The question.
    #[arg(long, default_value = "")]
    ask: String,
    /// The kind of answer: vqa (words), detection, segmentation (boxes or masks of everything),
    /// grounding_detection, grounding_segmentation (of what you point at or describe),
    /// gcg_detection, gcg_segmentation (a caption with boxes or masks), keypoint_detection,
    /// grounding_keypoints (joints of people), depth (metres), mixed. Without it the words of the
    /// question decide, as in the page.
    #[arg(long)]
    task: Option<Task>,
    #[command(flatten)]
    pointing: Pointing,
    /// Where to draw the answer: .png, .jpg or .webp; for several pictures, a folder.
    #[arg(short, long)]
    out: Option<PathBuf>,
    /// Replace what is at `--out`.
    #[arg(long)]
    force: bool,
    /// Folder of a package, or one inside the program: pocket (photos, the default) or scenes (drawn
    /// scenes).
    #[arg(long)]
    model: Option<PathBuf>,
    /// Print JSON: the events of an answer, one per line; of several pictures, one line each.
    #[arg(long)]
    json: bool,
    /// Print the answer as the model writes it, with its plan and markup.
    #[arg(long, conflicts_with = "json")]
    raw: bool,
    /// Let the model write freely; the answer may then not parse.
    #[arg(long)]
    unconstrained: bool,
    /// Do not look once more, larger, at what is pointed at: quicker, with coarser masks.
    #[arg(long)]
    no_closer_look: bool,
    /// The largest number of tokens in the answer.
    #[arg(long, default_value_t = 192)]
    budget: usize,
    /// Sampling temperature, 0 to 100; 0 always takes the best token.
    #[arg(long, default_value_t = 0.0, allow_negative_numbers = true)]
    temperature: f32,
    /// Sample from the k best tokens; 0 means all.
    #[arg(long, default_value_t = 0)]
    top_k: usize,
    /// Sample from the best tokens that reach this probability together, above 0 and at most 1.
    #[arg(long, default_value_t = 1.0, allow_negative_numbers = true)]
    top_p: f32,
    /// Seed of the random numbers.
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

const EXAMPLES: &str = "\
Examples:
  refvlm infer street.png --task gcg_segmentation -o answer.png
  refvlm infer street.png --point 40,90 --ask \"What is [prompt 1]?\"
  refvlm infer street.png --task grounding_segmentation --box 10,20,60,40 --ask \"Segment [prompt 1].\"
  refvlm infer photos/ --task detection --json -o drawn > answers.jsonl";

/// Models whose pretrained parts are fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Preset {
    /// ViT-S/14 and SmolLM2-135M, for photos.
    Photo,
}

/// An error that the JSON output has told already.
#[derive(Debug)]
struct Told(String);

impl std::fmt::Display for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Told {}

impl Infer {
    /// Runs the command.
    pub fn run(self) -> Outcome {
        let outcome = match &self.text_only {
            Some(question) => self.text_only(question),
            None => self.answers(),
        };
        if let Err(error) = &outcome
            && self.json
            && !error.is::<Told>()
        {
            say!("{}", serde_json::to_string(&Event::Failed { error: error.to_string() })?);
        }
        outcome
    }

    fn answers(&self) -> Outcome {
        self.sampling().check()?;
        let folders = self.pictures.iter().any(|path| path.is_dir());
        let paths = expanded(&self.pictures)?;
        let several = folders || paths.len() > 1;
        let masks = self.pointing.files();
        let inputs: Vec<&Path> =
            paths.iter().chain(&self.pictures).chain(&masks).map(PathBuf::as_path).collect();
        match &self.out {
            Some(out) if several => check_folder(out, &inputs, self.force)?,
            Some(out) => {
                Format::of(out)?;
                check_file(out, &inputs, self.force)?;
            }
            None => {}
        }
        let mut asked = Vec::new();
        if let ([path], false) = (&paths[..], several) {
            // What is wrong with the only picture is found before the model is read.
            let picture = read(path)?;
            asked.push((self.question(&picture)?, picture));
        }
        let mut session = self.session()?;
        if let Some((ask, picture)) = asked.pop() {
            let out = self.out.clone();
            return self.answer(&mut session, &paths[0], (ask, &picture), out, false);
        }
        let mut names = HashSet::new();
        let mut failed = 0;
        for (at, path) in paths.iter().enumerate() {
            note(format_args!("{}/{}: {}", at + 1, paths.len(), path.display()));
            let out = self.out.as_ref().map(|folder| folder.join(drawn_name(path, &mut names)));
            let answered = read(path).and_then(|picture| {
                let ask = self.question(&picture)?;
                self.answer(&mut session, path, (ask, &picture), out, true)
            });
            match answered {
                Ok(()) => {}
                Err(error) if error.is::<std::io::Error>() => return Err(error),
                Err(error) => {
                    failed += 1;
                    if self.json && !error.is::<Told>() {
                        let failure = Event::Failed { error: error.to_string() };
                        say!("{}", show::json_line(&path.display().to_string(), &[failure]));
                    }
                    let _ = writeln!(std::io::stderr(), "error: {error}");
                }
            }
        }
        match failed {
            0 => Ok(()),
            _ => Err(Told(format!("{failed} of {} pictures failed", paths.len())).into()),
        }
    }

    /// What is asked of a picture.
    fn question(&self, picture: &Picture) -> Result<Ask, Box<dyn std::error::Error>> {
        let prompts = self.pointing.prompts(picture)?;
        let guessed = self.task.is_none() && !(self.ask.trim().is_empty() && prompts.is_empty());
        let ask = completed(self.task, &self.ask, prompts);
        if guessed {
            let task = ask.task;
            note(format_args!("note: answered as {task}; --task chooses another kind"));
        }
        Ok(Ask {
            sampling: self.sampling(),
            budget: self.budget,
            constrained: !self.unconstrained,
            closer: !self.no_closer_look,
            ..ask
        })
    }

    /// Asks about one picture, of several or the only one, and says the answer.
    fn answer(
        &self,
        session: &mut Session,
        path: &Path,
        (ask, picture): (Ask, &Picture),
        out: Option<PathBuf>,
        several: bool,
    ) -> Outcome {
        let view = View::new(picture.width, picture.height, &picture.rgb)?;
        pollster::block_on(session.set_image(view))?;
        let mut answer = session.ask(&ask)?;
        let mut events = Vec::new();
        while let Some(event) = pollster::block_on(answer.next()) {
            if self.json && !several {
                say!("{}", serde_json::to_string(&event)?);
            } else if self.raw {
                show::print_raw(&event)?;
            }
            events.push(event);
        }
        let name = path.display().to_string();
        if self.json && several {
            say!("{}", show::json_line(&name, &events));
        } else if !self.json && !self.raw {
            if several {
                say!("{name}");
            }
            show::print(&events)?;
        }
        if let Some(Event::Failed { error }) = events.last() {
            return Err(if self.json { Told(error.clone()).into() } else { error.clone().into() });
        }
        if show::ran_short(&events) {
            note(format_args!(
                "note: a budget of {} tokens was too small for this answer; raise --budget",
                self.budget
            ));
        }
        if let Some(out) = &out {
            write_picture(out, &annotate(picture, &ask.prompts, &events))?;
            note(out.display());
        }
        Ok(())
    }

    /// The model that was asked for, with a warning about its limits.
    fn session(&self) -> Result<Session, Box<dyn std::error::Error>> {
        let device = Device::flex();
        if self.preset == Some(Preset::Photo) {
            let [language, tower] = photo::PARTS.map(|part| fetched(&part));
            note("note: projector and decoders of this preset are untrained: answers mean nothing");
            return Ok(photo::session(&language?, &tower?, &device)?);
        }
        let package = package(self.model.as_deref(), Embedded::Pocket)?;
        if package.config.preset == "scenes" {
            note("note: this model knows drawn scenes; for photos give --model pocket");
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
        say!("");
        note(format_args!(
            "{} tokens: loaded in {loaded:.2} s, first token {:.2} s, answer {:.2} s",
            answer.len(),
            first.unwrap_or_default(),
            start.elapsed().as_secs_f64()
        ));
        Ok(())
    }
}

/// The endings of pictures that are taken out of a folder.
const ENDINGS: [&str; 5] = ["png", "jpg", "jpeg", "webp", "gif"];

/// The pictures that a person named, folders opened, in the order of their names.
fn expanded(given: &[PathBuf]) -> Result<Vec<PathBuf>, String> {
    let mut paths = Vec::new();
    for path in given {
        if !path.is_dir() {
            paths.push(path.clone());
            continue;
        }
        let entries = std::fs::read_dir(path).map_err(|e| format!("{}: {e}", path.display()))?;
        let mut inside: Vec<PathBuf> = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| {
                let ending = path.extension().and_then(|ending| ending.to_str());
                ending.is_some_and(|e| ENDINGS.contains(&e.to_ascii_lowercase().as_str()))
            })
            .collect();
        if inside.is_empty() {
            return Err(format!("{}: no picture in this folder", path.display()));
        }
        inside.sort();
        paths.extend(inside);
    }
    Ok(paths)
}

/// A picture's file, or the standard input for `-`.
fn read(path: &Path) -> Result<Picture, Box<dyn std::error::Error>> {
    if path != Path::new("-") {
        return Ok(read_picture(path)?);
    }
    let mut bytes = Vec::new();
    std::io::stdin().lock().take(MAX_FILE_BYTES).read_to_end(&mut bytes)?;
    Ok(decode_picture(&bytes, Path::new("standard input"))?)
}

/// The name of a drawn answer; a number keeps pictures of one name apart.
fn drawn_name(path: &Path, names: &mut HashSet<String>) -> String {
    let stem = path.file_stem().map_or("picture".into(), |stem| stem.to_string_lossy());
    let mut name = format!("{stem}.png");
    let mut number = 2;
    while !names.insert(name.clone()) {
        name = format!("{stem}-{number}.png");
        number += 1;
    }
    name
}
