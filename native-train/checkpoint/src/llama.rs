//! Llamas in GGUF under the names and in the layout of Hugging Face.

use crate::{Checkpoint, CheckpointError, Metadata, Tensor};

/// Parts of a layer: llama.cpp's name, Hugging Face's name.
const LAYER: [(&str, &str); 9] = [
    ("attn_norm", "input_layernorm"),
    ("attn_q", "self_attn.q_proj"),
    ("attn_k", "self_attn.k_proj"),
    ("attn_v", "self_attn.v_proj"),
    ("attn_output", "self_attn.o_proj"),
    ("ffn_norm", "post_attention_layernorm"),
    ("ffn_gate", "mlp.gate_proj"),
    ("ffn_up", "mlp.up_proj"),
    ("ffn_down", "mlp.down_proj"),
];

/// The name in Hugging Face's `LlamaForCausalLM`; none for what such a model doesn't have.
pub fn hugging_face_name(gguf: &str) -> Option<String> {
    match gguf {
        "token_embd.weight" => return Some("model.embed_tokens.weight".into()),
        "output_norm.weight" => return Some("model.norm.weight".into()),
        "output.weight" => return Some("lm_head.weight".into()),
        _ => {}
    }
    let (layer, rest) = gguf.strip_prefix("blk.")?.split_once('.')?;
    let layer: usize = layer.parse().ok()?;
    let (part, kind) = rest.rsplit_once('.')?;
    let (_, name) = LAYER.iter().find(|(ours, _)| *ours == part)?;
    matches!(kind, "weight" | "bias").then(|| format!("model.layers.{layer}.{name}.{kind}"))
}

/// Heads of queries, and of keys and values.
///
/// # Errors
/// When the settings don't say, or the architecture is no Llama.
pub fn heads(metadata: &Metadata) -> Result<(usize, usize), CheckpointError> {
    let heads = metadata.integer("llama.attention.head_count")?;
    let shared = match metadata.get("llama.attention.head_count_kv") {
        None => heads,
        Some(_) => metadata.integer("llama.attention.head_count_kv")?,
    };
    Ok((heads, shared))
}

/// Whether [`read`] has to put the rows of this tensor into another order.
pub fn is_permuted(gguf: &str) -> bool {
    let part = gguf.rsplit('.').nth(1);
    gguf.starts_with("blk.") && matches!(part, Some("attn_q" | "attn_k"))
}

/// Reads a tensor of a GGUF file of architecture `llama` as Hugging Face has it: in the rows of
/// query and key projections the two halves of a head don't alternate there.
///
/// # Errors
/// When the file can't be read, or its settings don't fit the tensor.
pub fn read(checkpoint: &Checkpoint, tensor: &Tensor) -> Result<Vec<f32>, CheckpointError> {
    let values = checkpoint.read(tensor)?;
    if !is_permuted(&tensor.name) {
        return Ok(values);
    }
    let (queries, keys) = heads(&checkpoint.metadata)?;
    let heads = if tensor.name.contains("attn_q") { queries } else { keys };
    let rows = tensor.shape.first().copied().unwrap_or(0);
    separate_halves(&values, rows, heads).ok_or_else(|| {
        let reason = format!("its rows are no {heads} heads of two halves");
        CheckpointError::Shape {
            file: checkpoint.files()[tensor.file].name().into(),
            tensor: tensor.name.clone(),
            shape: tensor.shape.clone(),
            reason,
        }
    })
}

/// Undoes llama.cpp's order of the `rows` of a projection, in which row `2i` of a head is row `i`
/// of its first half and row `2i + 1` row `i` of its second. None when rows and heads don't fit.
pub fn separate_halves(values: &[f32], rows: usize, heads: usize) -> Option<Vec<f32>> {
    let halves = heads.checked_mul(2).filter(|&n| n > 0)?;
    if rows == 0 || !rows.is_multiple_of(halves) || !values.len().is_multiple_of(rows) {
        return None;
    }
    let (width, half) = (values.len() / rows, rows / heads / 2);
    let mut out = Vec::with_capacity(values.len());
    for head in 0..heads {
        for part in 0..2 {
            for i in 0..half {
                let row = head * 2 * half + 2 * i + part;
                out.extend_from_slice(&values[row * width..][..width]);
            }
        }
    }
    Some(out)
}
