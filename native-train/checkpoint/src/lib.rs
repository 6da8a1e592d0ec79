//! Foreign checkpoint files, read tensor by tensor.
//!
//! Every format comes down to the same thing: tensors that lie at some place of some file in some
//! encoding. [`Checkpoint::open`] reads headers only; [`Checkpoint::read`] fetches one tensor, or
//! [`Checkpoint::read_range`] a part of it, as f32. No header is trusted: what it says is checked
//! against the length of the file before anything is allocated.
//!
//! Names are the file's own, without wrappers such as a `state_dict` around them or a `module.`
//! before them; [`Checkpoint::notes`] says what was taken off.

mod encoding;
mod error;
mod folder;
pub mod gguf;
mod json;
pub mod llama;
pub mod lora;
mod names;
mod onnx;
mod safetensors;
mod source;
mod torch;
mod what;

pub use encoding::Encoding;
pub use error::CheckpointError;
pub use gguf::Metadata;
pub use source::Source;

use std::collections::HashMap;
use std::path::Path;

/// More tensors than any model has that this program can hold.
const MAX_TENSORS: u64 = 100_000;
/// Bytes of a name.
const MAX_NAME: u64 = 1024;
/// Axes of a tensor.
const MAX_AXES: usize = 8;
/// Bytes that are decoded at once.
const CHUNK: usize = 1 << 20;

/// A format of checkpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Hugging Face's, one file or several with an index.
    Safetensors,
    /// llama.cpp's.
    Gguf,
    /// PyTorch's pickle and storages, in an archive or, before 1.6, one after the other.
    Torch,
    /// A graph with its weights.
    Onnx,
}

impl Format {
    /// Its usual name.
    pub fn name(self) -> &'static str {
        match self {
            Format::Safetensors => "safetensors",
            Format::Gguf => "GGUF",
            Format::Torch => "PyTorch",
            Format::Onnx => "ONNX",
        }
    }
}

/// A tensor and where it lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tensor {
    /// Its name.
    pub name: String,
    /// Its sizes, the slowest axis first.
    pub shape: Vec<usize>,
    /// How its numbers are stored.
    pub encoding: Encoding,
    /// Which of the checkpoint's files.
    pub file: usize,
    /// Its first byte.
    pub at: u64,
    /// Its bytes.
    pub bytes: u64,
    /// Numbers from one place of an axis to the next, where rows don't lie one after the other.
    strides: Option<Vec<usize>>,
}

impl Tensor {
    /// Numbers it holds.
    pub fn numel(&self) -> usize {
        self.shape.iter().product()
    }
}

/// The tensors of a checkpoint; their values stay in its files until they are read.
#[derive(Debug)]
pub struct Checkpoint {
    /// Its format.
    pub format: Format,
    /// Settings in the file; only GGUF has any.
    pub metadata: Metadata,
    /// What a person should know of it, a sentence each.
    pub notes: Vec<String>,
    files: Vec<Source>,
    tensors: Vec<Tensor>,
    by_name: HashMap<String, usize>,
}

impl Checkpoint {
    /// Opens a file by its content, all parts of a split GGUF by one of them, or a folder by the
    /// weights in it.
    ///
    /// # Errors
    /// When the format is unknown, or the file is damaged or incomplete.
    pub fn open(path: &Path) -> Result<Self, CheckpointError> {
        let found = if path.is_dir() { Some(folder::weights(path)?) } else { None };
        Self::open_file(found.as_deref().unwrap_or(path))?.unwrapped()
    }

    /// Opens a single file by its content.
    ///
    /// # Errors
    /// As [`Checkpoint::open`].
    pub fn from_source(source: Source) -> Result<Self, CheckpointError> {
        Self::of_source(source)?.unwrapped()
    }

    fn open_file(path: &Path) -> Result<Self, CheckpointError> {
        if path.extension().is_some_and(|e| e == "json") {
            return Self::open_index(path);
        }
        match folder::Part::of(path) {
            Some(part) if part.is_gguf() => folder::split(path, &part),
            Some(part) if part.count > 1 => {
                let mut checkpoint = Self::of_source(Source::open(path)?)?;
                let count = part.count;
                checkpoint.notes.push(format!(
                    "{} is one of {count} parts; give the folder or the index to read all",
                    path.display()
                ));
                Ok(checkpoint)
            }
            _ => Self::of_source(Source::open(path)?),
        }
    }

