//! The prompt and the answer as text.
//!
//! One turn reads `Task Command`, `USER: question ASSISTANT:`, then the supervised answer: the
//! plan (VD-CoT) and the body, whose triplets tie concepts to targets. Training, evaluation and
//! inference all come through here.

use super::tokens::{TRP_TOKENS, TokenError};
use refvlm_record::exchange::{AnswerPiece, Command, Exchange, UnitWord};
use refvlm_record::{Element, QuestionPart, Task, Unit};
use serde::{Deserialize, Serialize};

const USER: &str = "\nUSER:";
const ASSISTANT: &str = " ASSISTANT:";
pub(super) const PLAN_WITHOUT_UNITS: &str = "\nUnit decode (False).\n";
pub(super) const PLAN_WITH_UNITS: &str =
    "\nUnit decode (True). Class name, target unit and number:";
pub(super) const PLAN_NAME: &str = "\n- Name:";

/// The part of a plan line between the concept and the number.
pub(super) fn plan_unit(unit: &str) -> String {
    format!(" Unit: {unit} Num: ")
}

/// A line of the plan.
pub(super) fn plan_line(concept: &str, unit: &str, number: usize) -> String {
    format!("{PLAN_NAME} {concept}{}{number}", plan_unit(unit))
}

/// The plan with these lines; without any, words alone are said.
pub(super) fn plan_text(lines: &str) -> String {
    let plan = match lines {
        "" => PLAN_WITHOUT_UNITS.to_string(),
        _ => format!("{PLAN_WITH_UNITS}{lines}\n"),
    };
    format!("<Task>{plan}</Task>\n")
}

/// The stretches of text that are the same in all conversations, the closing bracket of a triplet
/// among them. The grammar cuts the text at them, so a vocabulary does well to have a token for
/// each.
pub fn fixed_pieces() -> Vec<String> {
    let heads = Task::ALL.map(|task| {
        let text = command_text(&Command::from(task.command()));
        text.split("<Unit>").next().unwrap_or_default().to_string()
    });
    let fixed = [
        USER.to_string(),
        format!("\n{USER}"),
        ASSISTANT.to_string(),
        PLAN_WITHOUT_UNITS.to_string(),
        format!("{PLAN_WITH_UNITS}{PLAN_NAME}"),
        PLAN_NAME.to_string(),
        ")".to_string(),
    ];
    let units = Unit::ALL.map(|unit| plan_unit(unit.name()));
    heads.into_iter().chain(fixed).chain(units).collect()
}

/// Where the picture stands in the prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImagePlace {
    /// Right behind the prefix, so that all questions about a picture share its keys and values.
    First,
    /// At the head of the user's words, as in the original.
    InUserTurn,
}

/// How prompts are laid out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Template {
    /// Text that opens a conversation. It may spell out the ten tokens.
    pub prefix: String,
    /// Where the picture stands.
    pub image: ImagePlace,
    /// Whether answers begin with a plan.
    pub cot: bool,
}

impl Default for Template {
    /// No prefix, picture first, with a plan: the shortest prompt whose picture can be reused.
    fn default() -> Self {
        Self { prefix: String::new(), image: ImagePlace::First, cot: true }
    }
}

impl Template {
    /// The layout of the publication. The prefix shows the tokens in use as the original's does;
    /// its wording is our own, since no trained weights depend on it.
    pub fn published() -> Self {
        let prefix = "A person asks about a picture, and an assistant who can see answers as the \
                      task command demands.\nAnswers are made of:\n- Sentence: plain words.\n\
                      - Phrase: words that name something in the picture, as in \
                      '<Phrase>phrase</Phrase>'.\n- Unit: what the named things are decoded to, \
                      as in '<Unit>unit name</Unit>[number]'.\n";
        Self { prefix: prefix.into(), image: ImagePlace::InUserTurn, cot: true }
    }
}

/// A piece of a prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    /// Words.
    Text(String),
    /// The rows of the picture.
    Image,
    /// The rows of the visual prompt with this index.
    VisualPrompt(usize),
}

/// The target that stands behind one `<REF>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reference {
    /// Number of its triplet in the answer, from zero.
    pub group: usize,
    /// Its place in the triplet, from zero.
    pub index: usize,
    /// Index of the target.
    pub target: usize,
    /// Unit of the triplet.
    pub unit: UnitWord,
}

/// One turn as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// What stands before the answer.
    pub prompt: Vec<Segment>,
    /// The supervised answer, without the token that ends it.
    pub answer: String,
    /// One per `<REF>`, in order.
    pub refs: Vec<Reference>,
}

impl Rendered {
    /// The prompt as one text, with `<image>` and `[VPT]` where rows are put.
    pub fn prompt_text(&self) -> String {
        let text = |segment: &Segment| match segment {
            Segment::Text(text) => text.clone(),
            Segment::Image => "<image>".into(),
            Segment::VisualPrompt(_) => "[VPT]".into(),
        };
        self.prompt.iter().map(text).collect()
    }
}

