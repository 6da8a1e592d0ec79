//! How people ask: lists of templates, one list per question.

pub(super) mod caption;
pub(super) mod locate;
pub(super) mod mixed;
pub(super) mod people;
pub(super) mod region;
pub(super) mod vqa;

/// Every list with the name of what it asks and the least number of templates promised for it.
#[cfg(test)]
pub(super) fn all() -> Vec<(&'static str, super::wording::Wording, usize)> {
    vec![
        ("caption", caption::PLAIN, 24),
        ("caption with boxes", caption::BOXES, 24),
        ("caption with masks", caption::MASKS, 24),
        ("background", vqa::BACKGROUND, 12),
        ("what", vqa::WHAT, 24),
        ("which", vqa::WHICH, 12),
        ("how many", vqa::HOW_MANY, 24),
        ("where", vqa::WHERE, 24),
        ("relation", vqa::RELATION, 24),
        ("nearer", vqa::NEARER, 24),
        ("farther", vqa::FARTHER, 24),
        ("colour", vqa::COLOUR, 24),
        ("shirt", vqa::SHIRT, 24),
        ("presence", vqa::PRESENCE, 24),
        ("region label", region::LABEL, 24),
        ("region caption", region::CAPTION, 24),
        ("region colour", region::COLOUR, 12),
        ("region shirt", region::SHIRT, 12),
        ("region place", region::PLACE, 12),
        ("region identity", region::IDENTITY, 12),
        ("region relation", region::RELATION, 12),
        ("region extreme", region::EXTREME, 12),
        ("detect all", locate::DETECT_ALL, 24),
        ("segment all", locate::SEGMENT_ALL, 24),
        ("detect class", locate::DETECT_CLASS, 24),
        ("detect each", locate::DETECT_EACH, 12),
        ("segment class", locate::SEGMENT_CLASS, 24),
        ("segment each", locate::SEGMENT_EACH, 12),
        ("refer box", locate::REFER_BOX, 24),
        ("refer mask", locate::REFER_MASK, 24),
        ("prompt box", locate::PROMPT_BOX, 24),
        ("prompt box pair", locate::PROMPT_BOX_PAIR, 12),
        ("prompt mask", locate::PROMPT_MASK, 24),
        ("prompt mask pair", locate::PROMPT_MASK_PAIR, 12),
        ("people", people::ALL, 24),
        ("person prompted", people::PROMPTED, 24),
        ("person referred", people::REFERRED, 12),
        ("depth", locate::DEPTH, 24),
        ("mixed", mixed::TWO, 24),
        ("mixed with depth", mixed::DEPTH, 12),
    ]
}
