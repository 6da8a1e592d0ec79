//! A conversation in the making: what readers of questions and answers share.

use super::folder::Folder;
use super::folder::Pictures;
use super::json::{self, Within};
use super::labelled::clipped;
use super::sink::{Conversation, Item, Sink, Wanted};
use crate::border::fnv;
use crate::error::DataError;
use crate::sources::Source;
use crate::wording::{Family, Values, WordingSet};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use refvlm_record::{
    AnswerPart, DepthMap, Image, Prompt, QuestionPart, Record, Target, Task, Turn, Unit,
};
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A source of conversations.
pub(crate) struct Talks {
    source: Source,
    wordings: WordingSet,
    seed: u64,
    /// Where its pictures are.
    pub pictures: Pictures,
}

/// A conversation about one picture.
pub(crate) struct Talk {
    record: Record,
    picture: PathBuf,
    depths: Vec<PathBuf>,
    wordings: WordingSet,
    /// Draws wordings; the same for the same id.
    rng: ChaCha8Rng,
}

impl Talks {
    /// The conversations of a folder.
    pub fn open(folder: &Folder, wanted: &Wanted<'_>) -> Result<Self, DataError> {
        let source = Source::open(&folder.name(), &folder.path)?;
        let (wordings, seed) = (wanted.wordings, wanted.seed);
        Ok(Self { source, wordings, seed, pictures: folder.pictures() })
    }

    /// Begins a conversation about a picture; its id must be the source's own.
    ///
    /// # Errors
    /// When the picture is not there or its size cannot be read.
    pub fn begin(&self, id: &str, picture: Result<PathBuf, String>) -> Result<Talk, String> {
        let picture = picture?;
        let [width, height] = self.pictures.size(&picture)?;
        let name = &self.source.name;
        let path = format!("pictures/{name}-{}.png", self.pictures.word(&picture));
        let record = Record {
            id: format!("{name}-{id}"),
            source: name.clone(),
            licence: self.source.licence.clone(),
            image: Image { path, width, height },
            targets: Vec::new(),
            prompts: Vec::new(),
            turns: Vec::new(),
        };
        let rng = ChaCha8Rng::seed_from_u64(self.seed ^ fnv(&record.id));
        let depths = Vec::new();
        Ok(Talk { record, picture, depths, wordings: self.wordings, rng })
    }
}

/// Each entry of each of these files, in the form of `T`, as the conversation that `make` makes of
/// the file, the place in it and the entry.
///
/// # Errors
/// When a file cannot be read or is not of the form.
pub(crate) fn each<T: DeserializeOwned>(
    folder: &Folder,
    files: &[PathBuf],
    within: Within,
    sink: &mut Sink<'_>,
    make: impl Fn(&Talks, &Path, &str, T) -> Result<Talk, String>,
) -> Result<(), DataError> {
    let talks = Talks::open(folder, sink.wanted)?;
    files.iter().try_for_each(|path| {
        json::each(path, within, &mut |place, part| {
            let Some(entry) = sink.entry() else { return Ok(()) };
            let talk = part.read().and_then(|told| make(&talks, path, place, told));
            sink.talk(entry, path, place, talk)
        })
    })
}

impl Talk {
    /// Columns and rows of the picture.
    pub fn size(&self) -> [u32; 2] {
        [self.record.image.width, self.record.image.height]
    }

    /// Notes the part of the source, as its authors divide it, that this belongs to.
    pub fn published(&mut self, split: &str) {
        if !split.is_empty() {
            self.record.source = format!("{}:{split}", self.record.source);
        }
    }

    /// Adds something that answers may mean, and says its index.
    pub fn target(&mut self, target: Target) -> usize {
        self.record.targets.push(target);
        self.record.targets.len() - 1
    }

    /// Adds the part of a box that lies in the picture as a target, if any of it lies in the picture.
    ///
    /// # Errors
    /// When nothing of it does.
    pub fn boxed(&mut self, bbox: [f64; 4]) -> Result<usize, String> {
        let bbox = Some(clipped(bbox, self.size())?);
        Ok(self.target(Target { bbox, ..Target::default() }))
    }

