//! How a parameter is stored: as one tensor, or as the two parts of a packed matrix.

use super::error::PackageError;
use super::manifest::Quantisation;
use half::{bf16, f16};
use refvlm_shaders::{BLOCK, Packed};

/// A tensor of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its name.
    pub name: String,
    /// Its element type, as safetensors calls it.
    pub dtype: &'static str,
    /// Its sizes.
    pub shape: Vec<usize>,
    /// Its bytes.
    pub bytes: usize,
}

/// The tensors that store a parameter, before any value is known.
pub fn parts(quantisation: Quantisation, name: &str, shape: &[usize]) -> Vec<Part> {
    let part = |name: String, dtype, size, shape: Vec<usize>| {
        let bytes = shape.iter().product::<usize>() * size;
        Part { name, dtype, shape, bytes }
    };
    if let Some((format, [out, width])) = quantisation.packing(name, shape) {
        let blocks = width.div_ceil(BLOCK);
        let scales = match format.scales_per_block() {
            1 => vec![out, blocks],
            several => vec![out, blocks, several],
        };
        let words = vec![out, blocks * format.words_per_block()];
        return vec![
            part(format!("{name}.qweight"), "U32", 4, words),
            part(format!("{name}.scales"), "F16", 2, scales),
        ];
    }
    let (dtype, size) = match quantisation {
        Quantisation::F32 => ("F32", 4),
        Quantisation::Bf16 => ("BF16", 2),
        _ => ("F16", 2),
    };
    vec![part(name.into(), dtype, size, shape.to_vec())]
}

/// The bytes of each of `parts` for some rows of a parameter of this shape, or all.
///
/// # Errors
/// When a value is not finite or too large for the form.
pub fn encode(
    quantisation: Quantisation,
    name: &str,
    shape: &[usize],
    values: &[f32],
) -> Result<Vec<Vec<u8>>, PackageError> {
    let fail =
        |reason: &str| PackageError::Unwritable { tensor: name.into(), reason: reason.into() };
    if values.iter().any(|x| !x.is_finite()) {
        return Err(fail("it holds NaN or infinity; check where it comes from"));
    }
    if let Some((format, [_, width])) = quantisation.packing(name, shape) {
        let packed = Packed::pack(format, values, [values.len() / width, width])
            .map_err(|error| PackageError::packing(name, &error))?;
        let words = packed.words().iter().flat_map(|w| w.to_le_bytes()).collect();
        let scales = packed.stored_scales().iter().flat_map(|s| s.to_le_bytes()).collect();
        return Ok(vec![words, scales]);
    }
    let bytes: Vec<u8> = match quantisation {
        Quantisation::F32 => values.iter().flat_map(|x| x.to_le_bytes()).collect(),
        Quantisation::Bf16 => {
            values.iter().flat_map(|&x| bf16::from_f32(x).to_le_bytes()).collect()
        }
        _ => {
            if values.iter().any(|&x| !f16::from_f32(x).is_finite()) {
                return Err(fail("a value is too large for f16; store it in bf16 or f32"));
            }
            values.iter().flat_map(|&x| f16::from_f32(x).to_le_bytes()).collect()
        }
    };
    Ok(vec![bytes])
}