/// Why a turn cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// A text contains a reserved token.
    #[error("{place} contains the reserved token {token}; remove it")]
    Reserved {
        /// Where it is: question, answer or concept.
        place: &'static str,
        /// The reserved token.
        token: String,
    },
    /// The concept cannot stand on a plan line.
    #[error("concept '{0}': it must be words on one line, without ' Unit: '")]
    Concept(String),
    /// A triplet has no targets.
    #[error("concept '{0}' has no targets; give at least one or write it as text")]
    NoTargets(String),
    /// A triplet's unit is not declared by the task.
    #[error("concept '{concept}' has unit {unit}, but task {task} declares {declared}")]
    Undeclared {
        /// Words of the triplet.
        concept: String,
        /// Its unit.
        unit: &'static str,
        /// Task of the turn.
        task: String,
        /// What the task declares.
        declared: String,
    },
    /// No decoder exists for the unit, so it cannot be learned.
    #[error("no decoder serves unit {0}; use box, mask, keypoint or depth")]
    NoDecoder(&'static str),
    /// The tokenizer dropped or added a `<REF>`.
    #[error("the tokenizer writes {found} <REF> tokens instead of {expected}; use another one")]
    References {
        /// How many the text has.
        expected: usize,
        /// How many came out of the tokenizer.
        found: usize,
    },
    /// The tokenizer cannot encode the text.
    #[error(transparent)]
    Tokens(#[from] TokenError),
}

/// The Task Command as text.
pub fn command_text(command: &Command) -> String {
    let mut elements: Vec<&str> = command
        .elements
        .iter()
        .map(|element| match element {
            Element::Sentence => "sentence",
            Element::Phrase => "phrase",
        })
        .collect();
    let mut units = "None".to_string();
    if !command.units.is_empty() {
        elements.push("unit");
        let tagged: Vec<_> =
            command.units.iter().map(|unit| format!("<Unit>{unit}</Unit>")).collect();
        units = tagged.join(", ") + "\n";
    }
    let elements = elements.join(", ");
    format!(
        "Task Command:\n- task name: {}\n- answer element: {elements}\n- unit: {units}",
        command.name
    )
}

impl Template {
    /// What opens a conversation: the prefix, and the picture where it comes first.
    pub fn render_prefix(&self, image: bool) -> Vec<Segment> {
        let mut segments = vec![Segment::Text(self.prefix.clone())];
        if image && self.image == ImagePlace::First {
            segments.extend([Segment::Image, Segment::Text("\n".into())]);
        }
        segments
    }

    /// One turn as text.
    ///
    /// # Errors
    /// When the answer breaks a rule of the language.
    pub fn render(&self, exchange: &Exchange) -> Result<Rendered, TemplateError> {
        let (answer, refs) = self.render_answer(exchange)?;
        Ok(Rendered { prompt: self.render_prompt(exchange)?, answer, refs })
    }

    pub(super) fn render_prompt(&self, exchange: &Exchange) -> Result<Vec<Segment>, TemplateError> {
        let mut out = Segments::default();
        match &exchange.command {
            Some(command) => out.text(&format!("{}{USER} ", command_text(command))),
            None => out.text(&format!("{} ", USER.trim_start())),
        }
        let mut question = exchange.question.clone();
        if exchange.image && self.image == ImagePlace::InUserTurn {
            strip(&mut question);
            out.push(Segment::Image);
            if !question.is_empty() {
                out.text("\n");
            }
        }
        for words in stretches(&question) {
            check_reserved("the question", &words)?;
        }
        for part in &question {
            match part {
                QuestionPart::Text(text) => out.text(text),
                QuestionPart::Prompt { prompt } => out.push(Segment::VisualPrompt(*prompt)),
            }
        }
        out.text(ASSISTANT);
        Ok(out.0)
    }

    pub(super) fn render_answer(
        &self,
        exchange: &Exchange,
    ) -> Result<(String, Vec<Reference>), TemplateError> {
        let (mut body, mut lines, mut refs) = (String::new(), String::new(), Vec::new());
        let mut group = 0;
        for piece in &exchange.answer {
            match piece {
                AnswerPiece::Text(text) => {
                    check_reserved("the answer", text)?;
                    body += text;
                }
                AnswerPiece::Triplet { concept, gap, unit, targets } => {
                    check_triplet(exchange.command.as_ref(), concept, *unit, targets)?;
                    check_reserved("the answer", gap)?;
                    let number = targets.len();
                    lines += &plan_line(concept, unit.name(), number);
                    body += &format!("<Phrase>{concept}</Phrase>{gap}(<Unit>{unit}</Unit>");
                    for (index, &target) in targets.iter().enumerate() {
                        body += &format!("[{index}]<REF>");
                        refs.push(Reference { group, index, target, unit: *unit });
                    }
                    body += ")";
                    group += 1;
                }
            }
        }
        if body.is_empty() || !self.cot || exchange.command.is_none() {
            return Ok((body, refs));
        }
        Ok((plan_text(&lines) + &body, refs))
    }
}

/// Segments in which neighbouring texts are one, since each text is encoded on its own.
#[derive(Default)]
struct Segments(Vec<Segment>);

impl Segments {
    fn push(&mut self, segment: Segment) {
        self.0.push(segment);
    }

    fn text(&mut self, text: &str) {
        match self.0.last_mut() {
            Some(Segment::Text(last)) => last.push_str(text),
            _ if text.is_empty() => {}
            _ => self.0.push(Segment::Text(text.into())),
        }
    }
}

/// Drops white space around a question.
fn strip(question: &mut Vec<QuestionPart>) {
    while let Some(QuestionPart::Text(text)) = question.first_mut() {
        *text = text.trim_start().to_string();
        if !text.is_empty() {
            break;
        }
        question.remove(0);
    }
    while let Some(QuestionPart::Text(text)) = question.last_mut() {
        text.truncate(text.trim_end().len());
        if !text.is_empty() {
            break;
        }
        question.pop();
    }
}

fn check_reserved(place: &'static str, text: &str) -> Result<(), TemplateError> {
    let own = TRP_TOKENS.into_iter().map(String::from).chain(markers());
    match own.into_iter().find(|token| text.contains(token)) {
        Some(token) => Err(TemplateError::Reserved { place, token }),
        None => Ok(()),
    }
}

/// What the template's own stretches are known by. Words of a person that held one would be read
/// as the template's: a turn could be ended, or a plan begun, by what was asked.
fn markers() -> impl Iterator<Item = String> {
    let fixed = [USER, ASSISTANT, PLAN_NAME].map(|text| text.trim().to_string());
    let heads = ["Task Command:", "Unit decode ("].map(String::from);
    let units = Unit::ALL.map(|unit| plan_unit(unit.name()).trim().to_string());
    fixed.into_iter().chain(heads).chain(units)
}

/// The stretches of words in a question, neighbouring texts joined as they will be read.
pub(super) fn stretches(question: &[QuestionPart]) -> Vec<String> {
    let mut found = vec![String::new()];
    for part in question {
        match (part, found.last_mut()) {
            (QuestionPart::Text(text), Some(last)) => last.push_str(text),
            _ => found.push(String::new()),
        }
    }
    found
}

fn check_triplet(
    command: Option<&Command>,
    concept: &str,
    unit: UnitWord,
    targets: &[usize],
) -> Result<(), TemplateError> {
    check_reserved("the concept", concept)?;
    if concept.trim().is_empty() || concept.contains('\n') || concept.contains(" Unit: ") {
        return Err(TemplateError::Concept(concept.into()));
    }
    if targets.is_empty() {
        return Err(TemplateError::NoTargets(concept.into()));
    }
    let declared = command.map_or(&[][..], |c| &c.units);
    if !declared.contains(&unit) {
        let names: Vec<&str> = declared.iter().map(|unit| unit.name()).collect();
        return Err(TemplateError::Undeclared {
            concept: concept.into(),
            unit: unit.name(),
            task: command.map_or_else(|| "of stage 1".into(), |c| c.name.clone()),
            declared: if names.is_empty() { "no unit".into() } else { names.join(", ") },
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::triplet::Tokenizer;
    use refvlm_record::exchange::Exchange;

    /// Every added token of the shipped vocabularies that holds a word, and every fixed stretch,
    /// whole and split over two texts.
    #[test]
    fn pieces_of_the_template_are_out_of_reach() {
        let configs = concat!(env!("CARGO_MANIFEST_DIR"), "/../configs");
        for name in ["scenes-tokenizer.json", "pocket-tokenizer.json"] {
            let json = std::fs::read(format!("{configs}/{name}")).unwrap();
            let tokenizer = Tokenizer::from_json(&json).unwrap();
            let ids = 0..tokenizer.vocab_size() as u32;
            let added = ids.filter(|&id| tokenizer.is_added(id));
            let added = added.map(|id| tokenizer.decode(&[id]).unwrap());
            let pieces: Vec<String> = added
                .chain(fixed_pieces())
                .filter(|piece| piece.chars().any(char::is_alphabetic))
                .collect();
            assert!(pieces.len() > 30);
            let template = Template::published();
            let refused = |parts: &[&str]| {
                let parts = parts.iter().map(|text| QuestionPart::Text((*text).into())).collect();
                let exchange = Exchange::ask(Task::Vqa, parts, true);
                template.encode_prompt(&tokenizer, &exchange, true).is_err()
            };
            assert!(!refused(&["Is the user (a dog) in [3] or ", "on the task command?"]));
            for piece in &pieces {
                assert!(refused(&["What is ", piece, "?"]), "{piece:?}");
                let middle = (piece.len() / 2..).find(|&at| piece.is_char_boundary(at)).unwrap();
                assert!(refused(&[&piece[..middle], &piece[middle..]]), "{piece:?} in two");
            }
        }
    }
}
