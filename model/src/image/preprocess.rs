//! Padding to a square, resizing and normalising.

use super::{Frame, ImageError};
use burn::tensor::{DType, Device, Tensor, TensorData};
use refvlm_shaders::resize_bicubic;
use serde::{Deserialize, Serialize};

/// The colour around the picture: the mean colour of CLIP's training pictures, whatever the tower.
pub const FILL_RGB: [u8; 3] = [122, 116, 104];

/// A checked view of 8-bit RGB pixels.
#[derive(Debug, Clone, Copy)]
pub struct Picture<'a> {
    width: u32,
    height: u32,
    rgb: &'a [u8],
}

impl<'a> Picture<'a> {
    /// Wraps `width * height * 3` bytes, row-major.
    ///
    /// # Errors
    /// When a side is zero or too large, or the buffer has another length.
    pub fn new(width: u32, height: u32, rgb: &'a [u8]) -> Result<Self, ImageError> {
        Frame::new(width, height, 1)?;
        let expected = width as usize * height as usize * 3;
        if rgb.len() != expected {
            let found = rgb.len();
            return Err(ImageError::Length { what: "picture bytes", expected, found });
        }
        Ok(Self { width, height, rgb })
    }

    /// `[width, height]` in px.
    pub fn size(&self) -> [u32; 2] {
        [self.width, self.height]
    }

    /// The pixels of a part, `[x, y, w, h]` in px, as far as it lies on the picture; row-major RGB.
    pub fn crop(&self, [x, y, w, h]: [u32; 4]) -> Vec<u8> {
        let rows = (y as usize..(y as usize).saturating_add(h as usize)).map(|row| self.row(row));
        rows.flat_map(|row| row.iter().skip(x as usize * 3).take(w as usize * 3).copied()).collect()
    }

    /// `width * height * 3` bytes, row-major.
    pub fn rgb(&self) -> &'a [u8] {
        self.rgb
    }

    /// One row of the padded square, `side * 3` bytes.
    pub(crate) fn padded_row(&self, frame: &Frame, y: usize, row: &mut [u8]) {
        for pixel in row.as_chunks_mut::<3>().0 {
            *pixel = FILL_RGB;
        }
        if let Some(y) = y.checked_sub(frame.pad_y as usize) {
            let pixels = self.row(y);
            row[frame.pad_x as usize * 3..][..pixels.len()].copy_from_slice(pixels);
        }
    }

    /// One row of `width * 3` bytes; empty below the picture.
    pub(crate) fn row(&self, y: usize) -> &'a [u8] {
        self.rgb.chunks_exact(self.width as usize * 3).nth(y).unwrap_or_default()
    }
}

/// What a tower expects of its input.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preprocess {
    /// Side of the tower's input in pixels.
    pub size: u32,
    /// Subtracted from each channel in 0..1.
    #[serde(default = "clip_mean")]
    pub mean: [f32; 3],
    /// Divides each channel.
    #[serde(default = "clip_std")]
    pub std: [f32; 3],
}

fn clip_mean() -> [f32; 3] {
    [0.481_454_66, 0.457_827_5, 0.408_210_73]
}

fn clip_std() -> [f32; 3] {
    [0.268_629_54, 0.261_302_6, 0.275_777_1]
}

impl Preprocess {
    /// CLIP's normalisation, used by its ViT and its ConvNeXt.
    pub fn clip(size: u32) -> Self {
        Self { size, mean: clip_mean(), std: clip_std() }
    }

    /// ImageNet's normalisation, used by DINOv2 and SAM.
    pub fn imagenet(size: u32) -> Self {
        Self { size, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] }
    }

    /// EfficientNet-Lite's normalisation, `(byte - 127) / 128`.
    pub fn efficientnet_lite(size: u32) -> Self {
        Self { size, mean: [127.0 / 255.0; 3], std: [128.0 / 255.0; 3] }
    }

    /// Pads, resizes and normalises.
    ///
    /// # Shapes
    /// returns the frame and `[3, size, size]` values, channels first
    ///
    /// # Errors
    /// When `size` is zero or too large, or the normalisation would not give finite numbers.
    pub fn apply(&self, picture: Picture) -> Result<(Frame, Vec<f32>), ImageError> {
        let frame = self.frame(picture)?;
        let rgb = resize_square(picture, &frame);
        let mut values = Vec::with_capacity(rgb.len());
        for (channel, table) in self.table().as_chunks::<256>().0.iter().enumerate() {
            let bytes = rgb.iter().skip(channel).step_by(3);
            values.extend(bytes.map(|&byte| table[usize::from(byte)]));
        }
        Ok((frame, values))
    }

    /// The same as a batch of one on a device; on a GPU it is done there, with the same result.
    ///
    /// # Shapes
    /// returns the frame and `[1, 3, size, size]` values
    ///
    /// # Errors
    /// As [`Preprocess::apply`].
    pub fn tensor(
        &self,
        picture: Picture,
        device: &Device,
    ) -> Result<(Frame, Tensor<4>), ImageError> {
        #[cfg(feature = "wgpu")]
        if refvlm_shaders::gpu::runs_on(device) {
            use refvlm_shaders::gpu::{Normalise, resize_picture};
            let frame = self.frame(picture)?;
            let normalise = Normalise { fill: FILL_RGB, table: self.table() };
            let size = frame.size as usize;
            // A picture too large for the device's bindings is left to the CPU.
            let values = resize_picture(picture.rgb, frame.window(), size, &normalise, device);
            if let Some(values) = values {
                return Ok((frame, values));
            }
        }
        let (frame, values) = self.apply(picture)?;
        let size = frame.size as usize;
        let values = TensorData::new(values, [1, 3, size, size]);
        Ok((frame, Tensor::from_data(values, (device, DType::F32))))
    }

    fn frame(&self, picture: Picture) -> Result<Frame, ImageError> {
        let [width, height] = picture.size();
        let frame = Frame::new(width, height, self.size)?;
        let normal = |v: &f32| v.is_finite() && *v > 0.0;
        if !self.std.iter().all(normal) || !self.mean.iter().all(|v| v.is_finite()) {
            return Err(ImageError::Normalisation { mean: self.mean, std: self.std });
        }
        Ok(frame)
    }

    /// The value of each byte: `[3, 256]`, row-major.
    fn table(&self) -> Vec<f32> {
        let channels = self.mean.iter().zip(&self.std);
        let value =
            |(mean, std): (&f32, &f32), v: u32| ((f64::from(v) / 255.0) as f32 - mean) / std;
        channels.flat_map(|channel| (0..256).map(move |v| value(channel, v))).collect()
    }
}

/// The picture in its square at the frame's size, still in bytes; with `size == side` the padded
/// picture itself.
///
/// # Shapes
/// returns `[size, size, 3]` bytes
pub fn resize_square(picture: Picture, frame: &Frame) -> Vec<u8> {
    let (side, size) = (frame.side as usize, frame.size as usize);
    resize_bicubic::<3>([side; 2], [size; 2], |y, row| picture.padded_row(frame, y, row))
}
