//! What is asked and answered: the question with its chips, the answer as it grows, its agreement
//! with the truth, and live mode's queue.

pub mod answer;
pub mod live;
pub mod question;
pub mod truth;