    fn of_source(source: Source) -> Result<Self, CheckpointError> {
        let mut start = [0; 8];
        let seen = source.length().min(8) as usize;
        source.read_at(0, &mut start[..seen])?;
        if gguf::is_one(&source) {
            let (metadata, tensors) = gguf::read(&source)?;
            if let Some((number, count)) = gguf::split(&metadata).filter(|&(_, count)| count > 1) {
                return Err(CheckpointError::Unsupported {
                    file: source.name().into(),
                    what: format!("part {} of {count} of a split GGUF", number + 1),
                    remedy: "lay all parts beside each other under the names that they were \
                             published with, NAME-00001-of-00005.gguf, and give one of them",
                });
            }
            return Self::new(Format::Gguf, metadata, vec![source], tensors);
        }
        // A header's length of eight bytes, then the header, which is an object.
        let mut brace = [0];
        if source.length() > 8 && source.read_at(8, &mut brace).is_ok() && brace == *b"{" {
            let tensors = safetensors::read(&source, 0)?;
            return Self::new(Format::Safetensors, Metadata::default(), vec![source], tensors);
        }
        let (format, tensors, notes) = if let Some(form) = torch::Form::of(&start) {
            let (tensors, notes) = torch::read(&source, form)?;
            (Format::Torch, tensors, notes)
        } else if onnx::is_one(&start) {
            (Format::Onnx, onnx::read(&source)?, vec![])
        } else if torch::is_tar(&source) {
            return Err(CheckpointError::Unsupported {
                file: source.name().into(),
                what: "a tar archive, which PyTorch wrote before 0.1.10".into(),
                remedy: "load it with torch.load and save it again with torch.save; \
                         any other archive has to be unpacked",
            });
        } else {
            return Err(what::refusal(&source));
        };
        let mut checkpoint = Self::new(format, Metadata::default(), vec![source], tensors)?;
        checkpoint.notes = notes;
        Ok(checkpoint)
    }

    /// Without the wrappers of training programs around the names.
    fn unwrapped(mut self) -> Result<Self, CheckpointError> {
        let notes = names::unwrap(&mut self.tensors);
        if notes.is_empty() {
            return Ok(self);
        }
        let Self { format, metadata, files, tensors, notes: mut all, .. } = self;
        all.extend(notes);
        Ok(Self { notes: all, ..Self::new(format, metadata, files, tensors)? })
    }

    /// Opens the files that an index of Hugging Face names, each beside the index.
    ///
    /// # Errors
    /// When one is missing, or they hold other tensors than the index says.
    fn open_index(path: &Path) -> Result<Self, CheckpointError> {
        let shards = json::index(&Source::open(path)?)?;
        let index = path.display().to_string();
        let (mut files, mut tensors, mut notes) = (vec![], vec![], vec![]);
        let mut format = Format::Safetensors;
        for (shard, names) in shards {
            let file = path.with_file_name(&shard);
            if !file.is_file() {
                return Err(CheckpointError::MissingShard { index, shard });
            }
            let part = Self::of_source(Source::open(&file)?)?;
            if let Some(name) = names.iter().find(|name| !part.by_name.contains_key(*name)) {
                let tensor = name.clone();
                return Err(CheckpointError::Index { index, tensor, shard });
            }
            format = part.format;
            notes.extend(part.notes);
            tensors.extend(part.tensors.into_iter().map(|t| Tensor { file: files.len(), ..t }));
            files.extend(part.files);
        }
        notes.dedup();
        Ok(Self { notes, ..Self::new(format, Metadata::default(), files, tensors)? })
    }

    fn new(
        format: Format,
        metadata: Metadata,
        files: Vec<Source>,
        tensors: Vec<Tensor>,
    ) -> Result<Self, CheckpointError> {
        let mut by_name = HashMap::with_capacity(tensors.len());
        for (place, tensor) in tensors.iter().enumerate() {
            let source = &files[tensor.file];
            source.check(tensor.at, tensor.bytes)?;
            if by_name.insert(tensor.name.clone(), place).is_some() {
                let (file, tensor) = (source.name().into(), tensor.name.clone());
                return Err(CheckpointError::Duplicate { file, tensor });
            }
        }
        Ok(Self { format, metadata, notes: vec![], files, tensors, by_name })
    }

    /// All tensors, in the order of the file.
    pub fn tensors(&self) -> &[Tensor] {
        &self.tensors
    }

    /// The files the tensors lie in.
    pub fn files(&self) -> &[Source] {
        &self.files
    }

