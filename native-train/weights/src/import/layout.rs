//! From the keys of published checkpoints to parameter paths. Below a module both are the same, so
//! a layout is a prefix to take away and one to put in its place.

use refvlm_checkpoint::{Checkpoint, Format, llama, lora};

/// A kind of checkpoint, known by a key that it has.
struct Layout {
    /// What the key begins with.
    mark: &'static str,
    /// What is taken away.
    strip: &'static str,
    /// What comes in its place.
    prefix: &'static str,
}

const fn layout(mark: &'static str, strip: &'static str, prefix: &'static str) -> Layout {
    Layout { mark, strip, prefix }
}

/// Asked in this order.
const LAYOUTS: [Layout; 12] = [
    // What the reference saves while it trains; the parts have their prefixes.
    layout("projector.model.", "", ""),
    layout("visual_decoder.", "", ""),
    // CLIP as a whole or its vision tower.
    layout("vision_model.embeddings.", "", "visual_encoder."),
    // open_clip's ConvNeXt.
    layout("visual.trunk.stem.", "", "visual_tower."),
    // DINOv2: by itself, below another head, or exported with a head behind it.
    layout("embeddings.patch_embeddings.", "", "visual_encoder."),
    layout("dinov2.embeddings.", "dinov2.", "visual_encoder."),
    layout("backbone.embeddings.patch_embeddings.", "backbone.", "visual_encoder."),
    // EfficientNet-Lite, folded.
    layout("conv_stem.", "", "visual_encoder."),
    // SAM and MobileSAM.
    layout("image_encoder.", "", "visual_decoder.mask.sam."),
    layout("sam.image_encoder.", "", "visual_decoder.mask."),
    // The Llama family.
    layout("model.embed_tokens.", "", "llm."),
    layout("model.layers.", "", "llm."),
];

/// Folders of the reference's Hugging Face layout and the modules in them. The language model may
/// also lie beside them.
pub const FOLDERS: [(&str, &str); 12] = [
    ("llm", "llm."),
    ("projector", "projector."),
    ("vpt_encoder", "vpt_encoder."),
    ("vpt_projector", "vpt_projector."),
    ("row_position", "row_position."),
    ("visual_encoder", "visual_encoder."),
    ("visual_tower", "visual_tower."),
    ("box_decoder", "visual_decoder.boxes."),
    ("mask_decoder", "visual_decoder.mask."),
    ("pose_decoder", "visual_decoder.pose."),
    ("depth_decoder", "visual_decoder.depth."),
    ("vd_adapter", "vd_adapter."),
];

/// Folders of that layout with low-rank adapters, and the modules that these are of.
pub const ADAPTERS: [(&str, &str); 2] =
    [("llm_adapter", "llm."), ("visual_encoder_adapter", "visual_encoder.")];

/// Tensors of published checkpoints that nothing reads: buffers, heads of other tasks, the text
/// towers of CLIP.
const UNUSED: [&str; 23] = [
    "llm.*.rotary_emb.inv_freq",
    "llm.rope_freqs.weight",
    "visual_encoder.vision_model.embeddings.position_ids",
    "visual_encoder.text_model.*",
    "visual_encoder.visual_projection.weight",
    "visual_encoder.text_projection.weight",
    "visual_encoder.logit_scale",
    "visual_encoder.embeddings.mask_token",
    "visual_encoder.classifier.*",
    "visual_encoder.conv_head.*",
    "visual_encoder.fc.*",
    "visual_tower.visual.head.*",
    "visual_tower.text.*",
    "visual_tower.transformer.*",
    "visual_tower.token_embedding.weight",
    "visual_tower.positional_embedding",
    "visual_tower.ln_final.*",
    "visual_tower.text_projection",
    "visual_tower.logit_scale",
    "vpt_encoder.model.projector.*",
    "visual_decoder.mask.queries_embedder.weight",
    "visual_decoder.mask.sam.image_encoder.norm_head.*",
    "visual_decoder.mask.sam.image_encoder.head.*",
];

