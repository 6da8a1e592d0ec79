//! What the worker holds.

use crate::error::WebError;
use crate::scene::{Drawn, world};
use burn::tensor::Device;
use refvlm_model::engine::{Clock, Session};
use refvlm_model::image::Picture;
use refvlm_model::opening::Opening;
use refvlm_model::package::Quantisation;
use refvlm_protocol::{Ask, Event};
use refvlm_scenes::World;
use serde::Serialize;

const NOT_BEGUN: WebError = WebError::NotBegun("no package is being loaded");

/// The engine of one worker.
pub struct Engine {
    clock: Clock,
    world: Option<World>,
    loading: Option<Loading>,
    session: Option<Session>,
}

/// A package on its way to a device.
struct Loading {
    opening: Opening,
    device: Device,
}

/// A file that the package still needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WantedShard {
    /// Its name beside the manifest.
    pub file: String,
    /// Its length.
    pub bytes: u64,
    /// Its hash, in lower-case hexadecimal.
    pub sha256: String,
}

/// What was loaded.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Loaded {
    /// Name of the preset.
    pub preset: String,
    /// How the weights are stored.
    pub quantisation: Quantisation,
    /// Number of parameters.
    pub parameters: u64,
    /// Bytes of manifest, vocabulary and shards.
    pub package_bytes: u64,
}

impl Engine {
    /// An engine without a model; `clock` gives seconds.
    pub fn new(clock: Clock) -> Self {
        Self { clock, world: None, loading: None, session: None }
    }

    /// Starts to load a package to a device; a model that is there stays until the new one is
    /// complete. Returns the shards that are wanted.
    ///
    /// # Errors
    /// When the manifest or the configuration in it is not valid.
    pub fn begin(&mut self, manifest: &[u8], device: Device) -> Result<Vec<WantedShard>, WebError> {
        self.loading = None;
        let opening = Opening::begin(manifest, &device)?;
        let wanted = opening.manifest().shards.iter().map(|shard| WantedShard {
            file: shard.file.clone(),
            bytes: shard.bytes,
            sha256: shard.sha256.to_ascii_lowercase(),
        });
        let wanted = wanted.collect();
        self.loading = Some(Loading { opening, device });
        Ok(wanted)
    }

    /// Takes the vocabulary of the package that is being loaded.
    ///
    /// # Errors
    /// When it is damaged or not the one in the manifest, or nothing is being loaded.
    pub fn tokenizer(&mut self, json: &[u8]) -> Result<(), WebError> {
        let loading = self.loading.as_mut().ok_or(NOT_BEGUN)?;
        loading.opening.tokenizer(json)?;
        Ok(())
    }

    /// Takes a shard, in any order. After an error the right bytes can still be given.
    ///
    /// # Errors
    /// When it is not the one that the manifest lists.
    pub fn shard(&mut self, file: &str, bytes: &[u8]) -> Result<(), WebError> {
        let loading = self.loading.as_mut().ok_or(NOT_BEGUN)?;
        loading.opening.shard(file, bytes)?;
        Ok(())
    }

    /// Makes the loaded package the one that answers; it has no picture yet.
    ///
    /// # Errors
    /// When something is missing, or the parts do not belong together.
    pub fn finish(&mut self) -> Result<Loaded, WebError> {
        let Loading { opening, device } = self.loading.take().ok_or(NOT_BEGUN)?;
        let opened = opening.finish()?;
        let (preset, quantisation) = (opened.config.preset.clone(), opened.manifest.quantisation);
        let session =
            Session::new(opened.config, opened.model, opened.tokenizer, device, self.clock)?;
        let parameters = session.parameters() as u64;
        let loaded = Loaded { preset, quantisation, parameters, package_bytes: opened.bytes };
        self.session = Some(session);
        Ok(loaded)
    }

    /// Forgets what was loaded so far of a package that is not complete.
    pub fn cancel(&mut self) {
        self.loading = None;
    }

    /// Forgets model and picture.
    pub fn unload(&mut self) {
        self.loading = None;
        self.session = None;
    }

    /// Looks at a picture, and returns how long that took, in seconds. Transparent parts are laid
    /// on white.
    ///
    /// # Shapes
    /// `rgba` `[height, width, 4]`, row-major
    ///
    /// # Errors
    /// When there is no model, or the picture cannot be used; the one before then stays.
    pub async fn set_image(
        &mut self,
        width: u32,
        height: u32,
        rgba: &[u8],
    ) -> Result<f64, WebError> {
        let session = self.session.as_mut().ok_or(WebError::NotLoaded)?;
        let (pixels, rest) = rgba.as_chunks::<4>();
        let expected = u64::from(width) * u64::from(height);
        if pixels.len() as u64 != expected || !rest.is_empty() {
            return Err(WebError::PictureLength { bytes: rgba.len(), width, height });
        }
        let rgb: Vec<u8> = pixels.iter().flat_map(on_white).collect();
        Ok(session.set_image(Picture::new(width, height, &rgb)?).await?)
    }

    /// Asks about the picture. Each event goes to `emit`, which is awaited, so that the caller can
    /// let others run in between; the answer is aborted when it returns false. Returns whether the
    /// answer came to its end.
    ///
    /// # Errors
    /// When there is no model or picture, the question cannot be used, or the engine fails.
    pub async fn ask(
        &mut self,
        ask: &Ask,
        mut emit: impl AsyncFnMut(Event) -> bool,
    ) -> Result<bool, WebError> {
        let session = self.session.as_mut().ok_or(WebError::NotLoaded)?;
        let mut answer = session.ask(ask)?;
        while let Some(event) = answer.next().await {
            if let (Event::Failed { .. }, Some(error)) = (&event, answer.failure()) {
                return Err(error.clone().into());
            }
            if !emit(event).await {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Draws a scene that no training has seen.
    ///
    /// # Errors
    /// When the world's icons are damaged.
    pub fn scene(&mut self, seed: u32, side: u32) -> Result<Drawn, WebError> {
        let world = match self.world.take() {
            Some(world) => world,
            None => world()?,
        };
        Ok(Drawn::new(self.world.insert(world), seed, side))
    }
}

fn on_white(&[r, g, b, a]: &[u8; 4]) -> [u8; 3] {
    let blend = |c: u8| {
        let (c, a) = (u32::from(c), u32::from(a));
        ((c * a + 255 * (255 - a) + 127) / 255) as u8
    };
    [blend(r), blend(g), blend(b)]
}
