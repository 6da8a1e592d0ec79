//! What is looked at and drawn on: the view, marks and their pixels, tools, undo, colours.

pub mod geometry;
pub mod history;
pub mod labels;
pub mod marks;
pub mod palette;
pub mod tools;
