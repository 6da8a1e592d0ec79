//! Packages on disk and the two inside the program.

use burn::tensor::{Device, TensorData};
use refvlm_files::files::write_atomic;
use refvlm_model::engine::{EngineError, Session};
use refvlm_model::opening::{Opened, Opening, OpeningError};
use refvlm_model::package::by_name::visit_named;
use refvlm_model::package::{
    Description, MANIFEST_FILE, PackageError, Quantisation, TOKENIZER_FILE, Writer,
};
use refvlm_model::refvlm::RefVlm;
use std::collections::HashMap;
use std::ops::Deref;
use std::path::Path;
use std::sync::LazyLock;
use std::time::Instant;
use thiserror::Error;

/// Name of the configuration that Hugging Face's readers look for.
pub const CONFIG_FILE: &str = "config.json";
/// Larger than any file of a package.
const MAX_FILE_BYTES: u64 = 4 << 30;

/// The files of a package that is built in, by name.
type Files = [(&'static str, &'static [u8]); 3];

macro_rules! files {
    ($folder:literal) => {
        [
            (MANIFEST_FILE, include_bytes!(concat!($folder, "refvlm.json"))),
            (TOKENIZER_FILE, include_bytes!(concat!($folder, "tokenizer.json"))),
            (SHARD_FILE, include_bytes!(concat!($folder, "model-00001-of-00001.safetensors"))),
        ]
    };
}

/// The only shard of a package that is built in.
const SHARD_FILE: &str = "model-00001-of-00001.safetensors";

/// A package inside the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Embedded {
    /// Knows photos, and drawn scenes less well.
    Pocket,
    /// Knows drawn scenes.
    Scenes,
}

impl Embedded {
    /// All of them.
    pub const ALL: [Embedded; 2] = [Embedded::Pocket, Embedded::Scenes];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Embedded::Pocket => "pocket",
            Embedded::Scenes => "scenes",
        }
    }

    fn files(self) -> &'static Files {
        static POCKET: Files = files!("../../../www/models/pocket/");
        static SCENES: Files = files!("../../../www/models/scenes/");
        match self {
            Embedded::Pocket => &POCKET,
            Embedded::Scenes => &SCENES,
        }
    }
}

/// A model that can answer.
#[derive(Debug, Clone)]
pub struct Package(Opened);

impl Deref for Package {
    type Target = Opened;

    fn deref(&self) -> &Opened {
        &self.0
    }
}

