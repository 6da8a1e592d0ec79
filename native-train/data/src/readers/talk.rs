//! A conversation in the making: what readers of questions and answers share.

use super::folder::Folder;
use super::folder::Pictures;
use super::json::{self, Within};
use super::sink::{Conversation, Item, Sink};
use crate::border::fnv;
use crate::error::DataError;
use crate::sources::Source;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use refvlm_record::{AnswerPart, Image, Prompt, QuestionPart, Record, Target, Task, Turn};
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};

/// A source of conversations.
pub(crate) struct Talks {
    source: Source,
    /// Where its pictures are.
    pub pictures: Pictures,
}

/// A conversation about one picture.
pub(crate) struct Talk {
    record: Record,
    picture: PathBuf,
    /// Draws wordings; the same for the same id.
    pub rng: ChaCha8Rng,
}

impl Talks {
    /// The conversations of a folder.
    pub fn open(folder: &Folder) -> Result<Self, DataError> {
        let source = Source::open(&folder.name(), &folder.path)?;
        Ok(Self { source, pictures: folder.pictures() })
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
        let rng = ChaCha8Rng::seed_from_u64(fnv(&record.id));
        Ok(Talk { record, picture, rng })
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
    let talks = Talks::open(folder)?;
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

    /// Adds something that questions may point with, and says its index.
    pub fn prompt(&mut self, prompt: Prompt) -> usize {
        self.record.prompts.push(prompt);
        self.record.prompts.len() - 1
    }

    /// Adds a turn.
    pub fn turn(&mut self, task: Task, question: Vec<QuestionPart>, answer: Vec<AnswerPart>) {
        self.record.turns.push(Turn { task, question, answer });
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
            Ok(Talk { record, picture, .. }) => {
                let told = Conversation { record, picture, depths: Vec::new() };
                self.put(entry, Ok(Item::Conversation(told)))
            }
            Err(problem) => self.fault(entry, file, place, problem),
        }
    }
}

/// Words of a question.
pub(crate) fn said(text: &str) -> Vec<QuestionPart> {
    vec![QuestionPart::Text(text.trim().into())]
}
