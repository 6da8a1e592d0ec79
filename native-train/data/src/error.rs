//! What can be wrong with a folder of photos.

use std::io;
use std::path::PathBuf;

/// A fault, with its place and the remedy.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// A file or folder could not be read.
    #[error("{path}: {source}: check the path and its permissions", path = path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A file beyond the bound.
    #[error(
        "{path}: {bytes} bytes, at most {limit} are read: split it into several folders",
        path = path.display()
    )]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its length.
        bytes: u64,
        /// The bound.
        limit: u64,
    },
    /// A file that is not JSON of the expected form.
    #[error("{path}: {problem}: restore the file or export it again", path = path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// What is wrong, with line and column.
        problem: String,
    },
    /// A folder without photos.
    #[error(
        "{path}: neither instances.json nor a folder that holds one: give a folder in COCO format",
        path = path.display()
    )]
    NoSource {
        /// The folder.
        path: PathBuf,
    },
    /// An entry of a file that cannot be used.
    #[error("{path}: {place}: {problem}", path = path.display())]
    Entry {
        /// The file.
        path: PathBuf,
        /// The entry and its id.
        place: String,
        /// What is wrong and what would be right.
        problem: String,
    },
    /// A picture that cannot be decoded.
    #[error("{path}: {problem}: replace the picture", path = path.display())]
    Picture {
        /// The picture.
        path: PathBuf,
        /// The decoder's reason.
        problem: String,
    },
    /// A picture of another size than its entry says.
    #[error(
        "{path}: {found_width}x{found_height} px, its entry says {width}x{height}: correct the \
         entry or restore the picture",
        path = path.display()
    )]
    Size {
        /// The picture.
        path: PathBuf,
        /// Columns of the file.
        found_width: u32,
        /// Rows of the file.
        found_height: u32,
        /// Columns of the entry.
        width: u32,
        /// Rows of the entry.
        height: u32,
    },
}
