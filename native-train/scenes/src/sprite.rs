//! Icons as mip levels, and drawing them turned, scaled and tinted.

use std::io::Cursor;

use image_webp::WebPDecoder;

use crate::classes::{CLASSES, Class};
use crate::layer::Layer;
use crate::tint::{Colour, Paint};

/// Why the drawn world cannot be set up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SceneError {
    /// An embedded icon cannot be decoded.
    #[error("icon of {name}: {why}; run native-train/scenes/fetch-icons.sh to make it again")]
    Icon {
        /// The class the icon shows.
        name: &'static str,
        /// Why it cannot be decoded.
        why: String,
    },
}

/// Largest side of an icon that is accepted.
const MAX_SIDE_PX: u32 = 512;

struct Level {
    side: usize,
    /// Premultiplied RGBA.
    texels: Vec<[u8; 4]>,
}

/// A decoded icon.
pub(crate) struct Sprite {
    levels: Vec<Level>,
    /// Tight rectangle of the opaque texels of the finest level, `[x, y, w, h]`.
    tight: [f32; 4],
    /// Where it touches the ground: left and right as shares of the tight width.
    pub(crate) foot: [f32; 2],
    /// What takes a tint.
    pub(crate) paint: Paint,
}

/// How a sprite is put on the picture; px of the picture.
pub(crate) struct Pose<'a> {
    /// Centre of the tight rectangle.
    pub(crate) centre: [f32; 2],
    /// Height of the tight rectangle.
    pub(crate) height: f32,
    /// Turn in radians, clockwise on the picture.
    pub(crate) angle: f32,
    /// Mirrored left to right.
    pub(crate) flip: bool,
    /// New colour of the paint.
    pub(crate) colour: Option<&'a Colour>,
}

impl Sprite {
    /// Decodes a square WebP with alpha.
    ///
    /// # Errors
    /// When the bytes are not such a picture.
    pub(crate) fn decode(name: &'static str, webp: &[u8]) -> Result<Self, SceneError> {
        let damaged = |why: String| SceneError::Icon { name, why };
        let mut decoder =
            WebPDecoder::new(Cursor::new(webp)).map_err(|e| damaged(e.to_string()))?;
        let (width, height) = decoder.dimensions();
        if width != height || width == 0 || width > MAX_SIDE_PX || !decoder.has_alpha() {
            return Err(damaged(format!("{width}x{height} px is not a square with alpha")));
        }
        let side = width as usize;
        let mut bytes = vec![0; side * side * 4];
        decoder.read_image(&mut bytes).map_err(|e| damaged(e.to_string()))?;
        let (straight, _) = bytes.as_chunks::<4>();
        let opaque = straight.iter().filter(|p| p[3] >= 128);
        let paint = Paint::of(opaque.map(|p| [p[0], p[1], p[2]].map(|c| f32::from(c) / 255.0)));
        let texels: Vec<[u8; 4]> = straight
            .iter()
            .map(|&[r, g, b, a]| {
                let scale = |c: u8| ((u32::from(c) * u32::from(a) + 127) / 255) as u8;
                [scale(r), scale(g), scale(b), a]
            })
            .collect();
        let tight = tight(&texels, side).ok_or_else(|| damaged("it is empty".into()))?;
        let foot = foot(&texels, side, tight);
        let mut levels = vec![Level { side, texels }];
        while let Some(finer) = levels.last().filter(|l| l.side >= 8) {
            let coarser = halve(finer);
            levels.push(coarser);
        }
        let tight = tight.map(|v| v as f32);
        Ok(Self { levels, tight, foot, paint })
    }

    /// Width of the tight rectangle over its height.
    pub(crate) fn aspect(&self) -> f32 {
        self.tight[2] / self.tight[3]
    }

    /// Draws into a layer clipped to a picture of `size` px.
    pub(crate) fn draw(&self, pose: &Pose<'_>, size: [u32; 2]) -> Layer {
        let px_per_texel = pose.height / self.tight[3];
        let (sin, cos) = (libm::sinf(pose.angle), libm::cosf(pose.angle));
        let [cx, cy] = pose.centre;
        let half = [self.tight[2] * px_per_texel * 0.5, self.tight[3] * px_per_texel * 0.5];
        let reach_x = cos.abs() * half[0] + sin.abs() * half[1] + 2.0;
        let reach_y = sin.abs() * half[0] + cos.abs() * half[1] + 2.0;
        let mut layer =
            Layer::clipped([cx - reach_x, cy - reach_y, cx + reach_x, cy + reach_y], size);
        let mut step = 1.0 / px_per_texel;
        let mut shrink = 1.0;
        let mut index = 0;
        while step > 1.4 && index + 1 < self.levels.len() {
            step *= 0.5;
            shrink *= 0.5;
            index += 1;
        }
        let level = &self.levels[index];
        let sharpen = px_per_texel.max(1.0);
        let mirror = if pose.flip { -1.0 } else { 1.0 };
        let middle = [self.tight[0] + self.tight[2] * 0.5, self.tight[1] + self.tight[3] * 0.5];
        layer.fill(|x, y| {
            let (dx, dy) = ((x - cx) / px_per_texel, (y - cy) / px_per_texel);
            let u = middle[0] + mirror * (cos * dx + sin * dy);
            let v = middle[1] + cos * dy - sin * dx;
            let [r, g, b, a] = level.sample(u * shrink - 0.5, v * shrink - 0.5);
            if a <= 0.0 {
                return [0.0; 4];
            }
            let mut rgb = [r / a, g / a, b / a];
            if let Some(colour) = pose.colour {
                rgb = self.paint.recolour(rgb, colour);
            }
            // Magnified edges would be as wide as a texel; the contour at one half stays.
            let a = ((a - 0.5) * sharpen + 0.5).clamp(0.0, 1.0);
            [rgb[0] * a, rgb[1] * a, rgb[2] * a, a]
        });
        layer
    }
}

