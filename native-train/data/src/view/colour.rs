//! Change of light, as one linear map of the channels.

use image::RgbImage;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// Change of light. Values are relative: 0 leaves as it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Colour {
    /// Added to every channel, as a share of white.
    pub brightness: f32,
    /// Distance from grey is multiplied by one more than this.
    pub contrast: f32,
    /// Distance from the pixel's own grey is multiplied by one more than this.
    pub saturation: f32,
    /// Turn of the colours, in radians.
    pub hue: f32,
}

/// How much each channel tells of a pixel's grey (ITU-R BT.601).
const GREY: [f32; 3] = [0.299, 0.587, 0.114];

impl Colour {
    /// No change.
    pub const NONE: Self = Self { brightness: 0.0, contrast: 0.0, saturation: 0.0, hue: 0.0 };

    /// A slight change.
    pub fn draw(rng: &mut ChaCha8Rng) -> Self {
        Self {
            brightness: rng.random_range(-0.08..=0.12),
            contrast: rng.random_range(-0.25..=0.25),
            saturation: rng.random_range(-0.35..=0.35),
            hue: rng.random_range(-0.12..=0.12),
        }
    }

    /// Changes a picture in place.
    pub fn apply(&self, picture: &mut RgbImage) {
        if *self == Self::NONE {
            return;
        }
        let (matrix, added) = self.map();
        for pixel in picture.pixels_mut() {
            let from = pixel.0.map(f32::from);
            for (channel, row) in pixel.0.iter_mut().zip(&matrix) {
                let value = row[0] * from[0] + row[1] * from[1] + row[2] * from[2] + added;
                // Casting saturates at 0 and 255.
                *channel = (value + 0.5) as u8;
            }
        }
    }

    /// The channels' matrix and what is added to each.
    fn map(&self) -> ([[f32; 3]; 3], f32) {
        // A turn about the grey axis, then colours away from or towards it.
        let (sin, cos) = self.hue.sin_cos();
        let (third, root) = ((1.0 - cos) / 3.0, sin / 3f32.sqrt());
        let turn = [
            [cos + third, third - root, third + root],
            [third + root, cos + third, third - root],
            [third - root, third + root, cos + third],
        ];
        let saturation = 1.0 + self.saturation;
        let contrast = 1.0 + self.contrast;
        let mut matrix = [[0.0; 3]; 3];
        for (i, row) in matrix.iter_mut().enumerate() {
            for (k, value) in row.iter_mut().enumerate() {
                let grey: f32 = (0..3).map(|c| GREY[c] * turn[c][k]).sum();
                *value = contrast * (grey + saturation * (turn[i][k] - grey));
            }
        }
        (matrix, 127.5 * (1.0 - contrast) + 255.0 * self.brightness)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn grey_stays_grey_and_no_change_is_none() {
        let mut picture = RgbImage::from_fn(4, 4, |x, y| image::Rgb([(40 * x + 9 * y) as u8; 3]));
        let before = picture.clone();
        Colour { hue: 0.5, saturation: 0.3, ..Colour::NONE }.apply(&mut picture);
        for (a, b) in picture.iter().zip(before.iter()) {
            assert!(a.abs_diff(*b) <= 1);
        }
        Colour { brightness: 1.0, ..Colour::NONE }.apply(&mut picture);
        assert!(picture.iter().all(|&value| value == 255));
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        assert_ne!(Colour::draw(&mut rng), Colour::draw(&mut rng));
    }
}
