//! What a set of records holds: counts of tasks, nouns, prompts and licences, lengths and sizes.

use refvlm_record::{AnswerPart, QuestionPart, Record, Task, Unit};
use std::collections::{BTreeMap, HashMap};
use std::fmt;

/// Different nouns that are counted one by one; more are counted together.
const MOST_NOUNS: usize = 200_000;
/// Nouns that are shown.
const SHOWN_NOUNS: usize = 40;

/// Counts over records, in memory that does not grow with their number.
#[derive(Debug, Default)]
pub struct Stats {
    /// Records.
    pub records: u64,
    /// Turns by their task, in the order of [`Task::ALL`].
    pub tasks: [u64; Task::ALL.len()],
    /// Targets of triplets by their unit, in the order of [`Unit::ALL`].
    pub units: [u64; Unit::ALL.len()],
    /// Prompts by their kind.
    pub prompts: BTreeMap<&'static str, u64>,
    /// Records by their source.
    pub sources: BTreeMap<String, u64>,
    /// Records by their licence.
    pub licences: BTreeMap<String, u64>,
    /// Words of questions.
    pub question_words: Spread,
    /// Words of answers.
    pub answer_words: Spread,
    /// Turns of a record.
    pub turns: Spread,
    /// Longer side of pictures in px.
    pub longer_side: Spread,
    nouns: HashMap<String, u64>,
    /// Targets of nouns that came after as many different ones as are kept.
    other_nouns: u64,
}

/// Least, mean and most of a number.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Spread {
    /// How many numbers.
    pub count: u64,
    /// Their sum.
    pub sum: u64,
    /// The smallest.
    pub least: u64,
    /// The largest.
    pub most: u64,
}

impl Spread {
    fn add(&mut self, value: u64) {
        self.least = if self.count == 0 { value } else { self.least.min(value) };
        self.most = self.most.max(value);
        (self.count, self.sum) = (self.count + 1, self.sum + value);
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mean = self.sum as f64 / self.count.max(1) as f64;
        write!(f, "{} to {}, mean {mean:.1}", self.least, self.most)
    }
}

impl Stats {
    /// Counts a record.
    pub fn add(&mut self, record: &Record) {
        self.records += 1;
        *self.sources.entry(record.source.clone()).or_default() += 1;
        *self.licences.entry(record.licence.clone()).or_default() += 1;
        self.turns.add(record.turns.len() as u64);
        self.longer_side.add(record.image.width.max(record.image.height).into());
        for prompt in &record.prompts {
            *self.prompts.entry(prompt.kind()).or_default() += 1;
        }
        for turn in &record.turns {
            let place = Task::ALL.iter().position(|task| *task == turn.task);
            if let Some(count) = place.and_then(|place| self.tasks.get_mut(place)) {
                *count += 1;
            }
            let words = |text: &str| text.split_whitespace().count() as u64;
            let asked = turn.question.iter().map(|part| match part {
                QuestionPart::Text(text) => words(text),
                QuestionPart::Prompt { .. } => 0,
            });
            self.question_words.add(asked.sum());
            let answered = turn.answer.iter().map(|part| match part {
                AnswerPart::Text(text) => words(text),
                AnswerPart::Triplet { concept, .. } => words(concept),
            });
            self.answer_words.add(answered.sum());
            for part in &turn.answer {
                if let AnswerPart::Triplet { concept, unit, targets } = part {
                    self.triplet(concept, *unit, targets.len() as u64);
                }
            }
        }
    }

    fn triplet(&mut self, concept: &str, unit: Unit, targets: u64) {
        let place = Unit::ALL.iter().position(|known| *known == unit);
        if let Some(count) = place.and_then(|place| self.units.get_mut(place)) {
            *count += targets;
        }
        if let Some(count) = self.nouns.get_mut(concept) {
            *count += targets;
        } else if self.nouns.len() < MOST_NOUNS {
            self.nouns.insert(concept.into(), targets);
        } else {
            self.other_nouns += targets;
        }
    }

    /// Nouns with the targets they name, the most frequent first.
    pub fn nouns(&self) -> Vec<(&str, u64)> {
        let mut nouns: Vec<(&str, u64)> =
            self.nouns.iter().map(|(noun, count)| (noun.as_str(), *count)).collect();
        nouns.sort_by_key(|(noun, count)| (u64::MAX - count, *noun));
        nouns
    }
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} records, {} turns", self.records, self.turns.sum)?;
        writeln!(f, "turns of a record: {}", self.turns)?;
        writeln!(f, "words of a question: {}", self.question_words)?;
        writeln!(f, "words of an answer: {}", self.answer_words)?;
        writeln!(f, "longer side, px: {}", self.longer_side)?;
        let tasks = Task::ALL.iter().map(|task| task.name()).zip(self.tasks);
        list(f, "tasks", tasks.filter(|(_, count)| *count > 0))?;
        let units = Unit::ALL.iter().map(|unit| unit.name()).zip(self.units);
        list(f, "targets", units.filter(|(_, count)| *count > 0))?;
        list(f, "prompts", self.prompts.iter().map(|(kind, count)| (*kind, *count)))?;
        let named =
            |name: &'_ String| if name.is_empty() { "not named".into() } else { name.clone() };
        list(f, "sources", self.sources.iter().map(|(name, count)| (named(name), *count)))?;
        list(f, "licences", self.licences.iter().map(|(name, count)| (named(name), *count)))?;
        let nouns = self.nouns();
        let more = nouns.len().saturating_sub(SHOWN_NOUNS);
        list(f, "nouns", nouns.into_iter().take(SHOWN_NOUNS))?;
        if more > 0 {
            writeln!(f, "  and {more} more")?;
        }
        Ok(())
    }
}

fn list<N: fmt::Display>(
    f: &mut fmt::Formatter<'_>,
    title: &str,
    rows: impl Iterator<Item = (N, u64)>,
) -> fmt::Result {
    writeln!(f, "{title}:")?;
    rows.into_iter().try_for_each(|(name, count)| writeln!(f, "{count:>10}  {name}"))
}