/// Whether nothing would read a parameter of this name, which the model doesn't have.
pub fn is_unused(name: &str) -> bool {
    name.ends_with(".num_batches_tracked") || UNUSED.iter().any(|pattern| matches(pattern, name))
}

/// Whether `*` in the pattern can stand for something that makes it the name.
pub fn matches(pattern: &str, name: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut name) = name.strip_prefix(start) else { return false };
    let Some((middle, end)) = rest.rsplit_once('*') else { return name.ends_with(rest) };
    for part in middle.split('*') {
        match name.find(part) {
            Some(at) => name = &name[at + part.len()..],
            None => return false,
        }
    }
    name.ends_with(end)
}

/// Whose way of naming tensors it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    /// The model's own.
    Plain,
    /// llama.cpp's.
    Gguf,
    /// That of PEFT's adapters.
    Adapter,
}

/// How keys of one checkpoint become parameter paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    style: Style,
    strip: &'static str,
    prefix: String,
}

impl Names {
    /// Of a checkpoint whose module is known, such as `llm`.
    pub fn of_part(checkpoint: &Checkpoint, part: &str) -> Self {
        let prefix = FOLDERS.iter().find(|(folder, _)| *folder == part);
        let prefix = prefix.map_or_else(|| format!("{part}."), |(_, prefix)| (*prefix).into());
        let strip = LAYOUTS
            .iter()
            .filter(|l| !l.strip.is_empty() && l.prefix == prefix)
            .find(|l| has(checkpoint, l.mark))
            .map_or("", |l| l.strip);
        let style = if is_llama(checkpoint) { Style::Gguf } else { Style::Plain };
        Self { style, strip, prefix }
    }

    /// Of an adapter of the module whose parameters begin with `prefix`.
    pub fn of_adapter(prefix: &str) -> Self {
        Self { style: Style::Adapter, strip: "", prefix: prefix.into() }
    }

    /// Recognised by the keys; `None` when they are unknown.
    pub fn detect(checkpoint: &Checkpoint) -> Option<Self> {
        if is_llama(checkpoint) {
            let prefix = "llm.".into();
            return Some(Self { style: Style::Gguf, strip: "", prefix });
        }
        let found = LAYOUTS.iter().find(|layout| has(checkpoint, layout.mark))?;
        let Layout { strip, prefix, .. } = *found;
        Some(Self { style: Style::Plain, strip, prefix: prefix.into() })
    }

    /// The parameter of a key; none where the key belongs to something else in the file.
    pub fn parameter(&self, key: &str) -> Option<String> {
        let inner = key.strip_prefix(self.strip)?;
        let inner = match self.style {
            Style::Plain => inner.into(),
            Style::Gguf => llama::hugging_face_name(inner).unwrap_or_else(|| inner.into()),
            Style::Adapter => lora::model_name(inner),
        };
        let name = format!("{}{inner}", self.prefix);
        // `box` is a reserved word.
        Some(match name.strip_prefix("visual_decoder.box.") {
            Some(rest) => format!("visual_decoder.boxes.{rest}"),
            None => name,
        })
    }

    /// Whether query and key rows have llama.cpp's order.
    pub fn is_gguf(&self) -> bool {
        self.style == Style::Gguf
    }

    /// Whether it is an adapter, whose tensors stand in place of the model's.
    pub fn is_adapter(&self) -> bool {
        self.style == Style::Adapter
    }

    /// The module that the keys belong to.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }
}

fn is_llama(checkpoint: &Checkpoint) -> bool {
    checkpoint.format == Format::Gguf && checkpoint.get("token_embd.weight").is_some()
}

fn has(checkpoint: &Checkpoint, mark: &str) -> bool {
    checkpoint.tensors().iter().any(|tensor| tensor.name.starts_with(mark))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_anything() {
        for (pattern, name) in
            [("a.b", "a.b"), ("a.*", "a.b.c"), ("*", "x"), ("a*c*e", "abcde"), ("*.bias", "x.bias")]
        {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in
            [("a.b", "a.bc"), ("a.*", "b.a.c"), ("a*c*e", "abde"), ("aa*a", "aa")]
        {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }
}
