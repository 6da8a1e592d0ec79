//! Modules against the reference's tensors, and against plain loops and finite differences where it
//! stored none.

mod decoding;
mod efficientnet;
mod fixtures;
mod language;
mod llama_plain;
mod losses;
mod preprocess;
mod prompting;
mod quant;
mod sam;
mod sam_use;
mod tiny_vit;
mod triplet;
mod triplet_grammar;
mod triplet_support;
mod vd_adapter;
mod vision;
