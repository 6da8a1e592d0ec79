//! `refvlm infer`.

use super::device::Answering;
use super::inputs::Input;
use super::pointing::Pointing;
use super::say::{detail, note, say};
use super::show::Cut;
use super::{Outcome, fetched, package_on, show};
use clap::{Args, ValueEnum};
use refvlm_model::engine::{Ask, Session};
use refvlm_model::event::Event;
use refvlm_model::image::Picture as View;
use refvlm_model::language::Sampling;
use refvlm_native::chat::Chat;
use refvlm_native::draw::annotate;
use refvlm_native::fetch::SMOLLM2_135M;
use refvlm_native::output::{check_file, check_folder, refuse_inputs};
use refvlm_native::package::Embedded;
use refvlm_native::photo;
use refvlm_native::picture::{Format, Picture, write_picture};
use refvlm_record::Task;
use refvlm_record::ready::completed;
use std::collections::HashSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Ask about one or several pictures.
///
/// Point at things with `--point`, `--box`, `--scribble` and `--mask`, any number of times; the
/// question mentions them as `[prompt 1]`, `[prompt 2]` in the order in which they were typed.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Infer {
    /// PNG, JPEG, WebP or GIF: files, folders, patterns such as '*.jpg', addresses (http, https), or -
    /// for the standard input.
    #[arg(required_unless_present = "text_only")]
    pictures: Vec<PathBuf>,
    /// Ask the language model alone, without a picture; needs `--preset`.
    #[arg(
        long, value_name = "QUESTION", requires = "preset",
        conflicts_with_all = [
            "pictures", "ask", "task", "point", "box", "scribble", "mask", "out", "force", "model",
            "json", "raw", "unconstrained", "no_closer_look", "min_confidence",
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
    /// Leave out what is found with less confidence, 0 to 1.
    #[arg(long, default_value_t = 0.0, value_parser = super::share, allow_negative_numbers = true)]
    min_confidence: f32,
    /// Replace what is at `--out`.
    #[arg(long)]
    force: bool,
    /// Folder of a package, or one inside the program: pocket (photos, the default) or scenes (drawn
    /// scenes).
    #[arg(long)]
    model: Option<PathBuf>,
    /// Where to compute.
    #[arg(long, value_enum, default_value_t = Answering::Cpu)]
    device: Answering,
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
    #[arg(long, default_value_t = 192, value_parser = super::whole::<usize>, allow_negative_numbers = true)]
    budget: usize,
    /// Sampling temperature, 0 to 100; 0 always takes the best token.
    #[arg(long, default_value_t = 0.0, allow_negative_numbers = true)]
    temperature: f32,
    /// Sample from the k best tokens; 0 means all.
    #[arg(long, default_value_t = 0, value_parser = super::whole::<usize>, allow_negative_numbers = true)]
    top_k: usize,
    /// Sample from the best tokens that reach this probability together, above 0 and at most 1.
    #[arg(long, default_value_t = 1.0, allow_negative_numbers = true)]
    top_p: f32,
    /// Seed of the random numbers.
    #[arg(long, default_value_t = 0, value_parser = super::whole::<u64>, allow_negative_numbers = true)]
    seed: u64,
}

