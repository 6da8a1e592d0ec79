//! Training: one loop for whatever has a loss, and the two stages that are trained with it.
//!
//! [`run()`] knows neither model nor data. A [`stage`] is a model with a loss; a [`source`] gives it
//! examples, and truth where there is more to know than examples say; [`teach`] are the teachers
//! that are asked only where there is truth. [`journal`] is what a run leaves to be read, [`judge`]
//! asks the model while it learns and draws the run's page; the loop knows neither how answers are
//! scored nor how the page looks.

pub mod ahead;
pub mod checkpoint;
pub mod config;
pub mod journal;
pub mod judge;
pub mod lock;
pub mod losses;
pub mod memory;
pub mod optim;
pub mod parts;
pub mod plan;
pub mod resolved;
pub mod score;
pub mod selftest;
pub mod source;
pub mod stage;
pub mod teach;
pub mod tower;

mod average;
mod beginning;
mod error;
mod keeping;
mod optim_state;
mod parallel;
mod progress;
mod run;
mod sharing;
mod task;

pub use config::{ConfigFileError, TrainFile};
pub use error::RunError;
pub use losses::Losses;
pub use run::run;
pub use score::Score;
pub use task::{Judge, Part, Standing, Task};
