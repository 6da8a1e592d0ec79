//! VQA accuracy: an answer that three of ten people gave is right.

use crate::{Metric, MetricError, Row};

/// VQA accuracy, a mean over questions.
#[derive(Debug, Clone, Copy, Default)]
pub struct Vqa {
    sum: f64,
    count: u64,
}

/// Words without apostrophe, and what stands for them; the official tool's list.
const CONTRACTIONS: &str = include_str!("contractions.txt");

const NUMBERS: [&str; 11] =
    ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"];

/// Marks in the official tool's order.
const MARKS: &str = ";/[]\"{}()=+\\_-><@`,?!";

/// The official tool removes this many full stops at most (it passes a flag in the place of a
/// count).
const MOST_STOPS: usize = 32;

/// Without marks: one beside a space vanishes (all do when a comma stands between digits), another
/// becomes a space. Full stops vanish unless a digit follows.
pub fn without_marks(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let grouped = chars
        .windows(3)
        .any(|three| three[0].is_numeric() && three[1] == ',' && three[2].is_numeric());
    let mut out = text.to_string();
    for mark in MARKS.chars() {
        let beside = chars.windows(2).any(|two| *two == [mark, ' '] || *two == [' ', mark]);
        out = out.replace(mark, if beside || grouped { "" } else { " " });
    }
    let mut stops = 0;
    let mut kept = String::with_capacity(out.len());
    let mut chars = out.chars().peekable();
    while let Some(c) = chars.next() {
        let digit = chars.peek().is_some_and(|next| next.is_numeric());
        if c == '.' && !digit && stops < MOST_STOPS {
            stops += 1;
        } else {
            kept.push(c);
        }
    }
    kept
}

/// In lower case, without articles, with digits for numbers and apostrophes where they belong.
pub fn plain_words(text: &str) -> String {
    let lower = text.to_lowercase();
    let mut words = Vec::new();
    for word in lower.split_whitespace() {
        let number = if word == "none" { Some(0) } else { NUMBERS.iter().position(|n| *n == word) };
        let word = number.map_or_else(|| word.to_string(), |number| number.to_string());
        if !["a", "an", "the"].contains(&word.as_str()) {
            let pairs = CONTRACTIONS.lines().filter_map(|line| line.split_once(' '));
            let known = pairs.filter(|pair| pair.0 == word).map(|pair| pair.1.to_string()).next();
            words.push(known.unwrap_or(word));
        }
    }
    words.join(" ")
}

/// The accuracy of one answer: the mean over people of min(1, others who gave it / 3). Where people
/// differ, marks are removed from their answers.
///
/// # Errors
/// When nobody answered.
pub fn accuracy(answer: &str, people: &[String]) -> Result<f64, MetricError> {
    if people.is_empty() {
        return Err(MetricError::Empty("the list of true answers"));
    }
    let answer = answer.replace(['\n', '\t'], " ");
    let answer = plain_words(&without_marks(answer.trim()));
    let differ = people.iter().any(|other| *other != people[0]);
    let matches: Vec<bool> = people
        .iter()
        .map(|other| if differ { without_marks(other) == answer } else { *other == answer })
        .collect();
    let all = matches.iter().filter(|&&matches| matches).count();
    let score = |own: &bool| ((all - usize::from(*own)) as f64 / 3.0).min(1.0);
    Ok(matches.iter().map(score).sum::<f64>() / people.len() as f64)
}

impl Metric for Vqa {
    /// The answer, and those of people.
    type Sample<'a> = (&'a str, &'a [String]);

    fn add(&mut self, (answer, people): Self::Sample<'_>) -> Result<(), MetricError> {
        self.sum += accuracy(answer, people)?;
        self.count += 1;
        Ok(())
    }

    fn merge(&mut self, other: Self) {
        self.sum += other.sum;
        self.count += other.count;
    }

    fn rows(&self) -> Vec<Row> {
        vec![Row::mean("VQA accuracy", self.sum, self.count)]
    }
}
