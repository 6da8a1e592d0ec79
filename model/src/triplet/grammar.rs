//! Which tokens may come next in an answer.
//!
//! The plan comes first; every triplet it names is then written in its order, with its concept,
//! unit and number of targets, so that nothing of a triplet but its place is left to choose. Words
//! stand between. No text can contain a reserved token, and a token is allowed only while the rest
//! of the answer still fits the budget: every path ends, within the budget, in a text that parses.

use super::rules::{Leaf, Limits, Planned, Rules};
use super::tables::{continue_utf8, is_name, missing_bytes};
use super::token_set::TokenSet;
use super::tokens::{TokenError, Tokenizer};
use super::trie::Trie;
use refvlm_record::Unit;
use std::collections::VecDeque;
use std::sync::Arc;

/// Longest concept, in bytes.
const MAX_CONCEPT_BYTES: usize = 128;
/// Largest number of targets that [`Limits`] may allow.
const MAX_TARGETS: usize = 100;

/// What may follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Exactly these tokens, to be fed as one chunk.
    Forced(Vec<u32>),
    /// One of these tokens, at least two.
    Allowed(TokenSet),
    /// Nothing: the answer is complete.
    End,
}

/// Why a grammar cannot be made, or why it refuses a token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GrammarError {
    /// The budget is too small for any answer.
    #[error("a budget of {budget} tokens is too small: the shortest answer has {needed}")]
    Budget {
        /// Tokens allowed.
        budget: usize,
        /// Tokens that the shortest answer has.
        needed: usize,
    },
    /// The number of targets is out of range.
    #[error("{0} targets for one triplet; allow 1..={MAX_TARGETS}")]
    Targets(usize),
    /// The token cannot follow here.
    #[error("token {id} ('{text}') cannot stand at position {position} of the answer")]
    Refused {
        /// The token's id.
        id: u32,
        /// The token's text.
        text: String,
        /// Tokens before it.
        position: usize,
    },
    /// The vocabulary lacks tokens that the grammar needs.
    #[error(transparent)]
    Tokens(#[from] TokenError),
}

/// Tokens of white space that may follow each other. A model that has nothing left to say would write
/// it up to the budget.
const MOST_BLANK: usize = 4;

#[derive(Debug, Clone)]
enum State {
    Head {
        node: usize,
    },
    /// Inside a concept; `pending` is its unfinished character.
    Concept {
        bytes: Vec<u8>,
        pending: Vec<u8>,
    },
    Tail {
        node: usize,
        concept: String,
        tokens: usize,
    },
    /// In the words; `pending` is an unfinished character, `blank` counts tokens of white space in a
    /// row.
    Body {
        pending: Vec<u8>,
        blank: usize,
    },
    /// Inside a stretch without choice; `count` references stand once it is written, where that
    /// is not planned.
    Script {
        ids: Vec<u32>,
        at: usize,
        count: Option<usize>,
    },
    /// Before the bracket that closes a triplet.
    Closing {
        count: Option<usize>,
    },
    End,
}

/// The state of one answer.
#[derive(Debug, Clone)]
pub struct Grammar {
    pub(super) rules: Arc<Rules>,
    state: State,
    planned: VecDeque<Vec<u32>>,
    /// The lines of the plan so far.
    plan: Vec<Planned>,
    left: usize,
}

impl Grammar {
    /// The grammar of an answer whose task declares `units` (none: words only), with or without a
    /// plan.
    ///
    /// # Errors
    /// When the budget holds no answer, or the vocabulary cannot write the language.
    pub fn new(
        tokenizer: &Tokenizer,
        units: &[Unit],
        cot: bool,
        limits: Limits,
    ) -> Result<Self, GrammarError> {
        if !(1..=MAX_TARGETS).contains(&limits.targets) {
            return Err(GrammarError::Targets(limits.targets));
        }
        let rules = Arc::new(Rules::new(tokenizer, units, cot, limits)?);
        let state = match cot {
            true => State::Head { node: Trie::<Leaf>::ROOT },
            false => State::body(),
        };
        let planned = VecDeque::new();
        let grammar = Self { rules, state, planned, plan: Vec::new(), left: limits.budget };
        let needed = grammar.cost(&grammar.state);
        if needed > limits.budget {
            return Err(GrammarError::Budget { budget: limits.budget, needed });
        }
        Ok(grammar)
    }

