//! Shards written as their values are read, so that neither a shard nor a tensor is ever held whole
//! unless its rows have to be rearranged.

use super::error::{ImportError, Key};
use refvlm_checkpoint::{Checkpoint, Tensor};
use refvlm_files::files::{hex, write_atomic_with};
use refvlm_model::package::{FileEntry, Plan, Quantisation, encode};
use sha2::{Digest, Sha256};
use std::io::{self, Write};
use std::path::Path;

/// Numbers that are read at once.
const CHUNK: usize = 4 << 20;

/// Values of a parameter that are read in pieces.
#[derive(Debug)]
pub struct Values<'a>(Kind<'a>);

#[derive(Debug)]
enum Kind<'a> {
    Whole(Vec<f32>),
    /// Tensors one behind the other, then `row` again and again.
    Pieces {
        checkpoint: &'a Checkpoint,
        tensors: &'a [Tensor],
        row: Vec<f32>,
    },
}

impl<'a> Values<'a> {
    /// All of them.
    pub fn whole(values: Vec<f32>) -> Self {
        Self(Kind::Whole(values))
    }

    /// Tensors that stay in their files; with a `width`, their mean row follows them.
    ///
    /// # Errors
    /// When a file can't be read.
    pub fn pieces(
        checkpoint: &'a Checkpoint,
        tensors: &'a [Tensor],
        width: usize,
    ) -> Result<Self, ImportError> {
        let mut sums = vec![0.0f64; width];
        let mut rows = 0;
        for tensor in tensors.iter().filter(|_| width > 0) {
            let mut buffer = vec![0.0; (CHUNK / width).max(1) * width];
            let total = tensor.numel();
            for first in (0..total).step_by(buffer.len()) {
                let count = buffer.len().min(total - first);
                checkpoint.read_range(tensor, first, &mut buffer[..count])?;
                for row in buffer[..count].chunks_exact(width) {
                    sums.iter_mut().zip(row).for_each(|(sum, &x)| *sum += f64::from(x));
                    rows += 1;
                }
            }
        }
        let row = sums.into_iter().map(|sum| (sum / f64::from(rows.max(1))) as f32).collect();
        Ok(Self(Kind::Pieces { checkpoint, tensors, row }))
    }

    /// The numbers from the `first` on, as many as `out` takes.
    pub(super) fn range(&self, mut first: usize, mut out: &mut [f32]) -> Result<(), ImportError> {
        match &self.0 {
            Kind::Whole(values) => {
                let end = (first + out.len()).min(values.len());
                if let Some(found) = values.get(first..end) {
                    out[..found.len()].copy_from_slice(found);
                }
            }
            Kind::Pieces { checkpoint, tensors, row } => {
                for tensor in *tensors {
                    let length = tensor.numel();
                    let count = length.saturating_sub(first).min(out.len());
                    let (part, rest) = out.split_at_mut(count);
                    if count > 0 {
                        checkpoint.read_range(tensor, first, part)?;
                    }
                    (first, out) = (first.saturating_sub(length), rest);
                }
                out.iter_mut().zip(row.iter().cycle()).for_each(|(out, &x)| *out = x);
            }
        }
        Ok(())
    }
}

/// Writes the shards of a plan into a folder, each complete or not at all, under the name that
/// `rename` makes of the plan's.
///
/// # Errors
/// When values can't be read or stored, or a file can't be written.
pub fn write_shards<'a>(
    plan: &Plan,
    parameters: &[Key],
    folder: &Path,
    mut values: impl FnMut(usize) -> Result<Values<'a>, ImportError>,
    mut progress: impl FnMut(u64),
) -> Result<Vec<FileEntry>, ImportError> {
    let mut entries = vec![];
    for shard in &plan.shards {
        let path = folder.join(&shard.file);
        let mut failed = None;
        let (mut hash, mut bytes) = (Sha256::new(), 0);
        let written = write_atomic_with(&path, |file| {
            let mut put = |piece: &[u8]| {
                hash.update(piece);
                bytes += piece.len() as u64;
                progress(piece.len() as u64);
                file.write_all(piece)
            };
            put(&shard.header)?;
            for &place in &shard.parameters {
                let (name, shape) = &parameters[place];
                let mut stop = |error: ImportError| {
                    failed = Some(error);
                    io::Error::other("no values")
                };
                let outcome = values(place).map(|values| {
                    write_parameter(plan.quantisation, name, shape, &values, &mut put)
                });
                match outcome {
                    Ok(Ok(())) => {}
                    Ok(Err(Failure::Write(error))) => return Err(error),
                    Ok(Err(Failure::Values(error))) | Err(error) => return Err(stop(error)),
                }
            }
            Ok(())
        });
        if let Some(error) = failed {
            return Err(error);
        }
        written.map_err(|source| ImportError::File { path: path.display().to_string(), source })?;
        let sha256 = hex(&hash.finalize());
        entries.push(FileEntry { file: shard.file.clone(), bytes, sha256 });
    }
    Ok(entries)
}

enum Failure {
    Values(ImportError),
    Write(io::Error),
}

/// The tensors of one parameter: the first as it comes, the smaller second behind it.
fn write_parameter(
    quantisation: Quantisation,
    name: &str,
    shape: &[usize],
    values: &Values<'_>,
    put: &mut impl FnMut(&[u8]) -> io::Result<()>,
) -> Result<(), Failure> {
    let total: usize = shape.iter().product();
    let width = match *shape {
        [_, width] if width > 0 => width,
        _ => 1,
    };
    let mut buffer = vec![0.0; (CHUNK / width).max(1).saturating_mul(width).min(total)];
    let mut rest: Vec<Vec<u8>> = vec![];
    let mut first = 0;
    while first < total {
        let count = buffer.len().min(total - first);
        values.range(first, &mut buffer[..count]).map_err(Failure::Values)?;
        let parts = encode(quantisation, name, shape, &buffer[..count])
            .map_err(|error| Failure::Values(error.into()))?;
        for (k, part) in parts.into_iter().enumerate() {
            match k.checked_sub(1) {
                None => put(&part).map_err(Failure::Write)?,
                Some(k) if k < rest.len() => rest[k].extend(part),
                Some(_) => rest.push(part),
            }
        }
        first += count;
    }
    for part in rest {
        put(&part).map_err(Failure::Write)?;
    }
    Ok(())
}
