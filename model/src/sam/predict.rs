//! SAM by itself: a picture is looked at once, then asked with points, a box or a mask.

use super::{MaskChoice, PointLabel, Sam};
use crate::image::{Frame, ImageError, Picture, resize_bilinear, share_of_cells};
use crate::layers;
use burn::tensor::{Device, Int, Tensor, TensorData};
use refvlm_record::Mask;
use thiserror::Error;

/// Subtracted from each channel in 0..=255.
const MEAN: [f32; 3] = [123.675, 116.28, 103.53];
/// Divides each channel.
const STD: [f32; 3] = [58.395, 57.12, 57.375];
/// The logit that stands for certainty where a mask is drawn instead of predicted.
const CERTAIN: f32 = 10.0;

/// Why SAM cannot answer.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum SamError {
    /// The picture, or a mask over it, cannot be used.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// The prompt has no point, box or mask.
    #[error("the prompt is empty; give a point, a box or a mask")]
    Empty,
    /// A coordinate lies outside the picture or is not finite.
    #[error("{what} {at:?} lies outside the picture of {width}x{height} px; move it inside")]
    Outside {
        /// Which part of the prompt.
        what: &'static str,
        /// The coordinates.
        at: Vec<f32>,
        /// Columns of the picture.
        width: u32,
        /// Rows of the picture.
        height: u32,
    },
    /// The mask prompt has another size.
    #[error("mask prompt of {found} logits; give {side}x{side}, as `SamMask::low_res` has")]
    MaskPrompt {
        /// Values given.
        found: usize,
        /// Side of the map that is needed.
        side: usize,
    },
    /// Reading from the device failed.
    #[error("the device failed: {0}; reload the model")]
    Device(String),
}

/// Where a picture lies in SAM's square: at the top left, its longer side filling it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SamFrame {
    /// Columns of the picture in px.
    pub width: u32,
    /// Rows of the picture in px.
    pub height: u32,
    /// Side of the square in its own px.
    pub size: u32,
    /// Columns and rows of the square that show the picture.
    pub shown: [u32; 2],
}

impl SamFrame {
    /// # Errors
    /// When a side is zero or too large.
    pub fn new(width: u32, height: u32, size: u32) -> Result<Self, ImageError> {
        let side = f64::from(Frame::new(width, height, size)?.side);
        let scaled = |length: u32| {
            let length = f64::from(length) * f64::from(size) / side + 0.5;
            (length as u32).clamp(1, size)
        };
        Ok(Self { width, height, size, shown: [scaled(width), scaled(height)] })
    }

    /// px of the picture -> px of the square as SAM counts them: whole numbers at the centres of
    /// pixels.
    fn point(&self, [x, y]: [f32; 2]) -> [f32; 2] {
        let scale = |v: f32, shown: u32, length: u32| v * (shown as f32 / length as f32) - 0.5;
        [scale(x, self.shown[0], self.width), scale(y, self.shown[1], self.height)]
    }

    fn inside(&self, what: &'static str, [x, y]: [f32; 2]) -> Result<(), SamError> {
        let within = |v: f32, limit: u32| (0.0..=limit as f32).contains(&v);
        if within(x, self.width) && within(y, self.height) {
            return Ok(());
        }
        let (width, height) = (self.width, self.height);
        Err(SamError::Outside { what, at: vec![x, y], width, height })
    }

    /// A drawn mask as logits over the square, for [`SamPrompt::mask`]; from -10 where nothing of
    /// a cell is covered to 10 where all is.
    ///
    /// # Shapes
    /// returns `[side, side]`
    ///
    /// # Errors
    /// When the mask has not the picture's size.
    pub fn mask_logits(&self, mask: &Mask, side: usize) -> Result<Vec<f32>, ImageError> {
        let frame = Frame::new(self.width, self.height, self.size)?;
        frame.check_mask(mask)?;
        let (width, square) = (self.width as usize, frame.side as usize);
        let shares = share_of_cells([square; 2], [side; 2], |y, row| {
            row.fill(0);
            if let Some(pixels) = mask.pixels.chunks_exact(width).nth(y) {
                row[..width].copy_from_slice(pixels);
            }
        });
        Ok(shares.into_iter().map(|share| (share * 2.0 - 1.0) * CERTAIN).collect())
    }
}

