//! From a picture to the square the towers see, and back.
//!
//! A picture is padded to a square, resized as Pillow does it, and normalised. [`Frame`] knows
//! where the picture lies in the square and maps boxes, points and masks both ways.

mod coverage;
mod digits;
mod frame;
mod preprocess;

pub use coverage::share_of_cells;
pub use digits::BoxDigits;
pub use frame::Frame;
pub use preprocess::{FILL_RGB, Picture, Preprocess, resize_square};
pub use refvlm_shaders::{resize_bicubic, resize_bilinear};

use refvlm_record::MAX_SIDE_PX;

/// Why a picture, or a map over it, cannot be used.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ImageError {
    /// A side is zero or beyond [`MAX_SIDE_PX`].
    #[error("picture of {width}x{height} px: sides must be 1..={MAX_SIDE_PX}; scale it down first")]
    Side {
        /// Number of columns.
        width: u32,
        /// Number of rows.
        height: u32,
    },
    /// The side to resize to is zero or beyond [`MAX_SIDE_PX`].
    #[error("input size of {size} px: set `size` in the preprocessing config to 1..={MAX_SIDE_PX}")]
    Size {
        /// The side asked for.
        size: u32,
    },
    /// The number of values does not match the size.
    #[error(
        "{what}: {found} values, the size needs {expected}: pass the whole buffer, without padding"
    )]
    Length {
        /// Which buffer it is.
        what: &'static str,
        /// Values needed.
        expected: usize,
        /// Values given.
        found: usize,
    },
    /// The normalisation is not finite or divides by zero.
    #[error("normalisation with mean {mean:?} and std {std:?}: must be finite, std above 0")]
    Normalisation {
        /// Subtracted per channel.
        mean: [f32; 3],
        /// Divides per channel.
        std: [f32; 3],
    },
    /// The mask has another size than the picture.
    #[error("mask of {width}x{height} px for a picture of {expected_width}x{expected_height} px")]
    Mask {
        /// Columns of the mask.
        width: u32,
        /// Rows of the mask.
        height: u32,
        /// Columns of the picture.
        expected_width: u32,
        /// Rows of the picture.
        expected_height: u32,
    },
}
