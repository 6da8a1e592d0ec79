//! Where a run stands.

use super::Base;
use serde::{Deserialize, Serialize};

/// Where a run stands.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Steps done; also the position in the data, which follows from the step.
    pub step: usize,
    /// Steps that the stage was to have; 0 where an older version wrote the checkpoint.
    #[serde(default)]
    pub steps: usize,
    /// Pictures seen.
    pub pictures: usize,
    /// Tokens read.
    pub tokens: usize,
    /// Steps that the average of the weights has followed.
    #[serde(default)]
    pub averaged: usize,
    /// The package that the weights left out are those of; none where all are there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<Base>,
    /// Seconds of training over all runs.
    pub seconds: f64,
    /// Seconds of the run that goes on.
    #[serde(skip)]
    pub seconds_of_run: f64,
}
