//! The form since PyTorch 1.6: an archive with a file for the pickle and one for each storage.

use super::machine::read_pickle;
use super::pickle::Pickle;
use super::zip::Archive;
use super::{Storages, big_endian};
use crate::source::Cursor;
use crate::{CheckpointError, Source};

/// Files of an archive that hold the numbers of a storage each.
pub(super) struct Files<'a> {
    archive: Archive<'a>,
    /// What stands before their names.
    folder: String,
}

pub(super) fn open(source: &Source) -> Result<(Pickle, Files<'_>), CheckpointError> {
    let file = source.name();
    let archive = Archive::open(source)?;
    let name = archive.find("data.pkl").ok_or_else(|| CheckpointError::Unsupported {
        file: file.into(),
        what: "an archive without data.pkl".into(),
        remedy: "give the file that torch.save wrote, unpacked from any other archive",
    })?;
    let folder = name.trim_end_matches("data.pkl");
    if let Ok((at, length)) = archive.place(&format!("{folder}byteorder"))
        && length <= 16
        && source.read_vec(at, length)? != b"little"
    {
        return Err(big_endian(file));
    }
    let (at, length) = archive.place(name)?;
    let pickle = read_pickle(&mut Cursor::new(source, at, at + length))?;
    let folder = format!("{folder}data/");
    Ok((pickle, Files { archive, folder }))
}

impl Storages for Files<'_> {
    fn place(&self, key: &str) -> Result<(u64, u64), CheckpointError> {
        self.archive.place(&format!("{}{key}", self.folder))
    }
}