/// A picture, what is asked of it, and what a person should know of it.
struct Asked {
    ask: Ask,
    picture: Picture,
    notes: Vec<String>,
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
        if self.temperature == 0.0 && (self.top_k > 0 || self.top_p < 1.0) {
            note("note: --top-k and --top-p count only with a --temperature above 0");
        }
        let inputs = Input::all(&self.pictures)?;
        // A folder or a pattern means several, however many it holds today.
        let several = inputs.len() > 1
            || self.pictures.iter().zip(&inputs).any(|(given, input)| {
                input.path().is_some_and(|path| path != given && !given.starts_with("file:"))
            });
        let outs = self.outs(&inputs, several)?;
        let mut asked = Vec::new();
        if let ([input], false) = (&inputs[..], several) {
            // What is wrong with the only picture is found before the model is read.
            asked.push(self.asked(input)?);
        }
        let mut session = self.session()?;
        if let (Some(asked), Some(out)) = (asked.pop(), outs.first()) {
            return self.answer(&mut session, &inputs[0].name(), asked, out.as_deref(), false);
        }
        let mut failed = 0;
        for (at, (input, out)) in inputs.iter().zip(&outs).enumerate() {
            let name = input.name();
            note(format_args!("{}/{}: {name}", at + 1, inputs.len()));
            let answered = self
                .asked(input)
                .and_then(|asked| self.answer(&mut session, &name, asked, out.as_deref(), true));
            match answered {
                Ok(()) => {}
                Err(error) if error.is::<std::io::Error>() => return Err(error),
                Err(error) => {
                    failed += 1;
                    if self.json && !error.is::<Told>() {
                        let failure = Event::Failed { error: error.to_string() };
                        say!("{}", show::json_line(&name, &[failure], &Cut::new(0.0), &[]));
                    }
                    let _ = writeln!(std::io::stderr(), "error: {error}");
                }
            }
        }
        match failed {
            0 => Ok(()),
            _ => Err(Told(format!("{failed} of {} pictures failed", inputs.len())).into()),
        }
    }

    /// Where each picture's answer is drawn, checked before the work.
    fn outs(
        &self,
        inputs: &[Input],
        several: bool,
    ) -> Result<Vec<Option<PathBuf>>, Box<dyn std::error::Error>> {
        let Some(out) = &self.out else { return Ok(vec![None; inputs.len()]) };
        let masks = self.pointing.files();
        let read: Vec<&Path> = inputs
            .iter()
            .filter_map(Input::path)
            .chain(self.pictures.iter().chain(&masks).map(PathBuf::as_path))
            .collect();
        if !several {
            Format::of(out)?;
            check_file(out, &read, self.force)?;
            return Ok(vec![Some(out.clone())]);
        }
        if Format::of(out).is_ok() && !out.is_dir() {
            let shown = out.display();
            return Err(format!(
                "{shown}: the answers about several pictures are drawn into a folder: name one, \
                 without the ending of a picture"
            )
            .into());
        }
        check_folder(out, &read, self.force)?;
        let mut names = HashSet::new();
        let mut outs = Vec::new();
        for input in inputs {
            let drawn = out.join(input.drawn_name(&mut names));
            // `--force` allows to write among the pictures, not over them.
            refuse_inputs(&drawn, &read)?;
            outs.push(Some(drawn));
        }
        Ok(outs)
    }

    /// A picture, and what is asked of it.
    fn asked(&self, input: &Input) -> Result<Asked, Box<dyn std::error::Error>> {
        let (picture, remarks) = input.read()?;
        let name = input.name();
        detail(format_args!("{name}: {}x{} px", picture.width, picture.height));
        let mut notes = Vec::new();
        for remark in &remarks {
            if remark.matters() {
                note(format_args!("note: {name}: {remark}"));
                notes.push(remark.to_string());
            } else {
                detail(format_args!("{name}: {remark}"));
            }
        }
        Ok(Asked { ask: self.question(&picture)?, picture, notes })
    }

    /// What is asked of a picture.
    fn question(&self, picture: &Picture) -> Result<Ask, Box<dyn std::error::Error>> {
        let prompts = self.pointing.prompts(picture)?;
        let nothing = self.ask.trim().is_empty() && prompts.is_empty();
        if let Some(task) = self.task.filter(|task| nothing && points(*task)) {
            return Err(format!(
                "--task {task} is about what is pointed at, described or named: give --point, --box, \
                 --scribble, --mask or --ask"
            )
            .into());
        }
        let guessed = self.task.is_none() && !nothing;
        let ask = completed(self.task, &self.ask, prompts);
        if guessed {
            let task = ask.task;
            note(format_args!("note: answered as {task}; --task chooses another kind"));
        }
        detail(format_args!("asked: {}, {:?}, {} prompts", ask.task, ask.text, ask.prompts.len()));
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
        name: &str,
        Asked { ask, picture, notes }: Asked,
        out: Option<&Path>,
        several: bool,
    ) -> Outcome {
        let view = View::new(picture.width, picture.height, &picture.rgb)?;
        pollster::block_on(session.set_image(view))?;
        if several && self.raw {
            say!("{name}");
        }
        let mut answer = session.ask(&ask)?;
        let (mut events, mut cut) = (Vec::new(), Cut::new(self.min_confidence));
        while let Some(event) = pollster::block_on(answer.next()) {
            if !cut.keeps(&event) {
                continue;
            }
            if self.json && !several {
                say!("{}", cut.json(&event)?);
            } else if self.raw {
                show::print_raw(&event)?;
            }
            events.push(event);
        }
        if self.json && several {
            say!("{}", show::json_line(name, &events, &cut, &notes));
        } else if !self.json && !self.raw {
            if several {
                say!("{name}");
            }
            show::print(&events)?;
        }
        if let Some(Event::Failed { error }) = events.last() {
            return Err(if self.json { Told(error.clone()).into() } else { error.clone().into() });
        }
        if let Some(left_out) = cut.note() {
            note(left_out);
        }
        if show::ran_short(&events) {
            note(format_args!(
                "note: a budget of {} tokens was too small for this answer; raise --budget",
                self.budget
            ));
        }
        if let Some(out) = out {
            write_picture(out, &annotate(&picture, &ask.prompts, &events))?;
            note(out.display());
        }
        Ok(())
    }

    /// The model that was asked for, with a warning about its limits.
    fn session(&self) -> Result<Session, Box<dyn std::error::Error>> {
        let device = self.device.device()?;
        if self.preset == Some(Preset::Photo) {
            let [language, tower] = photo::PARTS.map(|part| fetched(&part));
            note("note: projector and decoders of this preset are untrained: answers mean nothing");
            return Ok(photo::session(&language?, &tower?, &device)?);
        }
        let package = package_on(self.model.as_deref(), Embedded::Pocket, &device)?;
        if package.config.preset == "scenes" {
            note("note: this model knows drawn scenes; for photos give --model pocket");
        }
        detail(format_args!("model: {}", package.config.preset));
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
        let chat = Chat::read(&path, &self.device.device()?)?;
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

/// Whether a task is about certain things, so that nobody knows which without words or prompts.
fn points(task: Task) -> bool {
    matches!(
        task,
        Task::GroundingDetection | Task::GroundingSegmentation | Task::GroundingKeypoints
    )
}
