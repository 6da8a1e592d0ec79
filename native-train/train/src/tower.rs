//! Frozen towers look at each picture once: their maps are kept on disk.
//!
//! A tower that is not trained gives the same maps for the same picture each time, so a run on a
//! CPU learns at the speed of the other parts alone. A file holds the maps of one picture as f16;
//! its name is a hash of the weights, the input's size and whatever identifies the picture. A file
//! that is damaged or cut off is made anew.

use burn::tensor::{Device, Tensor};
use half::f16;
use refvlm_files::files::{hex, write_atomic};
use refvlm_model::config::ModelConfig;
use refvlm_model::image::{Frame, Picture};
use refvlm_model::input::{Inputs, Pixels};
use refvlm_model::learning::example::Look;
use refvlm_model::package::by_name::visit_named;
use refvlm_model::refvlm::RefVlm;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes of the hash at a file's end.
const SEAL: usize = 8;

/// The towers of a model that are not trained, and what they have seen.
pub struct FrozenTowers {
    model: RefVlm,
    config: ModelConfig,
    weights: String,
    folder: Option<PathBuf>,
    limit: u64,
    written: AtomicU64,
}

impl FrozenTowers {
    /// The towers of `model`, whose parameters must not change any more. Maps are kept in `folder`
    /// as long as they take at most `limit` bytes; without one they are made each time.
    ///
    /// # Errors
    /// When the folder cannot be read or made.
    pub fn new(
        model: &RefVlm,
        config: &ModelConfig,
        folder: Option<PathBuf>,
        limit: u64,
    ) -> std::io::Result<Self> {
        let model = model.clone();
        let mut hash = Sha256::new();
        visit_named(&model.visual_encoder, &mut |name, data| {
            hash.update(name.as_bytes());
            hash.update(data.as_bytes());
        });
        let mut written = 0;
        if let Some(folder) = &folder {
            std::fs::create_dir_all(folder)?;
            for entry in std::fs::read_dir(folder)? {
                written += entry?.metadata()?.len();
            }
        }
        Ok(Self {
            weights: hex(&hash.finalize()),
            model,
            config: config.clone(),
            folder,
            limit,
            written: AtomicU64::new(written),
        })
    }

    /// The maps of a picture of this size. `id` says which picture it is: equal ids must mean
    /// equal pixels; one without is not kept. `pixels` is asked for the picture's bytes (RGB, row-major) only when its maps
    /// are not there yet.
    ///
    /// # Errors
    /// When the picture cannot be read or its size is out of bounds.
    pub fn look(
        &self,
        id: Option<&str>,
        [width, height]: [u32; 2],
        pixels: impl FnOnce() -> Result<Vec<u8>, String>,
    ) -> Result<(Frame, Look), String> {
        let size = self.config.visual_encoder.image_size() as u32;
        let frame = Frame::new(width, height, size).map_err(|e| e.to_string())?;
        let path = self.folder.as_ref().zip(id).map(|(folder, id)| {
            let name = Sha256::digest(format!("{} {size} {width}x{height} {id}", self.weights));
            folder.join(format!("{}.f16", hex(&name)))
        });
        if let Some(maps) = path.as_deref().and_then(|path| self.read(path)) {
            return Ok((frame, Look::Maps(maps)));
        }
        let rgb = pixels()?;
        let picture = Picture::new(width, height, &rgb).map_err(|e| e.to_string())?;
        let maps = self.maps(picture)?;
        if let Some(path) = path {
            self.write(&path, &maps)?;
        }
        Ok((frame, Look::Maps(maps)))
    }

    fn maps(&self, picture: Picture) -> Result<Vec<Vec<f32>>, String> {
        let (_, pixels) = Pixels::new(&self.config, picture).map_err(|e| e.to_string())?;
        let inputs = Inputs::stack(&[&pixels], &self.config, &Device::flex());
        let pyramid = self.model.maps(inputs.pixels, inputs.tower_pixels);
        let host = |map: Tensor<4>| map.into_data().iter::<f32>().collect();
        Ok(pyramid.maps.into_iter().map(host).collect())
    }

    fn read(&self, path: &Path) -> Option<Vec<Vec<f32>>> {
        let bytes = std::fs::read(path).ok()?;
        let (values, seal) = bytes.split_at_checked(bytes.len().checked_sub(SEAL)?)?;
        let sizes = self.config.pyramid_channels().into_iter().zip(self.config.pyramid_sides());
        let lengths: Vec<usize> = sizes.map(|(channels, side)| channels * side * side).collect();
        if values.len() != 2 * lengths.iter().sum::<usize>() || seal != sealed(values) {
            return None;
        }
        let mut values =
            values.as_chunks::<2>().0.iter().map(|&bytes| f16::from_le_bytes(bytes).to_f32());
        Some(lengths.into_iter().map(|length| values.by_ref().take(length).collect()).collect())
    }

    fn write(&self, path: &Path, maps: &[Vec<f32>]) -> Result<(), String> {
        let values = maps.iter().flatten().flat_map(|&v| f16::from_f32(v).to_le_bytes());
        let mut bytes: Vec<u8> = values.collect();
        let seal = sealed(&bytes);
        bytes.extend(seal);
        let length = bytes.len() as u64;
        if self.written.fetch_add(length, Ordering::Relaxed) + length > self.limit {
            return Ok(());
        }
        write_atomic(path, &bytes).map_err(|e| format!("{}: {e}", path.display()))
    }
}

/// The first bytes of the hash of a file's values.
fn sealed(values: &[u8]) -> [u8; SEAL] {
    let hash = Sha256::digest(values);
    std::array::from_fn(|i| hash[i])
}
