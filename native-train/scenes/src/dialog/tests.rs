//! Tests of the dialogues.