    /// What may follow. A forced chunk is as long as it can be.
    ///
    /// # Errors
    /// Only when the vocabulary fails to encode a concept.
    pub fn next(&self) -> Result<Next, GrammarError> {
        let mut probe = self.clone();
        let mut forced = Vec::new();
        while let Some(options) = probe.options()? {
            let first = {
                let mut ids = options.iter();
                ids.next().filter(|_| ids.next().is_none())
            };
            match first {
                Some(only) => {
                    probe.step(only)?;
                    forced.push(only);
                }
                None if forced.is_empty() => return Ok(Next::Allowed(options)),
                None => break,
            }
        }
        Ok(if forced.is_empty() { Next::End } else { Next::Forced(forced) })
    }

    /// Takes the token that was written.
    ///
    /// # Errors
    /// When it cannot stand there; the state stays as it was.
    pub fn advance(&mut self, id: u32) -> Result<(), GrammarError> {
        if self.options()?.is_some_and(|options| options.contains(id)) {
            return self.step(id);
        }
        let text = self.rules.tokenizer.decode(&[id]).unwrap_or_default();
        let position = self.rules.limits.budget.saturating_sub(self.left);
        Err(GrammarError::Refused { id, text, position })
    }

    /// Whether the answer is complete.
    pub fn is_complete(&self) -> bool {
        matches!(self.state, State::End)
    }

    /// Tokens that still fit.
    pub fn left(&self) -> usize {
        self.left
    }

    /// The lines of the plan so far.
    pub fn plan(&self) -> &[Planned] {
        &self.plan
    }

    /// Whether the plan is behind it, or there is none to write.
    pub fn is_planned(&self) -> bool {
        !self.rules.cot
            || !matches!(
                self.state,
                State::Head { .. } | State::Concept { .. } | State::Tail { .. }
            )
    }

    /// The concept whose line is written, from behind its name to its number.
    pub fn concept(&self) -> Option<&str> {
        match &self.state {
            State::Tail { concept, .. } if self.rules.cot => Some(concept),
            _ => None,
        }
    }

    /// Whether the answer is a plan that may go either way: units, or words alone.
    pub fn is_open(&self) -> bool {
        matches!(self.state, State::Head { .. }) && !self.rules.units.is_empty()
    }

    /// The same state without a budget: what would be allowed if there were room.
    pub fn unbounded(&self) -> Self {
        Self { left: usize::MAX / 4, ..self.clone() }
    }