/// SAM's input: the picture scaled as Pillow's bilinear filter does it, normalised, zeros below
/// and to the right.
///
/// # Shapes
/// returns the frame and `[3, size, size]` values, channels first
///
/// # Errors
/// When `size` is zero or too large.
pub fn sam_pixels(picture: Picture, size: u32) -> Result<(SamFrame, Vec<f32>), ImageError> {
    let [width, height] = picture.size();
    let frame = SamFrame::new(width, height, size)?;
    let shown = frame.shown.map(|length| length as usize);
    let rgb = resize_bilinear::<3>([width as usize, height as usize], shown, |y, row| {
        row.copy_from_slice(picture.row(y));
    });
    Ok((frame, normalise(&rgb, shown, size as usize)))
}

/// The same of the padded square, which is how SAM sees a picture as part of a REF-VLM.
///
/// # Shapes
/// returns `[3, size, size]` values, channels first
///
/// # Errors
/// When `size` is zero or too large.
pub fn sam_square_pixels(picture: Picture, size: u32) -> Result<Vec<f32>, ImageError> {
    let [width, height] = picture.size();
    let frame = Frame::new(width, height, size)?;
    let (side, size) = (frame.side as usize, size as usize);
    let rgb = resize_bilinear::<3>([side; 2], [size; 2], |y, row| {
        picture.padded_row(&frame, y, row);
    });
    Ok(normalise(&rgb, [size; 2], size))
}

/// # Shapes
/// `[rows, columns, 3]` bytes -> `[3, size, size]` values
fn normalise(rgb: &[u8], [columns, rows]: [usize; 2], size: usize) -> Vec<f32> {
    let mut values = vec![0.0; 3 * size * size];
    for (channel, plane) in values.chunks_exact_mut(size * size).enumerate() {
        let bytes = rgb.chunks_exact(columns * 3).take(rows);
        for (row, bytes) in plane.chunks_exact_mut(size).zip(bytes) {
            for (value, pixel) in row.iter_mut().zip(bytes.as_chunks::<3>().0) {
                *value = (f32::from(pixel[channel]) - MEAN[channel]) / STD[channel];
            }
        }
    }
    values
}

/// A picture that SAM looked at.
#[derive(Debug, Clone)]
pub struct SamImage {
    /// Where it lies.
    pub frame: SamFrame,
    /// `[1, dim, grid, grid]`.
    pub embedding: Tensor<4>,
}

/// What is asked, in px of the picture. One thing is meant by all of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SamPrompt {
    /// x, y, and whether the thing is there or not there.
    pub points: Vec<([f32; 2], bool)>,
    /// x, y, width, height.
    pub bbox: Option<[f32; 4]>,
    /// Logits over the square, as [`SamMask::low_res`] of an earlier answer or
    /// [`SamFrame::mask_logits`] of a drawn mask has them.
    pub mask: Option<Vec<f32>>,
}

/// One answer.
#[derive(Debug, Clone, PartialEq)]
pub struct SamMask {
    /// In px of the picture.
    pub mask: Mask,
    /// The IoU that it is expected to have.
    pub iou: f32,
    /// Logits over SAM's square at the decoder's resolution, row-major.
    pub low_res: Vec<f32>,
}

impl Sam {
    /// Looks at a picture.
    ///
    /// # Errors
    /// When the picture's size is out of bounds.
    pub fn look(&self, picture: Picture) -> Result<SamImage, SamError> {
        let size = self.prompt_encoder.image_size();
        let (frame, values) = sam_pixels(picture, size as u32)?;
        let pixels = TensorData::new(values, [1, 3, size, size]);
        let pixels = Tensor::<4>::from_data(pixels, &self.device());
        Ok(SamImage { frame, embedding: self.image_encoder.forward(pixels) })
    }