impl Level {
    /// Bilinear, 0..1; transparent outside. Texel centres are whole numbers.
    fn sample(&self, x: f32, y: f32) -> [f32; 4] {
        let limit = self.side as f32;
        if x <= -1.0 || y <= -1.0 || x >= limit || y >= limit {
            return [0.0; 4];
        }
        let (ix, iy) = (crate::noise::floor(x), crate::noise::floor(y));
        let (fx, fy) = (x - ix as f32, y - iy as f32);
        let mut sum = [0.0f32; 4];
        for (dx, dy, weight) in [
            (0, 0, (1.0 - fx) * (1.0 - fy)),
            (1, 0, fx * (1.0 - fy)),
            (0, 1, (1.0 - fx) * fy),
            (1, 1, fx * fy),
        ] {
            let (tx, ty) = (ix + dx, iy + dy);
            if tx < 0 || ty < 0 || tx >= self.side as i32 || ty >= self.side as i32 {
                continue;
            }
            let texel = self.texels[ty as usize * self.side + tx as usize];
            for (s, t) in sum.iter_mut().zip(texel) {
                *s += weight * f32::from(t);
            }
        }
        sum.map(|s| s / 255.0)
    }
}

fn halve(finer: &Level) -> Level {
    let side = finer.side / 2;
    let mut texels = Vec::with_capacity(side * side);
    for y in 0..side {
        for x in 0..side {
            let at = 2 * y * finer.side + 2 * x;
            let four = [at, at + 1, at + finer.side, at + finer.side + 1];
            texels.push(std::array::from_fn(|c| {
                let sum: u32 = four.iter().map(|&i| u32::from(finer.texels[i][c])).sum();
                ((sum + 2) / 4) as u8
            }));
        }
    }
    Level { side, texels }
}

fn tight(texels: &[[u8; 4]], side: usize) -> Option<[usize; 4]> {
    let (mut x0, mut y0, mut x1, mut y1) = (side, side, 0, 0);
    for (i, texel) in texels.iter().enumerate() {
        if texel[3] >= 128 {
            let (x, y) = (i % side, i / side);
            (x0, y0) = (x0.min(x), y0.min(y));
            (x1, y1) = (x1.max(x + 1), y1.max(y + 1));
        }
    }
    (x0 < x1).then(|| [x0, y0, x1 - x0, y1 - y0])
}

/// Span of the lowest eighth, as shares of the tight width.
fn foot(texels: &[[u8; 4]], side: usize, tight: [usize; 4]) -> [f32; 2] {
    let [x0, y0, w, h] = tight;
    let (mut left, mut right) = (w, 0);
    for y in y0 + h - h.div_ceil(8)..y0 + h {
        for x in 0..w {
            if texels[y * side + x0 + x][3] >= 128 {
                left = left.min(x);
                right = right.max(x + 1);
            }
        }
    }
    [left as f32 / w as f32, right as f32 / w as f32]
}

/// Decoded sprites, one per class; none for people, and for classes that were not asked for.
pub(crate) struct Sprites(Vec<Option<Sprite>>);

impl Sprites {
    /// Decodes the icons of these classes; all icons when the list is empty.
    ///
    /// # Errors
    /// When an embedded icon is damaged.
    pub(crate) fn of(classes: &[String]) -> Result<Self, SceneError> {
        let wanted =
            |class: &Class| classes.is_empty() || classes.iter().any(|name| name == class.name);
        let decode = |class: &Class| {
            let icon = class.icon.filter(|_| wanted(class));
            icon.map(|icon| Sprite::decode(class.name, icon)).transpose()
        };
        Ok(Self(CLASSES.iter().map(decode).collect::<Result<_, _>>()?))
    }

    /// The sprite of a class.
    pub(crate) fn get(&self, class: usize) -> Option<&Sprite> {
        self.0.get(class)?.as_ref()
    }
}
