//! Wordings that ask for several units at once.

use crate::dialog::wording::Wording;

pub(crate) const TWO: Wording = Wording {
    slots: &["unit", "thing", "other unit", "other"],
    templates: &[
        "Mark {thing} with a {unit} and {other} with a {other unit}.",
        "Mark {thing} by a {unit} and {other} by a {other unit}.",
        "Show {thing} as a {unit} and {other} as a {other unit}.",
        "Show me {thing} with a {unit}, and {other} with a {other unit}.",
        "Show me a {unit} for {thing} and a {other unit} for {other}.",
        "Give me a {unit} for {thing} and a {other unit} for {other}.",
        "Give me the {unit} of {thing} and the {other unit} of {other}.",
        "Give {thing} a {unit} and {other} a {other unit}.",
        "Give a {unit} for {thing}, then a {other unit} for {other}.",
        "Find the {unit} of {thing} and the {other unit} of {other}.",
        "Find {thing} as a {unit} and {other} as a {other unit}.",
        "Draw a {unit} for {thing} and a {other unit} for {other}.",
        "Draw the {unit} of {thing} and the {other unit} of {other}.",
        "Use a {unit} for {thing} and a {other unit} for {other}.",
        "Use a {unit} to mark {thing} and a {other unit} to mark {other}.",
        "Put a {unit} on {thing} and a {other unit} on {other}.",
        "What is the {unit} of {thing}, and what is the {other unit} of {other}?",
        "Where is {thing}, as a {unit}, and {other}, as a {other unit}?",
        "Can you mark {thing} with a {unit} and {other} with a {other unit}?",
        "Can you give me a {unit} for {thing} and a {other unit} for {other}?",
        "Could you show the {unit} of {thing} and the {other unit} of {other}?",
        "Please mark {thing} with a {unit} and {other} with a {other unit}.",
        "Please give me the {unit} of {thing} and the {other unit} of {other}.",
        "I need a {unit} for {thing} and a {other unit} for {other}.",
        "I want the {unit} of {thing} and also the {other unit} of {other}.",
        "I would like a {unit} on {thing} and a {other unit} on {other}.",
        "First the {unit} of {thing}, then the {other unit} of {other}.",
        "A {unit} for {thing} and a {other unit} for {other}.",
    ],
};

pub(crate) const DEPTH: Wording = Wording {
    slots: &["unit", "thing"],
    templates: &[
        "Give me the depth map and a {unit} for {thing}.",
        "Give me the depth and the {unit} of {thing}.",
        "Show the depth map and the {unit} of {thing}.",
        "Show me the depth, and mark {thing} with a {unit}.",
        "Estimate the depth and give the {unit} of {thing}.",
        "Estimate the depth and mark {thing} with a {unit}.",
        "Make a depth map and a {unit} for {thing}.",
        "Find the depth of the scene and the {unit} of {thing}.",
        "Can you give me the depth map and a {unit} for {thing}?",
        "Could you show the depth and put a {unit} on {thing}?",
        "Please give me the depth map and the {unit} of {thing}.",
        "I need the depth map and a {unit} for {thing}.",
        "First the depth map, then the {unit} of {thing}.",
        "How far is everything? And mark {thing} with a {unit}.",
    ],
};
