//! Reading answers back: which reference belongs to which concept and unit.

use super::tokens::{Specials, TokenError, Tokenizer};
use refvlm_record::Unit;
use std::collections::BTreeMap;
use std::ops::Range;

/// What a token means for the structure of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// `<Phrase>`.
    PhraseOpen,
    /// `</Phrase>`.
    PhraseClose,
    /// `<Unit>`.
    UnitOpen,
    /// `</Unit>`.
    UnitClose,
    /// `<REF>`.
    Reference,
    /// Anything else.
    Other,
}

impl Mark {
    /// The meaning of a token.
    pub fn of(id: u32, specials: &Specials) -> Self {
        match id {
            _ if id == specials.phrase_open => Mark::PhraseOpen,
            _ if id == specials.phrase_close => Mark::PhraseClose,
            _ if id == specials.unit_open => Mark::UnitOpen,
            _ if id == specials.unit_close => Mark::UnitClose,
            _ if id == specials.reference => Mark::Reference,
            _ => Mark::Other,
        }
    }
}

/// References that share a phrase and a unit. Positions count tokens.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Group {
    /// Positions of `<Phrase>` and `</Phrase>`.
    pub phrase: Option<[usize; 2]>,
    /// Positions of `<Unit>` and `</Unit>`.
    pub unit: Option<[usize; 2]>,
    /// Positions of the `<REF>`s, rising, at least one.
    pub refs: Vec<usize>,
}

enum Item {
    Phrase([usize; 2]),
    Unit([usize; 2]),
    Reference(usize),
}

/// Groups references, also of damaged answers: a run of references belongs to the unit pair that
/// ends directly before it, and with it to the phrase pair that ends directly before that; where
/// the unit is missing, to the phrase. Plain tokens do not separate, marks without a partner do
/// not count.
pub fn group(marks: impl IntoIterator<Item = Mark>) -> Vec<Group> {
    // Pairs count where they end, so this list is ordered by ends.
    let (mut items, mut phrases, mut units) = (Vec::new(), Vec::new(), Vec::new());
    for (at, mark) in marks.into_iter().enumerate() {
        match mark {
            Mark::PhraseOpen => phrases.push(at),
            Mark::UnitOpen => units.push(at),
            Mark::PhraseClose => {
                items.extend(phrases.pop().map(|open| Item::Phrase([open, at])));
            }
            Mark::UnitClose => items.extend(units.pop().map(|open| Item::Unit([open, at]))),
            Mark::Reference => items.push(Item::Reference(at)),
            Mark::Other => {}
        }
    }
    let (mut groups, mut phrase, mut unit): (Vec<Group>, _, _) = (Vec::new(), None, None);
    let mut running = false;
    for item in items {
        match item {
            Item::Phrase(pair) => (phrase, unit, running) = (Some(pair), None, false),
            Item::Unit(pair) => {
                // A second unit, or one behind references, has no phrase of its own.
                if running || unit.is_some() {
                    phrase = None;
                }
                (unit, running) = (Some(pair), false);
            }
            Item::Reference(at) => {
                match groups.last_mut().filter(|_| running) {
                    Some(group) => group.refs.push(at),
                    None => groups.push(Group { phrase, unit, refs: vec![at] }),
                }
                running = true;
            }
        }
    }
    groups
}

/// Where the words of each reference's concept stand, by the reference's position; nothing for
/// references without a phrase.
pub fn concepts(marks: impl IntoIterator<Item = Mark>) -> BTreeMap<usize, Range<usize>> {
    let words = |group: Group| {
        let inside = group.phrase.map(|[open, close]| open + 1..close);
        let refs = group.refs.into_iter();
        refs.filter_map(move |at| Some((at, inside.clone()?)))
    };
    group(marks).into_iter().flat_map(words).collect()
}

/// A concept tied to references.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Triplet {
    /// Words of the phrase; empty when it is missing.
    pub concept: String,
    /// How to decode the references: what the triplet says, else the first declared unit, else
    /// nothing.
    pub unit: Option<Unit>,
    /// Positions of the `<REF>`s in the ids.
    pub refs: Vec<usize>,
}

/// The triplets of an answer, well-formed or damaged.
///
/// # Errors
/// When an id is not in the vocabulary.
pub fn parse(
    tokenizer: &Tokenizer,
    ids: &[u32],
    declared: &[Unit],
) -> Result<Vec<Triplet>, TokenError> {
    let specials = tokenizer.specials();
    let words = |pair: Option<[usize; 2]>| -> Result<String, TokenError> {
        let Some([open, close]) = pair else { return Ok(String::new()) };
        let inside = ids[open + 1..close].iter().copied();
        let plain: Vec<u32> = inside.filter(|&id| Mark::of(id, specials) == Mark::Other).collect();
        Ok(trim(&tokenizer.decode(&plain)?))
    };
    group(ids.iter().map(|&id| Mark::of(id, specials)))
        .into_iter()
        .map(|group| {
            let unit = route(&words(group.unit)?, declared);
            Ok(Triplet { concept: words(group.phrase)?, unit, refs: group.refs })
        })
        .collect()
}

// A vocabulary may put a space at the start of a phrase.
fn trim(words: &str) -> String {
    words.trim_matches([' ', '\n']).to_string()
}

fn route(name: &str, declared: &[Unit]) -> Option<Unit> {
    name.parse().ok().or(declared.first().copied())
}

