//! Hashes and value noise for textures.

/// A well mixed 32-bit hash of a lattice point.
pub(crate) fn hash(x: i32, y: i32, seed: u32) -> u32 {
    let mut h = seed ^ (x as u32).wrapping_mul(0x9e37_79b1) ^ (y as u32).wrapping_mul(0x85eb_ca77);
    h = (h ^ (h >> 15)).wrapping_mul(0x2c1b_3c6d);
    h = (h ^ (h >> 12)).wrapping_mul(0x297a_2d39);
    h ^ (h >> 15)
}

/// The hash as a number in 0..1.
pub(crate) fn hash_unit(x: i32, y: i32, seed: u32) -> f32 {
    (hash(x, y, seed) >> 8) as f32 / (1u32 << 24) as f32
}

/// Largest integer not above `x`; the library's is a slow call on plain x86-64.
pub(crate) fn floor(x: f32) -> i32 {
    let i = x as i32;
    i - i32::from((i as f32) > x)
}

/// Smooth noise in 0..1 with features of size 1.
pub(crate) fn value(x: f32, y: f32, seed: u32) -> f32 {
    let (ix, iy) = (floor(x), floor(y));
    let (fx, fy) = (x - ix as f32, y - iy as f32);
    let (sx, sy) = (fx * fx * (3.0 - 2.0 * fx), fy * fy * (3.0 - 2.0 * fy));
    let (jx, jy) = (ix.wrapping_add(1), iy.wrapping_add(1));
    let top = hash_unit(ix, iy, seed) * (1.0 - sx) + hash_unit(jx, iy, seed) * sx;
    let bottom = hash_unit(ix, jy, seed) * (1.0 - sx) + hash_unit(jx, jy, seed) * sx;
    top * (1.0 - sy) + bottom * sy
}

/// Three octaves of [`value`], in 0..1.
pub(crate) fn fractal(x: f32, y: f32, seed: u32) -> f32 {
    0.57 * value(x, y, seed)
        + 0.29 * value(x * 2.1 + 5.3, y * 2.1 + 1.7, seed ^ 0x51)
        + 0.14 * value(x * 4.3 + 2.9, y * 4.3 + 7.1, seed ^ 0xa7)
}
