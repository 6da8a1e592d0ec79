//! Scores of answers against the truth, and the page that shows them.
//!
//! [`metrics`] knows answers and numbers, [`evaluate`] asks a model and keeps the worst answers,
//! [`work`] spreads that over the cores, [`answers`] is where it goes on after an end, and only
//! [`report`] knows how they look.

pub mod answers;
pub mod evaluate;
pub mod metrics;
pub mod report;
pub mod work;