    /// A tensor by its name.
    pub fn get(&self, name: &str) -> Option<&Tensor> {
        self.by_name.get(name).map(|&place| &self.tensors[place])
    }

    /// A tensor that has to be there.
    ///
    /// # Errors
    /// When it isn't.
    pub fn require(&self, name: &str) -> Result<&Tensor, CheckpointError> {
        self.get(name).ok_or_else(|| CheckpointError::NoTensor {
            file: self.files.first().map_or_else(String::new, |file| file.name().into()),
            tensor: name.into(),
        })
    }

    /// All numbers of one of this checkpoint's tensors, the last axis fastest.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn read(&self, tensor: &Tensor) -> Result<Vec<f32>, CheckpointError> {
        let mut out = vec![0.0; tensor.numel()];
        self.read_range(tensor, 0, &mut out)?;
        Ok(out)
    }

    /// The bytes of one of this checkpoint's tensors as they are stored.
    ///
    /// # Errors
    /// When the file can't be read.
    pub fn read_bytes(&self, tensor: &Tensor) -> Result<Vec<u8>, CheckpointError> {
        self.files[tensor.file].read_vec(tensor.at, tensor.bytes)
    }

    /// The numbers from the `first` on, as many as `out` takes. Both have to be multiples of the
    /// encoding's block, which rows are.
    ///
    /// # Errors
    /// When there are not so many, or the file can't be read.
    pub fn read_range(
        &self,
        tensor: &Tensor,
        first: usize,
        out: &mut [f32],
    ) -> Result<(), CheckpointError> {
        let file = &self.files[tensor.file];
        let encoding = tensor.encoding;
        let inside = first.checked_add(out.len()).is_some_and(|end| end <= tensor.numel());
        let whole =
            first.is_multiple_of(encoding.block()) && out.len().is_multiple_of(encoding.block());
        if !inside || !whole {
            let reason = format!("{} numbers from {first} on reach beyond it", out.len());
            return Err(shape_error(file, tensor, reason));
        }
        if encoding == Encoding::Varint {
            let bytes = file.read_vec(tensor.at, tensor.bytes)?;
            let mut all = vec![0.0; tensor.numel()];
            onnx::decode_varints(&bytes, &mut all)
                .ok_or_else(|| shape_error(file, tensor, "holds another number of values"))?;
            out.copy_from_slice(&all[first..][..out.len()]);
            return Ok(());
        }
        if let Some(strides) = &tensor.strides {
            return read_strided(file, tensor, strides, first, out);
        }
        let skipped = encoding.bytes(first).unwrap_or(u64::MAX);
        let mut at = tensor.at.saturating_add(skipped);
        let blocks = CHUNK / encoding.block_bytes();
        let mut bytes = vec![];
        for part in out.chunks_mut(blocks * encoding.block()) {
            bytes.resize(part.len() / encoding.block() * encoding.block_bytes(), 0);
            file.read_at(at, &mut bytes)?;
            encoding.decode(&bytes, part);
            at += bytes.len() as u64;
        }
        Ok(())
    }
}

/// Reads the stretch of the file that the numbers lie in, and picks them out of it.
fn read_strided(
    file: &Source,
    tensor: &Tensor,
    strides: &[usize],
    first: usize,
    out: &mut [f32],
) -> Result<(), CheckpointError> {
    let size = tensor.encoding.block_bytes();
    let mut bytes = file.read_vec(tensor.at, tensor.bytes)?;
    let stretch = bytes.len() / size;
    for (k, out) in out.iter_mut().enumerate() {
        let (mut rest, mut place) = (first + k, 0usize);
        for (&n, &stride) in tensor.shape.iter().zip(strides).rev() {
            place = place.saturating_add((rest % n).saturating_mul(stride));
            rest /= n;
        }
        if place >= stretch {
            return Err(shape_error(file, tensor, "its strides leave its storage"));
        }
        let number = &mut bytes[place * size..][..size];
        tensor.encoding.decode(number, std::slice::from_mut(out));
    }
    Ok(())
}

fn shape_error(file: &Source, tensor: &Tensor, reason: impl Into<String>) -> CheckpointError {
    CheckpointError::Shape {
        file: file.name().into(),
        tensor: tensor.name.clone(),
        shape: tensor.shape.clone(),
        reason: reason.into(),
    }
}

/// Numbers of a shape; none when there are too many to count.
fn count(shape: &[usize]) -> Option<usize> {
    shape.iter().try_fold(1usize, |product, &n| product.checked_mul(n))
}
