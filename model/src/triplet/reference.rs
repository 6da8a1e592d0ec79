//! Records of the original implementation, whose answers are strings with placeholders.
//!
//! They become [`Exchange`]s once it is sure that each placeholder has its target and each target
//! its placeholder; what the original accepts without a meaning is refused here.

use super::template::{AnswerPiece, Command, Exchange, UnitWord, coordinates_text};
use refvlm_record::{Element, QuestionPart, UnknownName};
use serde::Deserialize;
use serde_json::Value;
use std::collections::HashMap;

/// Which of the original's preparations a record is meant for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preparation {
    /// Coordinates as text.
    Stage1,
    /// Triplets.
    Stage2,
    /// Triplets of boxes, each with keypoints behind it.
    Keypoints,
}

/// A list of a record's `target`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `boxes`.
    Box,
    /// `masks`.
    Mask,
    /// `points`.
    Point,
    /// `keypoints`.
    Keypoint,
}

impl Kind {
    const ALL: [Kind; 4] = [Kind::Box, Kind::Mask, Kind::Point, Kind::Keypoint];

    /// The word for one of them, which is also its unit.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Box => "box",
            Kind::Mask => "mask",
            Kind::Point => "point",
            Kind::Keypoint => "keypoint",
        }
    }

    fn list(self) -> &'static str {
        match self {
            Kind::Box => "boxes",
            Kind::Mask => "masks",
            Kind::Point => "points",
            Kind::Keypoint => "keypoints",
        }
    }

    fn placeholder(self) -> &'static str {
        match self {
            Kind::Box => "<boxes>",
            Kind::Mask => "<masks>",
            Kind::Point => "<points>",
            Kind::Keypoint => "<keypoints>",
        }
    }
}

/// One turn. Prompts of the question and targets of the answer are indices into these lists.
#[derive(Debug, Clone, PartialEq)]
pub struct ReferenceTurn {
    /// Question and answer; a target index counts in the list of its unit's kind.
    pub exchange: Exchange,
    /// Kind and index of each visual prompt, in reading order.
    pub prompts: Vec<(Kind, usize)>,
    /// Kind and index of each label, in reading order.
    pub labels: Vec<(Kind, usize)>,
}

/// Why a record is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// The JSON has another shape.
    #[error("not a record of the original: {0}")]
    Json(String),
    /// A message of nobody.
    #[error("message from '{0}'; messages come from system, human and gpt")]
    Speaker(String),
    /// Questions and answers do not alternate.
    #[error("message {message}: every human message needs one gpt message behind it")]
    Order {
        /// Its index.
        message: usize,
    },
    /// Task entries and turns differ in number.
    #[error("{turns} turns but {tasks} task entries; the system message needs one per turn")]
    Turns {
        /// Turns.
        turns: usize,
        /// Task entries.
        tasks: usize,
    },
    /// A task with more than one unit.
    #[error("task {0} declares several units; the original's tasks have one")]
    Units(String),
    /// An unknown unit, element or placeholder.
    #[error("unknown {what} '{name}'")]
    Unknown {
        /// What it should be.
        what: &'static str,
        /// What it is.
        name: String,
    },
    /// Placeholders and targets differ in number.
    #[error("{found} {placeholder} in the text, {given} in {place}")]
    Count {
        /// The placeholder.
        placeholder: &'static str,
        /// In the text.
        found: usize,
        /// In the sequence.
        given: usize,
        /// Which sequence or group.
        place: String,
    },
    /// An index that no target has.
    #[error("{list}[{index}], but the record has {count}")]
    Index {
        /// List of targets.
        list: &'static str,
        /// The index.
        index: i64,
        /// How many there are.
        count: usize,
    },
    /// A phrase mark without its partner.
    #[error("phrase mark without its partner near '{0}'")]
    Phrase(String),
    /// Placeholders that do not belong to exactly one phrase.
    #[error("phrase '{phrase}': {problem}")]
    Targets {
        /// Words of the phrase.
        phrase: String,
        /// What is wrong.
        problem: &'static str,
    },
}

