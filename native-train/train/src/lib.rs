//! Training: one loop for whatever has a loss, and the two things that are trained with it.

pub mod checkpoint;
pub mod config;
pub mod dense;
pub mod full;
pub mod naming;
pub mod optim;
pub mod run;
pub mod sight;

pub use config::{ConfigFileError, TrainFile};
pub use run::{Losses, RunError, Task, run};
