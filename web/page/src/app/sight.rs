//! Everything that a drawing of the canvas shows.

use super::picture::Picture;
use super::state::Focus;
use crate::canvas::geometry::View;
use crate::canvas::marks::Board;
use crate::conversation::answer::Answer;
use crate::conversation::truth::Truth;
use refvlm_record::answer::Found;

/// What there is to see.
pub struct Sight<'a> {
    pub picture: &'a Picture,
    pub view: View,
    /// Canvas, in CSS px.
    pub canvas: [f32; 2],
    pub answer: Option<&'a Answer>,
    /// Results of less confidence are faint, unless they are pointed at.
    pub least: f32,
    pub truth: Option<&'a Truth>,
    /// Masks that live mode found, with the mark they belong to.
    pub live: Vec<(u32, &'a Found)>,
    pub board: &'a Board,
    pub focus: Option<Focus>,
    /// Whether the numbers of prompts and the frame of the selected one are shown.
    pub handles: bool,
}