impl From<UnknownName> for ReferenceError {
    fn from(unknown: UnknownName) -> Self {
        Self::Unknown { what: unknown.kind, name: unknown.name }
    }
}

#[derive(Deserialize)]
struct Raw {
    #[serde(default)]
    target: HashMap<String, Vec<Value>>,
    conversations: Vec<Message>,
    #[serde(default)]
    map_placeholders: Placeholders,
}

#[derive(Deserialize, Default)]
struct Placeholders {
    #[serde(default)]
    input: Vec<String>,
    #[serde(default)]
    output: Vec<String>,
}

type Sequence = Option<Vec<Vec<i64>>>;

#[derive(Deserialize)]
struct Message {
    from: String,
    #[serde(default)]
    value: Value,
    boxes_seq: Sequence,
    masks_seq: Sequence,
    points_seq: Sequence,
    keypoints_seq: Sequence,
}

impl Message {
    fn text(&self) -> Result<&str, ReferenceError> {
        match &self.value {
            Value::Null => Ok(""),
            Value::String(text) => Ok(text),
            _ => Err(ReferenceError::Json(format!("the value from {} is no text", self.from))),
        }
    }

    fn sequence(&self, kind: Kind) -> &[Vec<i64>] {
        let sequence = match kind {
            Kind::Box => &self.boxes_seq,
            Kind::Mask => &self.masks_seq,
            Kind::Point => &self.points_seq,
            Kind::Keypoint => &self.keypoints_seq,
        };
        sequence.as_deref().unwrap_or_default()
    }
}

#[derive(Deserialize)]
struct TaskEntry {
    task: TaskRaw,
    #[serde(default)]
    unit: Vec<String>,
}

#[derive(Deserialize)]
struct TaskRaw {
    task_name: String,
    element: Vec<Element>,
    #[serde(default)]
    use_unit: bool,
}

impl TaskEntry {
    fn command(self) -> Result<Command, ReferenceError> {
        let TaskRaw { task_name: name, element: elements, use_unit } = self.task;
        if self.unit.len() > 1 {
            return Err(ReferenceError::Units(name));
        }
        let units = self.unit.iter().filter(|_| use_unit);
        let units = units.map(|unit| Ok(unit.parse::<UnitWord>()?));
        Ok(Command { name, elements, units: units.collect::<Result<_, ReferenceError>>()? })
    }
}

/// Reads a record.
///
/// # Errors
/// The first thing that keeps it from having one meaning.
pub fn read(record: &Value, how: Preparation) -> Result<Vec<ReferenceTurn>, ReferenceError> {
    let raw = Raw::deserialize(record).map_err(|e| ReferenceError::Json(e.to_string()))?;
    let reader = Reader {
        how,
        input: kinds(&raw.map_placeholders.input)?,
        output: kinds(&raw.map_placeholders.output)?,
        targets: &raw.target,
    };
    let (mut tasks, mut turns) = (Vec::new(), Vec::new());
    let mut messages = raw.conversations.iter().enumerate().peekable();
    while let Some((at, message)) = messages.next() {
        match message.from.as_str() {
            "system" => {
                let entries = Vec::<TaskEntry>::deserialize(&message.value);
                let entries = entries.map_err(|e| ReferenceError::Json(e.to_string()))?;
                tasks.extend(entries.into_iter().map(TaskEntry::command));
            }
            "human" => match messages.next() {
                Some((_, answer)) if answer.from == "gpt" => turns.push((message, answer)),
                Some((_, other)) if !matches!(other.from.as_str(), "human" | "system") => {
                    return Err(ReferenceError::Speaker(other.from.clone()));
                }
                _ => return Err(ReferenceError::Order { message: at }),
            },
            // A greeting before the first question belongs to no turn.
            "gpt" if turns.is_empty() => {}
            "gpt" => return Err(ReferenceError::Order { message: at }),
            other => return Err(ReferenceError::Speaker(other.into())),
        }
    }
    let commands: Vec<Option<Command>> = match how {
        Preparation::Stage1 => turns.iter().map(|_| None).collect(),
        _ if tasks.len() != turns.len() => {
            return Err(ReferenceError::Turns { turns: turns.len(), tasks: tasks.len() });
        }
        _ => tasks.into_iter().map(|task| task.map(Some)).collect::<Result<_, _>>()?,
    };
    let turns = turns.into_iter().zip(commands);
    turns.map(|((question, answer), command)| reader.turn(question, answer, command)).collect()
}