    /// Adds a prompt of the box of a target, and says its index.
    pub fn prompt_at(&mut self, target: usize) -> Option<usize> {
        let [x, y, w, h] = self.record.targets.get(target)?.bbox?;
        Some(self.prompt(Prompt::Box { x, y, w, h }))
    }

    /// Adds the distances of all pixels, whose file is a 16-bit grey PNG.
    pub fn distances(&mut self, file: PathBuf, metres_per_unit: f32) -> usize {
        // The path is that of the file once it is beside its record.
        let path = format!("depth/{}.png", self.record.id);
        let depth = Some(DepthMap { path, metres_per_unit, metres: Vec::new() });
        self.depths.push(file);
        self.target(Target { depth, ..Target::default() })
    }

    /// Adds something that questions may point with, and says its index.
    pub fn prompt(&mut self, prompt: Prompt) -> usize {
        self.record.prompts.push(prompt);
        self.record.prompts.len() - 1
    }

    /// A question in one of the ways of a family.
    pub fn ask(&mut self, family: Family, values: &Values) -> Vec<QuestionPart> {
        family.ask(self.wordings, values, &mut self.rng)
    }

    /// Adds a turn.
    pub fn turn(&mut self, task: Task, question: Vec<QuestionPart>, answer: Vec<AnswerPart>) {
        self.record.turns.push(Turn { task, question, answer });
    }

    /// Adds a question of the source that is answered in a word or a short phrase, and asks for
    /// such an answer.
    pub fn short(&mut self, question: &str, answer: &str) {
        let question = question.split_whitespace().collect::<Vec<_>>().join(" ");
        let values = Values { question: &question, ..Values::default() };
        let question = self.ask(Family::ShortAnswer, &values);
        self.words(question, answer);
    }

    /// Adds a question that is answered in words.
    pub fn words(&mut self, question: Vec<QuestionPart>, answer: &str) {
        let answer =
            vec![AnswerPart::Text(answer.split_whitespace().collect::<Vec<_>>().join(" "))];
        self.turn(Task::Vqa, question, answer);
    }
}

impl Sink<'_> {
    /// Hands a conversation on if its record is sound, or notes why there is none.
    pub(crate) fn talk(
        &mut self,
        entry: u64,
        file: &Path,
        place: &str,
        talk: Result<Talk, String>,
    ) -> Result<(), DataError> {
        let sound = |talk: Talk| talk.record.check().map(|()| talk).map_err(|e| e.to_string());
        match talk.and_then(sound) {
            Ok(Talk { record, picture, depths, .. }) => {
                let told = Conversation { record, picture, depths };
                self.put(entry, Ok(Item::Conversation(told)))
            }
            Err(problem) => self.fault(entry, file, place, problem),
        }
    }
}

/// A sentence of which spans (first byte, first byte behind) are phrases with targets. Spans that
/// leave the sentence, split a letter or begin within an earlier one are left out; none where none
/// is left.
pub(crate) fn phrases(
    text: &str,
    spans: BTreeMap<(usize, usize), Vec<usize>>,
    unit: Unit,
) -> Option<Vec<AnswerPart>> {
    let (mut at, mut answer, mut found) = (0, Vec::new(), false);
    for ((start, end), targets) in spans {
        let (Some(before), Some(phrase)) = (text.get(at..start), text.get(start..end)) else {
            continue;
        };
        if phrase.trim().is_empty() || targets.is_empty() {
            continue;
        }
        if !before.is_empty() {
            answer.push(AnswerPart::Text(before.into()));
        }
        answer.push(AnswerPart::Triplet { concept: phrase.into(), unit, targets });
        (at, found) = (end, true);
    }
    match text.get(at..) {
        Some(rest) if !rest.is_empty() => answer.push(AnswerPart::Text(rest.into())),
        _ => {}
    }
    found.then_some(answer)
}

/// Words of a question.
pub(crate) fn said(text: &str) -> Vec<QuestionPart> {
    vec![QuestionPart::Text(text.trim().into())]
}