    pub(super) fn options(&self) -> Result<Option<TokenSet>, GrammarError> {
        let rules = &*self.rules;
        let tables = rules.tokenizer.tables();
        let specials = rules.tokenizer.specials();
        let mut set = TokenSet::empty(rules.tokenizer.vocab_size());
        match &self.state {
            State::End => return Ok(None),
            State::Head { node } => {
                let ids = rules.head.ids_within(*node, self.left, &|leaf| self.after(leaf, 0));
                ids.into_iter().for_each(|id| set.insert(id));
            }
            State::Tail { node, tokens, .. } => {
                let cost = |leaf| self.after(leaf, *tokens);
                let ids = rules.tail.ids_within(*node, self.left, &cost);
                ids.into_iter().for_each(|id| set.insert(id));
            }
            State::Script { ids, at, .. } => {
                ids[*at..].iter().take(1).for_each(|&id| set.insert(id))
            }
            State::Closing { count } => {
                set.extend(&rules.closing);
                let more = count.and_then(|k| rules.indices.get(k));
                if let Some(index) = more.filter(|index| index.len() + 1 + self.rest() <= self.left)
                {
                    index.iter().take(1).for_each(|&id| set.insert(id));
                }
            }
            State::Body { pending, blank } if !pending.is_empty() => {
                let fits = |id: &u32| {
                    let rest = continue_utf8(pending, rules.bytes(*id));
                    rest.is_some_and(|pending| self.fits(&State::Body { pending, blank: *blank }))
                };
                tables.plain.iter().filter(fits).for_each(|id| set.insert(id));
            }
            State::Body { blank, .. } => {
                if self.rest() < self.left {
                    set.extend(if *blank < MOST_BLANK { &tables.text } else { &tables.visible });
                }
                if self.rest() + 3 < self.left {
                    set.extend(&tables.partial);
                }
                let phrase = !self.planned.is_empty()
                    || (!rules.cot && !rules.units.is_empty() && self.fits(&State::concept()));
                if phrase {
                    set.insert(specials.phrase_open);
                }
                if self.planned.is_empty() {
                    set.insert(specials.eos);
                }
            }
            State::Concept { bytes, pending } => {
                let full = bytes.len() >= MAX_CONCEPT_BYTES;
                if is_ready(bytes, pending) {
                    let ids = self.endings(bytes)?;
                    ids.into_iter().for_each(|id| set.insert(id));
                    if full {
                        return Ok(Some(set));
                    }
                }
                let fits = |id: &u32| {
                    let next = State::continued(rules, bytes, pending, rules.bytes(*id));
                    next.is_some_and(|next| self.fits(&next))
                };
                if !pending.is_empty() {
                    tables.plain.iter().filter(fits).for_each(|id| set.insert(id));
                    return Ok(Some(set));
                }
                let mut words = TokenSet::empty(rules.tokenizer.vocab_size());
                let start = bytes.is_empty();
                if (start && rules.spaced()) || (!start && !bytes.ends_with(b" ")) {
                    words.extend(&tables.name_spaced);
                }
                if !(start && rules.spaced()) {
                    words.extend(&tables.name_joined);
                }
                // Far from the end every one of them fits.
                if self.cost(&self.state) + 2 * tables.longest + 4 < self.left {
                    set.extend(&words);
                    tables.partial.iter().filter(fits).for_each(|id| set.insert(id));
                } else {
                    words.iter().filter(fits).for_each(|id| set.insert(id));
                }
            }
        }
        Ok(Some(set))
    }

    /// Moves on with a token that is one of the options.
    pub(super) fn step(&mut self, id: u32) -> Result<(), GrammarError> {
        let rules = Arc::clone(&self.rules);
        let specials = rules.tokenizer.specials();
        self.left = self.left.saturating_sub(1);
        let state = std::mem::replace(&mut self.state, State::End);
        self.state = match state {
            State::End => State::End,
            State::Head { node } => {
                let node = rules.head.step(node, id).unwrap_or_default();
                match rules.head.leaf(node) {
                    Some(Leaf::Plan) => State::concept(),
                    Some(_) => State::body(),
                    None => State::Head { node },
                }
            }
            State::Concept { bytes, pending } => {
                let root = Trie::<Leaf>::ROOT;
                let ending = is_ready(&bytes, &pending).then(|| rules.tail.step(root, id));
                match ending.flatten() {
                    Some(node) => {
                        let concept = concept_text(&bytes);
                        let tokens = rules.concept_tokens(&concept)?;
                        self.tail(node, concept, tokens)?
                    }
                    None => State::continued(&rules, &bytes, &pending, rules.bytes(id))
                        .unwrap_or(State::End),
                }
            }
            State::Tail { node, concept, tokens } => {
                let node = rules.tail.step(node, id).unwrap_or_default();
                self.tail(node, concept, tokens)?
            }
            State::Body { .. } if id == specials.eos => State::End,
            State::Body { .. } if id == specials.phrase_open => match self.planned.pop_front() {
                Some(ids) => State::Script { ids, at: 1, count: None },
                None => State::concept(),
            },
            State::Body { pending, blank } => {
                let pending = continue_utf8(&pending, rules.bytes(id)).unwrap_or_default();
                let text = rules.tokenizer.tables();
                let white = text.text.contains(id) && !text.visible.contains(id);
                let blank = if white { blank + 1 } else { 0 };
                State::Body { pending, blank }
            }
            State::Script { ids, at, count } if at + 1 < ids.len() => {
                State::Script { ids, at: at + 1, count }
            }
            State::Script { count, .. } => State::Closing { count },
            State::Closing { .. } if rules.closing.contains(id) => State::body(),
            State::Closing { count } => {
                let count = count.unwrap_or_default();
                let ids = rules.indices.get(count).cloned().unwrap_or_default();
                State::Script { ids, at: 1, count: Some(count + 1) }
            }
        };
        Ok(())
    }

