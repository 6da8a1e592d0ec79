//! Scores of answers against the truth, and the page that shows them.
//!
//! [`metrics`] knows answers and numbers, [`evaluate`] asks a model and keeps the worst answers,
//! [`clicks`] corrects a mask click by click, by one of the [`hands`], [`work`] spreads that over the cores, [`answers`] is
//! where it goes on after an end, [`coco`] writes it in files that other tools read, [`objects`] sums
//! it up, and only [`report`] knows how it looks.

pub mod answers;
pub mod clicks;
pub mod coco;
pub mod evaluate;
pub mod hands;
pub mod metrics;
pub mod objects;
pub mod report;
pub mod work;
