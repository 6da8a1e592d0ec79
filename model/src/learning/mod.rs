//! What only training needs: records as examples, examples as batches, and the losses. The engine
//! never imports this.

pub mod batch;
pub mod example;
pub mod finding;
pub mod losses;
pub mod pointing;
pub mod training;