/// Why a package cannot be used.
#[derive(Debug, Error)]
pub enum LoadError {
    /// A file cannot be read.
    #[error("{path}: {source}; a package is a folder that `refvlm export` made")]
    File {
        /// The file's path.
        path: String,
        /// The underlying I/O error.
        source: std::io::Error,
    },
    /// A file was named, not a folder.
    #[error(
        "{path}: a file, and a package is a folder: give the folder, or make one of weights by \
         `refvlm import`"
    )]
    NoFolder {
        /// The path given.
        path: String,
    },
    /// Neither a folder nor a model inside the program has this name.
    #[error("{path}: no such folder, and no model inside the program; give a folder, or {names}")]
    Absent {
        /// The path given.
        path: String,
        /// The models inside the program.
        names: String,
    },
    /// A file is too large.
    #[error("{path}: {bytes} bytes are too many for a file of a package; export the package again")]
    Large {
        /// The file's path.
        path: String,
        /// The file's length.
        bytes: u64,
    },
    /// The package is damaged or incomplete.
    #[error("{place}: {source}")]
    Opening {
        /// What the package is called.
        place: String,
        /// What is wrong with it.
        source: OpeningError,
    },
    /// The parts of the package don't fit together.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl Package {
    /// Reads a folder.
    ///
    /// # Errors
    /// Names the file that is missing, damaged or of another model.
    pub fn read(dir: &Path, device: &Device) -> Result<Self, LoadError> {
        let place = dir.display().to_string();
        Self::load(&place, device, |name| {
            let path = dir.join(name);
            let file = |source| LoadError::File { path: path.display().to_string(), source };
            let bytes = std::fs::metadata(&path).map_err(file)?.len();
            if bytes > MAX_FILE_BYTES {
                return Err(LoadError::Large { path: path.display().to_string(), bytes });
            }
            std::fs::read(&path).map_err(file)
        })
    }

    /// A model inside the program.
    ///
    /// # Errors
    /// Only when the program was built around a damaged package.
    pub fn embedded(which: Embedded, device: &Device) -> Result<Self, LoadError> {
        let files = which.files();
        Self::load(which.name(), device, |name| match files.iter().find(|file| file.0 == name) {
            Some((_, bytes)) => Ok(bytes.to_vec()),
            None => Err(LoadError::File {
                path: name.into(),
                source: std::io::ErrorKind::NotFound.into(),
            }),
        })
    }

    /// Reads the files that `fetch` hands out by name; `place` is what errors call the package.
    ///
    /// # Errors
    /// As [`Package::read`].
    pub fn load(
        place: &str,
        device: &Device,
        mut fetch: impl FnMut(&str) -> Result<Vec<u8>, LoadError>,
    ) -> Result<Self, LoadError> {
        let failed = |source| LoadError::Opening { place: place.into(), source };
        let mut opening = Opening::begin(&fetch(MANIFEST_FILE)?, device).map_err(failed)?;
        opening.tokenizer(&fetch(TOKENIZER_FILE)?).map_err(failed)?;
        for file in opening.waiting().to_vec() {
            opening.shard(&file, &fetch(&file)?).map_err(failed)?;
        }
        Ok(Self(opening.finish().map_err(failed)?))
    }

    /// A session of its own; sessions share the weights.
    ///
    /// # Errors
    /// When the parts do not belong together.
    pub fn session(&self, device: &Device) -> Result<Session, EngineError> {
        let (config, model) = (self.config.clone(), self.model.clone());
        Session::new(config, model, self.tokenizer.clone(), device.clone(), seconds)
    }
}

/// Seconds since the program started to count.
pub fn seconds() -> f64 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    START.elapsed().as_secs_f64()
}

/// The files of a package of these weights, manifest last.
///
/// # Errors
/// When a weight cannot be stored.
pub fn pack(
    model: &RefVlm,
    tokenizer_json: Vec<u8>,
    quantisation: Quantisation,
    description: Description,
) -> Result<Vec<(String, Vec<u8>)>, PackageError> {
    let mut writer = Writer::new(quantisation).with_tokenizer(tokenizer_json);
    let mut outcome = Ok(());
    visit_named(model, &mut |name, data| {
        if outcome.is_ok() {
            outcome = writer.add(name, &data);
        }
    });
    outcome?;
    let config = description.config.to_string().into_bytes();
    let mut files = vec![(CONFIG_FILE.to_string(), config)];
    files.extend(writer.finish(description)?);
    Ok(files)
}

/// Writes the files of a package, the manifest last, so that a package that was cut off has none.
///
/// # Errors
/// Names the file that cannot be written.
pub fn write(dir: &Path, files: &[(String, Vec<u8>)]) -> Result<(), LoadError> {
    let failed = |path: &Path| {
        let path = path.display().to_string();
        move |source| LoadError::File { path, source }
    };
    std::fs::create_dir_all(dir).map_err(failed(dir))?;
    for (name, bytes) in files {
        let path = dir.join(name);
        write_atomic(&path, bytes).map_err(failed(&path))?;
    }
    Ok(())
}

/// Whether the name of a parameter begins with one of `starts`.
pub fn begins(name: &str, starts: &[String]) -> bool {
    starts.iter().any(|start| name.starts_with(start.as_str()))
}

/// All parameters of a model by name, in f32; what is packed is unpacked.
pub fn values_of(model: &RefVlm) -> HashMap<String, TensorData> {
    let mut values = HashMap::new();
    visit_named(model, &mut |name, data| {
        values.insert(name.to_string(), data.convert::<f32>());
    });
    values
}
