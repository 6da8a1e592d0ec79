//! The state of an optimiser in the pieces that ranks keep.
//!
//! burn keeps a state per parameter, under the parameter's id, in the file as in memory. So a piece
//! is a file with some of the parameters, and files without a parameter in common can be joined.

use burn::tensor::Bytes;
use burn_pack::{Error, Reader, Writer};

/// Those states whose parameter's id is wanted.
///
/// # Errors
/// When the bytes are damaged.
pub(crate) fn piece(state: Vec<u8>, wanted: impl Fn(u64) -> bool) -> Result<Bytes, Error> {
    join([state], wanted)
}

/// All states of several pieces.
///
/// # Errors
/// When a piece is damaged.
pub(crate) fn whole(pieces: Vec<Vec<u8>>) -> Result<Bytes, Error> {
    join(pieces, |_| true)
}

fn join(
    pieces: impl IntoIterator<Item = Vec<u8>>,
    wanted: impl Fn(u64) -> bool,
) -> Result<Bytes, Error> {
    // Names begin with the id.
    let named = |name: &str| {
        let id = name.split('.').next().and_then(|id| id.parse().ok());
        id.is_none_or(&wanted)
    };
    let (mut tensors, mut scalars, mut paths) = (Vec::new(), Vec::new(), Vec::new());
    for piece in pieces {
        let reader = Reader::from_bytes(Bytes::from_bytes_vec(piece))?;
        scalars.extend(reader.scalars().clone());
        paths.extend(reader.metadata().clone());
        tensors.extend(reader.into_tensors()?);
    }
    tensors.retain(|tensor| named(&tensor.name));
    let mut writer = Writer::new(tensors);
    for (name, value) in scalars.into_iter().filter(|(name, _)| named(name)) {
        writer = writer.with_scalar(&name, value);
    }
    for (name, path) in paths.into_iter().filter(|(name, _)| named(name)) {
        writer = writer.with_metadata(&name, &path);
    }
    writer.into_bytes()
}