    /// Answers a prompt: one mask, or several guesses at what is meant.
    ///
    /// # Errors
    /// When the prompt is empty or lies outside of the picture.
    pub async fn ask(
        &self,
        image: &SamImage,
        prompt: &SamPrompt,
        choice: MaskChoice,
    ) -> Result<Vec<SamMask>, SamError> {
        let (sparse, dense) = self.prompts(&image.frame, prompt)?;
        let positions = self.prompt_encoder.positions();
        let out =
            self.mask_decoder.forward(image.embedding.clone(), positions, sparse, dense, choice);
        let frame = &image.frame;
        let (size, [columns, rows]) = (frame.size as usize, frame.shown.map(|v| v as usize));
        let square = layers::resize_bilinear(out.logits.clone(), [size, size]);
        let shown = square.narrow(2, 0, rows).narrow(3, 0, columns);
        let (width, height) = (frame.width as usize, frame.height as usize);
        let full = host(layers::resize_bilinear(shown, [height, width])).await?;
        let (iou, low_res) = (host(out.iou).await?, host(out.logits).await?);
        let low_res = low_res.chunks_exact(self.prompt_encoder.mask_side().pow(2));
        let masks = full.chunks_exact(width * height).zip(iou).zip(low_res);
        let answer = |((logits, iou), low_res): ((&[f32], f32), &[f32])| {
            let pixels = logits.iter().map(|&logit| u8::from(logit > 0.0)).collect();
            let mask = Mask { width: frame.width, height: frame.height, pixels };
            SamMask { mask, iou, low_res: low_res.to_vec() }
        };
        Ok(masks.map(answer).collect())
    }

    /// Sparse and dense embeddings of a prompt.
    fn prompts(
        &self,
        frame: &SamFrame,
        prompt: &SamPrompt,
    ) -> Result<(Option<Tensor<3>>, Tensor<3>), SamError> {
        let (encoder, device) = (&self.prompt_encoder, self.device());
        let mut places = Vec::new();
        let mut labels = Vec::new();
        for &(at, present) in &prompt.points {
            frame.inside("point", at)?;
            places.extend(frame.point(at));
            let label = if present { PointLabel::Foreground } else { PointLabel::Background };
            labels.push(label as i64);
        }
        let count = labels.len();
        let points = (count > 0).then(|| {
            let places = TensorData::new(places, [1, count, 2]);
            let labels = TensorData::new(labels, [1, count]);
            let labels = Tensor::<2, Int>::from_data(labels, &device);
            (Tensor::<3>::from_data(places, &device), labels)
        });
        let boxes = match prompt.bbox {
            None => None,
            Some([x, y, w, h]) => {
                frame.inside("box from", [x, y])?;
                frame.inside("box to", [x + w, y + h])?;
                let corners = [frame.point([x, y]), frame.point([x + w, y + h])].concat();
                Some(Tensor::<2>::from_data(TensorData::new(corners, [1, 4]), &device))
            }
        };
        let dense = match &prompt.mask {
            None => encoder.no_mask(),
            Some(logits) => {
                let side = encoder.mask_side();
                if logits.len() != side * side {
                    return Err(SamError::MaskPrompt { found: logits.len(), side });
                }
                let logits = TensorData::new(logits.clone(), [1, 1, side, side]);
                encoder.mask(Tensor::<4>::from_data(logits, &device))
            }
        };
        let sparse = encoder.sparse(points, boxes);
        if sparse.is_none() && prompt.mask.is_none() {
            return Err(SamError::Empty);
        }
        Ok((sparse, dense))
    }

    fn device(&self) -> Device {
        self.prompt_encoder.no_mask_embed.weight.val().device()
    }
}

/// A tensor's numbers on the host.
async fn host<const D: usize>(x: Tensor<D>) -> Result<Vec<f32>, SamError> {
    let data = x.into_data_async().await.map_err(|e| SamError::Device(format!("{e:?}")))?;
    Ok(data.iter::<f32>().collect())
}