/// Something new in an answer that is being written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Words of the plan.
    Plan(String),
    /// Words of the answer. Those of a concept come with their triplet.
    Text(String),
    /// A triplet is complete: its references can be decoded.
    Triplet(Triplet),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Words,
    Plan,
    Phrase,
    /// Between a phrase and its unit.
    Gap,
    Unit,
    /// From the unit to the closing bracket.
    References,
}

/// Reads an answer token by token. On well-formed answers it finds the triplets that [`parse`]
/// finds; of damaged ones it shows as words what makes no triplet.
#[derive(Debug, Clone)]
pub struct Stream {
    tokenizer: Tokenizer,
    declared: Vec<Unit>,
    place: Place,
    position: usize,
    /// Whether the next token starts a stretch of text.
    start: bool,
    /// Whether the line end behind the plan is still to come.
    line_end: bool,
    unfinished: Vec<u8>,
    concept: Vec<u8>,
    gap: Vec<u8>,
    unit: Vec<u8>,
    refs: Vec<usize>,
}

impl Stream {
    /// At the start of an answer whose task declares these units.
    pub fn new(tokenizer: &Tokenizer, declared: &[Unit]) -> Self {
        Self {
            tokenizer: tokenizer.clone(),
            declared: declared.to_vec(),
            place: Place::Words,
            position: 0,
            start: true,
            line_end: false,
            unfinished: Vec::new(),
            concept: Vec::new(),
            gap: Vec::new(),
            unit: Vec::new(),
            refs: Vec::new(),
        }
    }

    /// Takes the next token. Positions in the triplets count from the first one.
    ///
    /// # Errors
    /// When the id is not in the vocabulary.
    pub fn push(&mut self, id: u32) -> Result<Vec<Event>, TokenError> {
        let bytes = self.tokenizer.text_at(id, self.start)?.to_vec();
        let specials = *self.tokenizer.specials();
        self.start = self.tokenizer.is_added(id);
        let mut events = Vec::new();
        match id {
            _ if id == specials.task_open => {
                self.close(&mut events);
                self.place = Place::Plan;
            }
            _ if id == specials.task_close => {
                self.close(&mut events);
                self.line_end = true;
            }
            _ if id == specials.eos => self.close(&mut events),
            _ if id == specials.phrase_open => {
                self.close(&mut events);
                self.place = Place::Phrase;
            }
            _ if id == specials.phrase_close && self.place == Place::Phrase => {
                self.place = Place::Gap;
            }
            _ if id == specials.unit_open => {
                if self.place != Place::Gap {
                    self.close(&mut events);
                }
                self.place = Place::Unit;
            }
            _ if id == specials.unit_close && self.place == Place::Unit => {
                self.place = Place::References;
            }
            _ if id == specials.reference => {
                self.refs.push(self.position);
                self.place = Place::References;
            }
            _ if id == specials.phrase_close || id == specials.unit_close => {}
            _ => self.text(&bytes, &mut events),
        }
        self.position += 1;
        Ok(events)
    }

    /// Ends the answer, also one that was cut off.
    pub fn finish(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        self.close(&mut events);
        events
    }

    fn text(&mut self, bytes: &[u8], events: &mut Vec<Event>) {
        match self.place {
            Place::Words | Place::Plan => self.words(bytes, events),
            Place::Phrase => self.concept.extend_from_slice(bytes),
            Place::Unit => self.unit.extend_from_slice(bytes),
            Place::Gap => {
                self.gap.extend_from_slice(bytes);
                if !bytes.iter().all(|b| b"([]0123456789 ".contains(b)) {
                    self.close(events);
                }
            }
            Place::References => match bytes.iter().position(|&b| b == b')') {
                Some(at) => {
                    self.close(events);
                    self.words(&bytes[at + 1..], events);
                }
                None if bytes.iter().all(|b| b"[]0123456789 ".contains(b)) => {}
                None => {
                    self.close(events);
                    self.words(bytes, events);
                }
            },
        }
    }

    fn words(&mut self, bytes: &[u8], events: &mut Vec<Event>) {
        if bytes.is_empty() {
            return;
        }
        let skipped = std::mem::take(&mut self.line_end).then(|| bytes.strip_prefix(b"\n"));
        self.unfinished.extend_from_slice(skipped.flatten().unwrap_or(bytes));
        // A character may be spread over several tokens.
        let whole = match std::str::from_utf8(&self.unfinished) {
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            _ => self.unfinished.len(),
        };
        let rest = self.unfinished.split_off(whole);
        let text = std::mem::replace(&mut self.unfinished, rest);
        self.emit(&text, events);
    }

    fn emit(&self, bytes: &[u8], events: &mut Vec<Event>) {
        if bytes.is_empty() {
            return;
        }
        let text = String::from_utf8_lossy(bytes).into_owned();
        events.push(match self.place {
            Place::Plan => Event::Plan(text),
            _ => Event::Text(text),
        });
    }

    /// Ends whatever is open; a triplet without references becomes words.
    fn close(&mut self, events: &mut Vec<Event>) {
        let unfinished = std::mem::take(&mut self.unfinished);
        self.emit(&unfinished, events);
        self.place = Place::Words;
        let (concept, gap) = (std::mem::take(&mut self.concept), std::mem::take(&mut self.gap));
        let unit = String::from_utf8_lossy(&std::mem::take(&mut self.unit)).into_owned();
        if self.refs.is_empty() {
            self.emit(&[concept, gap].concat(), events);
        } else {
            events.push(Event::Triplet(Triplet {
                concept: trim(&String::from_utf8_lossy(&concept)),
                unit: route(&trim(&unit), &self.declared),
                refs: std::mem::take(&mut self.refs),
            }));
        }
    }
}
