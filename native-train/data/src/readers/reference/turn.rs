//! One turn of a record: each placeholder finds its target.

use super::record::{Kind, Message, Preparation, ReferenceError, ReferenceTurn};
use refvlm_record::QuestionPart;
use refvlm_record::exchange::{AnswerPiece, Command, Exchange};
use serde_json::Value;
use std::collections::HashMap;

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

/// Indices that the placeholders of each list still take.
type Queues = HashMap<&'static str, std::vec::IntoIter<usize>>;
/// Kind and index of each label.
type Labels = Vec<(Kind, usize)>;

pub(super) struct Reader<'a> {
    pub(super) how: Preparation,
    pub(super) input: Vec<Kind>,
    pub(super) output: Vec<Kind>,
    pub(super) targets: &'a HashMap<String, Vec<Value>>,
}

impl Reader<'_> {
    pub(super) fn turn(
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
    fn queues(
        &self,
        message: &Message,
        pieces: &[Piece],
        kinds: &[Kind],
    ) -> Result<Queues, ReferenceError> {
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

    fn answer(&self, message: &Message) -> Result<(Vec<AnswerPiece>, Labels), ReferenceError> {
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

/// Coordinates as text, for answers of the first training stage: `[x,y;x,y]` in the padded unit
/// square with three decimals.
fn coordinates_text<const N: usize>(items: &[[f64; N]]) -> String {
    let item = |item: &[f64; N]| item.map(|v| format!("{v:.3}")).join(",");
    format!("[{}]", items.iter().map(item).collect::<Vec<_>>().join(";"))
}
