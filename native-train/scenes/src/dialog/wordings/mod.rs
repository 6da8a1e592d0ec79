//! How people ask: lists of templates, one list per question.

pub(super) mod caption;
pub(super) mod locate;
pub(super) mod mixed;
pub(super) mod people;
pub(super) mod region;
pub(super) mod vqa;
