//! Errors of reading a folder of photos.

use std::io;
use std::path::PathBuf;

/// Why photos or their labels cannot be used. The text names the place and the remedy.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// A file or folder could not be read.
    #[error("{path}: {source}: check the path and its permissions", path = path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// The underlying I/O error.
        source: io::Error,
    },
    /// A file could not be written.
    #[error("{path}: {source}: check free space and permissions", path = path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The underlying I/O error.
        source: io::Error,
    },
    /// The file is too long.
    #[error(
        "{path}: has {bytes} bytes, the limit is {limit}: split it into several folders",
        path = path.display()
    )]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its length, bytes.
        bytes: u64,
        /// The largest length accepted, bytes.
        limit: u64,
    },
    /// The file is not JSON of the expected form.
    #[error("{path}: {problem}: restore the file or export it again", path = path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// What is wrong, with line and column.
        problem: String,
    },
    /// A file is not of the format that its ending says.
    #[error("{path}: {problem}: restore the file or export it again", path = path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong, with its place where the format has one.
        problem: String,
    },
    /// The folder holds no layout that is known.
    #[error(
        "{path}: neither it nor a folder below has a known layout: give a folder as its authors \
         publish it; known are {known}",
        path = path.display()
    )]
    NoSource {
        /// The folder.
        path: PathBuf,
        /// Names of the layouts.
        known: String,
    },
    /// There are more faults than are listed.
    #[error("and {count} more, which are not listed: mend those above and read the source again")]
    Unlisted {
        /// How many.
        count: usize,
    },
    /// A record cannot be written.
    #[error(transparent)]
    Record(#[from] refvlm_files::records::DataError),
    /// A folder that a recipe names is not there.
    #[error(
        "{path}: no folder for '{name}': put the data set there, take it out of the recipe, or \
         set `missing = \"skip\"` in it", path = path.display()
    )]
    Missing {
        /// The folder.
        path: PathBuf,
        /// What the recipe calls it.
        name: String,
    },
    /// A build cannot go on, since other sources are there than when it began.
    #[error("begun with the sources {then}, now there are {now}: restore them or begin anew")]
    OtherSources {
        /// Those it began with.
        then: String,
        /// Those that are there.
        now: String,
    },
    /// A folder holds what another recipe has built.
    #[error(
        "{path}: of another recipe, or of another version of this program: name another folder or \
         remove this one", path = path.display()
    )]
    OtherRecipe {
        /// The index that says so.
        path: PathBuf,
    },
    /// Parts cannot be joined yet.
    #[error("{path}: part {number}/{of} is not done: build it first", path = path.display())]
    PartMissing {
        /// The folder of the parts.
        path: PathBuf,
        /// Which part.
        number: u64,
        /// How many there are.
        of: u64,
    },
    /// The caller wants no more entries.
    #[error("the reading was ended")]
    Stopped,
    /// An entry of a file cannot be used.
    #[error("{path}: {place}: {problem}", path = path.display())]
    Entry {
        /// The file.
        path: PathBuf,
        /// The entry and its id.
        place: String,
        /// What is wrong and what would be right.
        problem: String,
    },
    /// A picture cannot be decoded.
    #[error("{path}: {problem}: replace the picture", path = path.display())]
    Picture {
        /// The picture.
        path: PathBuf,
        /// The decoder's reason.
        problem: String,
    },
    /// A picture has another size than its entry says.
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
