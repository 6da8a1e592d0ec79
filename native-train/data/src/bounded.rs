//! Files that are read whole, up to a bound.

use crate::error::DataError;
use std::io::Read;
use std::path::Path;

/// The whole file, when it has at most `limit` bytes.
pub(crate) fn read_bounded(path: &Path, limit: u64) -> Result<Vec<u8>, DataError> {
    let failed = |source| DataError::Read { path: path.into(), source };
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    file.take(limit + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > limit {
        let bytes = bytes.len() as u64;
        return Err(DataError::TooLarge { path: path.into(), bytes, limit });
    }
    Ok(bytes)
}
