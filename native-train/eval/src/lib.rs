//! Scores of answers against the truth, and the page that shows them.
//!
//! [`metrics`] knows answers and numbers, [`evaluate`] asks a model and keeps the worst answers,
//! and only [`report`] knows how they look.

pub mod evaluate;
pub mod metrics;
pub mod report;