fn kinds(placeholders: &[String]) -> Result<Vec<Kind>, ReferenceError> {
    let find = |name: &String| Kind::ALL.into_iter().find(|kind| kind.placeholder() == name);
    let unknown =
        |name: &String| ReferenceError::Unknown { what: "placeholder", name: name.clone() };
    placeholders.iter().map(|name| find(name).ok_or_else(|| unknown(name))).collect()
}

/// A piece of a string with placeholders.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Piece<'a> {
    Text(&'a str),
    Placeholder(Kind),
    Open,
    Close,
    Image,
}

/// Cuts a string at its marks and at the placeholders of these kinds.
fn cut<'a>(mut text: &'a str, kinds: &[Kind]) -> Vec<Piece<'a>> {
    let mut marks =
        vec![("<Phrase>", Piece::Open), ("</Phrase>", Piece::Close), ("<image>", Piece::Image)];
    marks.extend(kinds.iter().map(|kind| (kind.placeholder(), Piece::Placeholder(*kind))));
    let mut pieces = Vec::new();
    loop {
        let places = marks.iter().filter_map(|(mark, piece)| Some((text.find(mark)?, mark, piece)));
        let Some((at, mark, piece)) = places.min_by_key(|(at, ..)| *at) else { break };
        if at > 0 {
            pieces.push(Piece::Text(&text[..at]));
        }
        pieces.push(*piece);
        text = &text[at + mark.len()..];
    }
    if !text.is_empty() {
        pieces.push(Piece::Text(text));
    }
    pieces
}

fn count(pieces: &[Piece], kind: Kind) -> usize {
    pieces.iter().filter(|piece| **piece == Piece::Placeholder(kind)).count()
}

struct Reader<'a> {
    how: Preparation,
    input: Vec<Kind>,
    output: Vec<Kind>,
    targets: &'a HashMap<String, Vec<Value>>,
}

