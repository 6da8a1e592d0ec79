//! Prompts and answers as ids, with what is learned of them and the targets behind them.

use super::parser::{Mark, concepts};
use super::template::{Reference, Segment, Template, TemplateError, stretches};
use super::tokens::{IMAGE, TokenError, Tokenizer, VISUAL_PROMPT};
use refvlm_record::Unit;
use refvlm_record::exchange::{AnswerPiece, Exchange, UnitWord};

/// The target behind one `<REF>` of an encoded turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefTarget {
    /// Position of the `<REF>` in the ids of the turn.
    pub position: usize,
    /// Unit to decode.
    pub unit: Unit,
    /// Number of its triplet, from zero.
    pub group: usize,
    /// Its place in the triplet, from zero.
    pub index: usize,
    /// Index of the target in the record.
    pub target: usize,
    /// Ids of its concept.
    pub concept: Vec<i64>,
}

/// One turn as ids.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Encoded {
    /// Token ids, with [`IMAGE`] and [`VISUAL_PROMPT`] where rows are put.
    pub ids: Vec<i64>,
    /// Which ids are learned: the answer and the token that ends it.
    pub supervised: Vec<bool>,
    /// One per `<REF>` of the answer, in order.
    pub refs: Vec<RefTarget>,
    /// Index of the visual prompt behind each [`VISUAL_PROMPT`], in order.
    pub prompts: Vec<usize>,
}

impl Template {
    /// The ids that open a conversation, shared by all dialogues about one picture: the token
    /// that begins a turn, the prefix, and the picture where it comes first.
    ///
    /// # Errors
    /// When the tokenizer cannot encode the prefix.
    pub fn encode_prefix(
        &self,
        tokenizer: &Tokenizer,
        image: bool,
    ) -> Result<Vec<i64>, TemplateError> {
        let mut encoded = Encoded::default();
        encoded.push_id(tokenizer.specials().bos);
        encoded.push_segments(tokenizer, &self.render_prefix(image))?;
        Ok(encoded.ids)
    }

    /// The ids of a question, behind [`Self::encode_prefix`] or, when not `first`, behind the end
    /// of the turn before. `exchange.answer` is not looked at.
    ///
    /// # Errors
    /// When the question contains a reserved token or cannot be encoded.
    pub fn encode_prompt(
        &self,
        tokenizer: &Tokenizer,
        exchange: &Exchange,
        first: bool,
    ) -> Result<Encoded, TemplateError> {
        for words in stretches(&exchange.question) {
            check_free(tokenizer, "the question", &words)?;
        }
        let mut encoded = Encoded::default();
        if !first {
            encoded.push_text(tokenizer, "\n")?;
            encoded.push_id(tokenizer.specials().bos);
        }
        encoded.push_segments(tokenizer, &self.render_prompt(exchange)?)?;
        Ok(encoded)
    }

    /// The ids of a question and its answer, with what is learned of them.
    ///
    /// # Errors
    /// When the turn breaks a rule of the language, or cannot be encoded.
    pub fn encode_turn(
        &self,
        tokenizer: &Tokenizer,
        exchange: &Exchange,
        first: bool,
    ) -> Result<Encoded, TemplateError> {
        for piece in &exchange.answer {
            match piece {
                AnswerPiece::Text(text) => check_free(tokenizer, "the answer", text)?,
                AnswerPiece::Triplet { concept, gap, .. } => {
                    check_free(tokenizer, "the concept", concept)?;
                    check_free(tokenizer, "the answer", gap)?;
                }
            }
        }
        let mut encoded = self.encode_prompt(tokenizer, exchange, first)?;
        let (answer, refs) = self.render_answer(exchange)?;
        let start = encoded.ids.len();
        encoded.push_text(tokenizer, &answer)?;
        encoded.push_id(Some(tokenizer.specials().eos));
        for learned in encoded.supervised.iter_mut().skip(start) {
            *learned = true;
        }
        let reference = i64::from(tokenizer.specials().reference);
        let positions: Vec<usize> =
            (start..encoded.ids.len()).filter(|&at| encoded.ids[at] == reference).collect();
        let mark = |&id: &i64| {
            u32::try_from(id).map_or(Mark::Other, |id| Mark::of(id, tokenizer.specials()))
        };
        let concepts = concepts(encoded.ids.iter().map(mark));
        if positions.len() != refs.len() {
            let (expected, found) = (refs.len(), positions.len());
            return Err(TemplateError::References { expected, found });
        }
        for (position, Reference { group, index, target, unit }) in positions.into_iter().zip(refs)
        {
            let UnitWord::Unit(unit) = unit else {
                return Err(TemplateError::NoDecoder(unit.name()));
            };
            let concept = concepts.get(&position).and_then(|at| encoded.ids.get(at.clone()));
            let concept = concept.unwrap_or_default().to_vec();
            encoded.refs.push(RefTarget { position, unit, group, index, target, concept });
        }
        Ok(encoded)
    }
}

impl Encoded {
    fn push_id(&mut self, id: Option<u32>) {
        self.ids.extend(id.map(i64::from));
        self.supervised.resize(self.ids.len(), false);
    }

    fn push_text(&mut self, tokenizer: &Tokenizer, text: &str) -> Result<(), TokenError> {
        self.ids.extend(tokenizer.encode(text)?.into_iter().map(i64::from));
        self.supervised.resize(self.ids.len(), false);
        Ok(())
    }

    fn push_segments(
        &mut self,
        tokenizer: &Tokenizer,
        segments: &[Segment],
    ) -> Result<(), TokenError> {
        for segment in segments {
            match segment {
                Segment::Text(text) => self.push_text(tokenizer, text)?,
                Segment::Image => self.ids.push(IMAGE),
                Segment::VisualPrompt(prompt) => {
                    self.ids.push(VISUAL_PROMPT);
                    self.prompts.push(*prompt);
                }
            }
        }
        self.supervised.resize(self.ids.len(), false);
        Ok(())
    }
}

fn check_free(tokenizer: &Tokenizer, place: &'static str, text: &str) -> Result<(), TemplateError> {
    match tokenizer.reserved_in(text) {
        Some(token) => Err(TemplateError::Reserved { place, token: token.into() }),
        None => Ok(()),
    }
}
