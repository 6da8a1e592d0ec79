//! The language of the answers: a triplet ties a concept to a unit and to targets,
//! `<Phrase>two dogs</Phrase>(<Unit>box</Unit>[0]<REF>[1]<REF>)`, after a plan (VD-CoT) that
//! names every triplet to come.
//!
//! [`template`] writes it, [`encode`] turns it into ids and labels, [`grammar`] lets a decoder emit
//! nothing else, [`parser`] reads it back, and [`tokens`] knows its vocabulary.

pub mod encode;
pub mod grammar;
pub mod parser;
pub mod template;
pub mod token_set;
pub mod tokens;

mod plan;
mod rules;
mod tables;
mod trie;

pub use encode::{Encoded, RefTarget};
pub use grammar::{Grammar, GrammarError, Next};
pub use parser::{Event, Stream, Triplet, parse};
pub use rules::{Limits, Planned};
pub use template::{ImagePlace, Reference, Rendered, Segment, Template, TemplateError};
pub use token_set::TokenSet;
pub use tokens::{IMAGE, Specials, TRP_TOKENS, TokenError, Tokenizer, VISUAL_PROMPT};