impl Reader<'_> {
    fn turn(
        &self,
        question: &Message,
        answer: &Message,
        command: Option<Command>,
    ) -> Result<ReferenceTurn, ReferenceError> {
        let coordinates = [Kind::Box, Kind::Point];
        let stage1 = self.how == Preparation::Stage1;
        let input = if stage1 { &coordinates[..] } else { &self.input };
        let pieces = cut(question.text()?, input);
        let image = pieces.contains(&Piece::Image);
        let mut prompts = Vec::new();
        let question = if stage1 {
            vec![QuestionPart::Text(self.coordinates(question, &pieces)?)]
        } else {
            let mut queues = self.queues(question, &pieces, input)?;
            let part = |piece: &Piece| match *piece {
                Piece::Text(text) => Some(QuestionPart::Text(text.into())),
                Piece::Placeholder(kind) => {
                    prompts.push((kind, queues.get_mut(&kind.list())?.next()?));
                    Some(QuestionPart::Prompt { prompt: prompts.len() - 1 })
                }
                Piece::Image => None,
                Piece::Open => Some(QuestionPart::Text("<Phrase>".into())),
                Piece::Close => Some(QuestionPart::Text("</Phrase>".into())),
            };
            pieces.iter().filter_map(part).collect()
        };
        let (answer, labels) = if stage1 {
            let pieces = cut(answer.text()?, &coordinates);
            (vec![AnswerPiece::Text(self.coordinates(answer, &pieces)?)], Vec::new())
        } else {
            self.answer(answer)?
        };
        Ok(ReferenceTurn {
            exchange: Exchange { command, image, question, answer },
            prompts,
            labels,
        })
    }

    /// The index behind a number of a sequence.
    fn index(&self, kind: Kind, index: i64) -> Result<usize, ReferenceError> {
        let count = self.targets.get(kind.list()).map_or(0, Vec::len);
        let found = usize::try_from(index).ok().filter(|&at| at < count);
        found.ok_or(ReferenceError::Index { list: kind.list(), index, count })
    }

    /// The indices for the placeholders of each kind, in reading order.
    #[allow(clippy::type_complexity)]
    fn queues(
        &self,
        message: &Message,
        pieces: &[Piece],
        kinds: &[Kind],
    ) -> Result<HashMap<&'static str, std::vec::IntoIter<usize>>, ReferenceError> {
        let mut queues = HashMap::new();
        for &kind in kinds {
            let given = message.sequence(kind).iter().flatten();
            let given: Vec<usize> =
                given.map(|&index| self.index(kind, index)).collect::<Result<_, _>>()?;
            let found = count(pieces, kind);
            if found != given.len() {
                return Err(mismatch(kind, found, given.len(), "its sequence"));
            }
            queues.insert(kind.list(), given.into_iter());
        }
        Ok(queues)
    }

    /// Stage 1: one group of coordinates for each placeholder.
    fn coordinates(&self, message: &Message, pieces: &[Piece]) -> Result<String, ReferenceError> {
        let mut groups = HashMap::new();
        for kind in [Kind::Box, Kind::Point] {
            let (found, given) = (count(pieces, kind), message.sequence(kind));
            if found != given.len() {
                return Err(mismatch(kind, found, given.len(), "groups"));
            }
            groups.insert(kind.list(), given.iter());
        }
        let mut text = String::new();
        for piece in pieces {
            match *piece {
                Piece::Text(words) => text += words,
                Piece::Placeholder(kind) => {
                    let group = groups.get_mut(kind.list()).and_then(Iterator::next);
                    let group = group.map(Vec::as_slice).unwrap_or_default();
                    text += &match kind {
                        Kind::Box => coordinates_text(&self.numbers::<4>(kind, group)?),
                        _ => coordinates_text(&self.numbers::<2>(kind, group)?),
                    };
                }
                Piece::Image => {}
                Piece::Open => text += "<Phrase>",
                Piece::Close => text += "</Phrase>",
            }
        }
        Ok(text)
    }

    fn numbers<const N: usize>(
        &self,
        kind: Kind,
        group: &[i64],
    ) -> Result<Vec<[f64; N]>, ReferenceError> {
        let numbers = |&index: &i64| {
            let at = self.index(kind, index)?;
            let value = self.targets.get(kind.list()).and_then(|list| list.get(at));
            let numbers: Option<Vec<f64>> = value
                .and_then(Value::as_array)
                .and_then(|list| list.iter().map(Value::as_f64).collect());
            let wrong =
                || ReferenceError::Json(format!("{}[{at}] is not {N} numbers", kind.list()));
            numbers.and_then(|n| n.try_into().ok()).ok_or_else(wrong)
        };
        group.iter().map(numbers).collect()
    }

    #[allow(clippy::type_complexity)]
    fn answer(
        &self,
        message: &Message,
    ) -> Result<(Vec<AnswerPiece>, Vec<(Kind, usize)>), ReferenceError> {
        let mut kinds = self.output.clone();
        if self.how == Preparation::Keypoints {
            kinds.push(Kind::Keypoint);
        }
        let pieces = cut(message.text()?, &kinds);
        let mut groups: HashMap<_, _> =
            kinds.iter().map(|kind| (kind.list(), message.sequence(*kind).iter())).collect();
        let mut next = |kind: Kind, found: usize| {
            let group = groups.get_mut(kind.list()).and_then(Iterator::next);
            let group = group.map(Vec::as_slice).unwrap_or_default();
            if group.len() != found {
                return Err(mismatch(kind, found, group.len(), "its group"));
            }
            group.iter().map(|&index| self.index(kind, index)).collect::<Result<Vec<_>, _>>()
        };
        let (mut answer, mut labels) = (Vec::new(), Vec::new());
        let mut at = 0;
        while let Some(&piece) = pieces.get(at) {
            at += 1;
            match piece {
                Piece::Text(text) => answer.push(AnswerPiece::Text(text.into())),
                Piece::Image => answer.push(AnswerPiece::Text("<image>".into())),
                Piece::Close => return Err(ReferenceError::Phrase("</Phrase>".into())),
                Piece::Placeholder(kind) => {
                    return Err(ReferenceError::Phrase(kind.placeholder().into()));
                }
                Piece::Open => {
                    let (phrase, used) = phrase(&pieces[at..], self.how)?;
                    at += used;
                    let indices = next(phrase.kind, phrase.count)?;
                    let more = match self.how {
                        Preparation::Keypoints => next(Kind::Keypoint, phrase.count)?,
                        _ => Vec::new(),
                    };
                    for (k, &index) in indices.iter().enumerate() {
                        labels.push((phrase.kind, index));
                        labels.extend(more.get(k).map(|&index| (Kind::Keypoint, index)));
                    }
                    answer.push(AnswerPiece::Triplet {
                        concept: phrase.concept,
                        gap: phrase.gap,
                        unit: phrase.kind.name().parse()?,
                        targets: indices,
                    });
                }
            }
        }
        for kind in kinds {
            let left = groups.get(kind.list()).map_or(0, ExactSizeIterator::len);
            if left > 0 {
                return Err(mismatch(kind, 0, left, "groups without a phrase"));
            }
        }
        Ok((answer, labels))
    }
}

