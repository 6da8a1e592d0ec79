//! The maps of all towers, and the choice a consumer makes among them.

use crate::layers::resize_bilinear;
use crate::layers::{ConfigError, require};
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

/// Maps of one batch of pictures, all over the same padded square.
#[derive(Debug, Clone)]
pub struct Pyramid {
    /// `[batch, channels, height, width]` each; size and channels differ.
    pub maps: Vec<Tensor<4>>,
}

/// Which maps a module reads and in what form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeatureSelect {
    /// Indices into the pyramid.
    pub index: Vec<usize>,
    /// What happens to the chosen maps.
    pub transform: Transform,
}

/// The forms in which chosen maps are handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transform {
    /// One map: all resized to the size of the first chosen one, channels joined.
    ResizeConcat,
    /// The maps as they are.
    MultipleSelect,
}

impl FeatureSelect {
    /// Channels of the selected maps, given those of the pyramid.
    ///
    /// # Errors
    /// When nothing is chosen or an index points past the pyramid.
    pub fn channels(&self, pyramid: &[usize]) -> Result<Vec<usize>, ConfigError> {
        self.check(pyramid.len())?;
        let chosen = self.index.iter().filter_map(|&i| pyramid.get(i)).copied();
        Ok(match self.transform {
            Transform::ResizeConcat => vec![chosen.sum()],
            Transform::MultipleSelect => chosen.collect(),
        })
    }

    /// The chosen maps.
    ///
    /// # Shapes
    /// - `resize_concat`: one map `[batch, sum of channels, height, width]` of the first choice's
    ///   size
    /// - `multiple_select`: the chosen maps in the order of `index`
    ///
    /// # Errors
    /// When nothing is chosen or an index points past the pyramid.
    pub fn select(&self, pyramid: &Pyramid) -> Result<Vec<Tensor<4>>, ConfigError> {
        self.check(pyramid.maps.len())?;
        let chosen: Vec<_> =
            self.index.iter().filter_map(|&i| pyramid.maps.get(i)).cloned().collect();
        let size = chosen.first().map(Tensor::dims);
        Ok(match (self.transform, size) {
            (Transform::ResizeConcat, Some([_, _, h, w])) => {
                let resized = chosen.into_iter().map(|map| resize_bilinear(map, [h, w])).collect();
                vec![Tensor::cat(resized, 1)]
            }
            _ => chosen,
        })
    }

    fn check(&self, levels: usize) -> Result<(), ConfigError> {
        require(!self.index.is_empty(), "index", || "choose at least one map".into())?;
        match self.index.iter().find(|&&i| i >= levels) {
            Some(i) => require(false, "index", || {
                format!("map {i} of a pyramid of {levels}; indices start at 0")
            }),
            None => Ok(()),
        }
    }
}