    /// The state at a node behind a concept.
    fn tail(&mut self, node: usize, concept: String, tokens: usize) -> Result<State, GrammarError> {
        Ok(match self.rules.tail.leaf(node) {
            Some(Leaf::Line { unit, number, more }) => {
                let unit = self.rules.units[unit];
                self.planned.push_back(self.rules.script(&concept, unit, number)?);
                self.plan.push(Planned { concept, unit, number });
                if more { State::concept() } else { State::body() }
            }
            Some(_) => State::Closing { count: Some(1) },
            None => State::Tail { node, concept, tokens },
        })
    }

    /// The ids that may end the concept `bytes`.
    fn endings(&self, bytes: &[u8]) -> Result<Vec<u32>, GrammarError> {
        let tokens = self.rules.concept_tokens(&concept_text(bytes))?;
        let cost = |leaf| self.after(leaf, tokens);
        Ok(self.rules.tail.ids_within(Trie::<Leaf>::ROOT, self.left, &cost))
    }

    fn fits(&self, next: &State) -> bool {
        self.cost(next) < self.left
    }

    /// Fewest tokens of the body that is planned, with the token that ends the answer.
    fn rest(&self) -> usize {
        self.planned.iter().map(|script| script.len() + 1).sum::<usize>() + 1
    }

    /// Fewest tokens behind a leaf, for a concept of so many tokens.
    fn after(&self, leaf: Leaf, tokens: usize) -> usize {
        match leaf {
            Leaf::Words => self.rest(),
            Leaf::Plan => self.cost(&State::concept()),
            Leaf::Line { unit, number, more } => {
                let rest = if more { self.cost(&State::concept()) } else { self.rest() };
                self.rules.fixed[unit][number - 1] + tokens + 1 + rest
            }
            Leaf::Unit => 1 + self.rest(),
        }
    }

    /// Tokens that suffice to end the answer from a state. One can always be chosen that lowers
    /// it, which is why no answer runs into its budget.
    fn cost(&self, state: &State) -> usize {
        match state {
            State::End => 0,
            State::Head { node } => self.rules.head.cost(*node, &|leaf| self.after(leaf, 0)),
            State::Tail { node, tokens, .. } => {
                self.rules.tail.cost(*node, &|leaf| self.after(leaf, *tokens))
            }
            State::Body { pending, .. } => missing_bytes(pending) + self.rest(),
            State::Script { ids, at, .. } => ids.len() - at + 1 + self.rest(),
            State::Closing { .. } => 1 + self.rest(),
            State::Concept { bytes, pending } => {
                // A byte-level or SentencePiece vocabulary writes a stretch with at most one
                // token per byte, and one for the space it puts before it.
                let open = match (bytes.as_slice(), missing_bytes(pending)) {
                    (_, lacking @ 1..) => lacking,
                    ([], _) => 2,
                    ([.., b' '], _) => 1,
                    _ => 0,
                };
                let again = if self.rules.cot { bytes.len() + open + 1 } else { 0 };
                open + again + self.rules.shortest + self.rest()
            }
        }
    }
}

impl State {
    fn body() -> Self {
        State::Body { pending: Vec::new(), blank: 0 }
    }

    fn concept() -> Self {
        State::Concept { bytes: Vec::new(), pending: Vec::new() }
    }

    /// The concept after one more token, if it may go on so.
    fn continued(rules: &Rules, bytes: &[u8], pending: &[u8], more: &[u8]) -> Option<State> {
        let space = more.starts_with(b" ");
        let joins = match bytes.last() {
            None => space == rules.spaced(),
            Some(b' ') => !space,
            Some(_) => true,
        };
        let pending = continue_utf8(pending, more).filter(|_| joins && is_name(more))?;
        Some(State::Concept { bytes: [bytes, more].concat(), pending })
    }
}

fn is_ready(bytes: &[u8], pending: &[u8]) -> bool {
    pending.is_empty() && bytes.last().is_some_and(|&last| last != b' ')
}

fn concept_text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_matches(' ').to_string()
}