fn mismatch(kind: Kind, found: usize, given: usize, place: &str) -> ReferenceError {
    ReferenceError::Count { placeholder: kind.placeholder(), found, given, place: place.into() }
}

struct Phrase {
    concept: String,
    gap: String,
    kind: Kind,
    count: usize,
}

/// A phrase and the placeholders behind it, with the number of pieces it takes.
fn phrase(pieces: &[Piece], how: Preparation) -> Result<(Phrase, usize), ReferenceError> {
    let [Piece::Text(concept), Piece::Close, rest @ ..] = pieces else {
        let near = match pieces.first() {
            Some(Piece::Text(text)) => (*text).to_string(),
            _ => "<Phrase>".into(),
        };
        return Err(ReferenceError::Phrase(near));
    };
    let wrong = |problem| Err(ReferenceError::Targets { phrase: (*concept).to_string(), problem });
    let (gap, rest) = match rest {
        [Piece::Text(gap), rest @ ..] => (*gap, rest),
        _ => ("", rest),
    };
    let run: Vec<Kind> = rest
        .iter()
        .map_while(|piece| match piece {
            Piece::Placeholder(kind) => Some(*kind),
            _ => None,
        })
        .collect();
    let Some(&kind) = run.first() else { return wrong("no target behind it") };
    let pattern: &[Kind] =
        if how == Preparation::Keypoints { &[Kind::Box, Kind::Keypoint] } else { &[kind] };
    let regular = run.chunks(pattern.len()).all(|chunk| chunk == pattern);
    if !regular && how == Preparation::Keypoints {
        return wrong("every <boxes> needs one <keypoints> behind it");
    }
    if !regular {
        return wrong("two kinds of target");
    }
    let next = rest[run.len()..].iter().find(|piece| !matches!(piece, Piece::Text(_)));
    if let Some(Piece::Placeholder(other)) = next {
        return wrong(if *other == kind { "targets apart" } else { "two kinds of target" });
    }
    let used = pieces.len() - rest.len() + run.len();
    let count = run.len() / pattern.len();
    Ok((Phrase { concept: (*concept).into(), gap: gap.into(), kind, count }, used))
}
