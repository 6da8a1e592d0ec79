//! What stays the same over an answer: the stretches the grammar is made of, as tokens.

use super::template::{PLAN_NAME, PLAN_WITH_UNITS, plan_text, plan_unit};
use super::token_set::TokenSet;
use super::tokens::{TokenError, Tokenizer};
use super::trie::Trie;
use refvlm_record::Unit;

/// How long an answer may get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most tokens, the one that ends the answer included.
    pub budget: usize,
    /// Most targets of one triplet, 1..=100.
    pub targets: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { budget: 256, targets: 20 }
    }
}

/// A line of a plan: what is named, what its targets are decoded to, and how many there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// Words of the triplet.
    pub concept: String,
    /// What its targets are decoded to.
    pub unit: Unit,
    /// Number of its targets.
    pub number: usize,
}

/// What a fixed sequence of tokens decides.
#[derive(Debug, Clone, Copy)]
pub(super) enum Leaf {
    /// A plan without units.
    Words,
    /// A plan with units, up to its first concept.
    Plan,
    /// The end of a plan line, with another line or the body behind it.
    Line { unit: usize, number: usize, more: bool },
    /// Without a plan: all between the concept and the end of the first reference.
    Unit,
}

/// What stays the same over an answer.
#[derive(Debug)]
pub(super) struct Rules {
    pub(super) tokenizer: Tokenizer,
    pub(super) limits: Limits,
    pub(super) units: Vec<Unit>,
    pub(super) cot: bool,
    pub(super) head: Trie<Leaf>,
    /// What follows a concept.
    pub(super) tail: Trie<Leaf>,
    /// Tokens of a triplet without its concept and last token, by unit and number less one.
    pub(super) fixed: Vec<Vec<usize>>,
    /// Fewest tokens of `tail` and the triplet it stands for, again without the concept.
    pub(super) shortest: usize,
    pub(super) closing: TokenSet,
    /// Ids of `[k]<REF>`.
    pub(super) indices: Vec<Vec<u32>>,
}

pub(super) fn triplet_text(concept: &str, unit: Unit, number: usize) -> String {
    let references: String = (0..number).map(|k| format!("[{k}]<REF>")).collect();
    format!("<Phrase>{concept}</Phrase>(<Unit>{unit}</Unit>{references})")
}

/// The ids a triplet can end with: all that begin with what `last`, the last id of the closing
/// bracket, writes.
fn closing(tokenizer: &Tokenizer, last: u32) -> TokenSet {
    let mut set = TokenSet::empty(tokenizer.vocab_size());
    let bracket = tokenizer.bytes(last).unwrap_or_default();
    let opens = |id: &u32| tokenizer.bytes(*id).is_ok_and(|bytes| bytes.starts_with(bracket));
    tokenizer.tables().text.iter().filter(opens).for_each(|id| set.insert(id));
    set.insert(last);
    set
}

impl Rules {
    pub(super) fn new(
        tokenizer: &Tokenizer,
        units: &[Unit],
        cot: bool,
        limits: Limits,
    ) -> Result<Self, TokenError> {
        let behind = |text: &str| Ok::<_, TokenError>(tokenizer.encode(text)?.split_off(1));
        let indices: Vec<Vec<u32>> = (0..limits.targets)
            .map(|k| behind(&format!("<REF>[{k}]<REF>")))
            .collect::<Result<_, _>>()?;
        let mut head = vec![(tokenizer.encode(&plan_text(""))?, Leaf::Words)];
        let mut tail = Vec::new();
        let mut fixed = Vec::new();
        if !units.is_empty() {
            let plan = format!("<Task>{PLAN_WITH_UNITS}{PLAN_NAME}");
            head.push((tokenizer.encode(&plan)?, Leaf::Plan));
        }
        for (unit, name) in units.iter().enumerate() {
            let mut lengths = vec![tokenizer.encode(&triplet_text("", *name, 1))?.len() - 1];
            lengths.extend(indices.iter().skip(1).scan(lengths[0], |length, index| {
                *length += index.len();
                Some(*length)
            }));
            for number in 1..=limits.targets {
                let line = format!("{}{number}", plan_unit(name.name()));
                for (more, end) in [(true, PLAN_NAME), (false, "\n</Task>\n")] {
                    let ids = tokenizer.encode_inside(&(line.clone() + end))?;
                    tail.push((ids, Leaf::Line { unit, number, more }));
                }
            }
            fixed.push(lengths);
        }
        if !cot {
            tail.clear();
            for unit in units {
                let text = format!("</Phrase>(<Unit>{unit}</Unit>[0]<REF>");
                tail.push((tokenizer.encode(&text)?, Leaf::Unit));
            }
        }
        let tail = Trie::new(tail);
        let shortest = tail.cost(Trie::<Leaf>::ROOT, &|leaf| match leaf {
            Leaf::Line { unit, number, more: false } => fixed[unit][number - 1] + 1,
            Leaf::Unit => 1,
            _ => usize::MAX / 4,
        });

        let bracket = behind("<REF>)")?;
        let whole = cot || bracket.len() == 1;
        let Some(&last) = bracket.last().filter(|_| whole) else {
            let problem = "')' behind <REF> is several tokens, which needs a plan".into();
            return Err(TokenError::Encode(problem));
        };
        let closing = closing(tokenizer, last);
        Ok(Self {
            tokenizer: tokenizer.clone(),
            limits,
            units: units.to_vec(),
            cot,
            head: Trie::new(head),
            tail,
            fixed,
            shortest,
            closing,
            indices,
        })
    }

    /// All tokens of a planned triplet but the last, which may write words behind the bracket.
    pub(super) fn script(
        &self,
        concept: &str,
        unit: Unit,
        number: usize,
    ) -> Result<Vec<u32>, TokenError> {
        let mut ids = self.tokenizer.encode(&triplet_text(concept, unit, number))?;
        ids.pop();
        Ok(ids)
    }

    pub(super) fn concept_tokens(&self, concept: &str) -> Result<usize, TokenError> {
        Ok(self.tokenizer.encode(&format!("<Phrase>{concept}</Phrase>"))?.len() - 2)
    }

    /// Whether a concept begins with a space: in a plan line, and wherever the vocabulary puts
    /// one at the start of a stretch.
    pub(super) fn spaced(&self) -> bool {
        self.cot || self.tokenizer.has_prefix_space()
    }

    pub(super) fn bytes(&self, id: u32) -> &[u8] {
        self.tokenizer.bytes(id).unwrap_or_default()
    }
}
