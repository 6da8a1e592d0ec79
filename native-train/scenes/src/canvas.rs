//! The tools that backgrounds are painted with.

use crate::camera::{Camera, FAR_M};
use crate::noise::{fractal, value};
use crate::tint::{mix, smooth};

/// Colour and depth of one point.
pub(crate) type Shade = ([f32; 3], f32);

/// Where the shore of lake and sea is, metres.
pub(crate) const SHORE_M: f32 = 8.0;

/// What a painter knows: the camera, the scene's own random numbers, and the size of a pixel.
pub(crate) struct Canvas {
    /// The scene's perspective.
    pub(crate) camera: Camera,
    /// Seed of the textures.
    pub(crate) seed: u32,
    /// Free choices in 0..1, such as where the sun stands.
    pub(crate) taste: [f32; 6],
}

impl Canvas {
    /// Metres to the right of the camera and away from it, of the ground at a point.
    pub(crate) fn ground(&self, x: f32, y: f32) -> [f32; 2] {
        let z = self.camera.ground_m(y);
        [(x - self.camera.frame[0] * 0.5) * z / self.camera.focal, z]
    }

    /// Noise on the ground in 0..1 with features of `size_m`; it fades to 0.5 in the distance,
    /// where it could not be resolved.
    pub(crate) fn grain(&self, [gx, gz]: [f32; 2], size_m: f32, salt: u32) -> f32 {
        let seen = (1.6 - gz * 0.07 / size_m).clamp(0.0, 1.0);
        if seen <= 0.0 {
            return 0.5;
        }
        0.5 + (fractal(gx / size_m, gz / size_m, self.seed ^ salt) - 0.5) * seen
    }

    /// A sky from zenith to horizon with clouds of the given strength.
    pub(crate) fn sky(&self, x: f32, y: f32, high: [f32; 3], low: [f32; 3], clouds: f32) -> Shade {
        let t = (y / self.camera.horizon).clamp(0.0, 1.0);
        let mut rgb = mix(high, low, t * t * 0.6 + t * 0.4);
        if clouds > 0.0 {
            let flat = 1.6 + 2.4 * t;
            let n = fractal(x * 3.2 + self.taste[0] * 40.0, y * 3.0 * flat, self.seed ^ 0xc10d);
            let cover = smooth(0.52, 0.74, n) * clouds * (1.0 - 0.5 * t);
            rgb = mix(rgb, [1.0, 1.0, 1.0], cover);
        }
        (rgb, FAR_M)
    }

    /// Height of a ridge line above the horizon, frame units: 0..`height`.
    pub(crate) fn ridge(&self, x: f32, height: f32, width: f32, salt: u32) -> f32 {
        let n = 0.7 * value(x / width, 0.5, self.seed ^ salt)
            + 0.3 * value(x / width * 2.7, 3.5, self.seed ^ salt);
        n * height
    }

    /// How far a point is above the horizon, frame units.
    pub(crate) fn above(&self, y: f32) -> f32 {
        self.camera.horizon - y
    }
}

/// A colour from its usual hexadecimal form.
pub(crate) const fn hex(rgb: u32) -> [f32; 3] {
    [
        ((rgb >> 16) & 255) as f32 / 255.0,
        ((rgb >> 8) & 255) as f32 / 255.0,
        (rgb & 255) as f32 / 255.0,
    ]
}
