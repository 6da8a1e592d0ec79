//! WebAssembly's 128-bit vectors. From plain loops the compiler may lose half of the speed.

use super::lanes::Lanes;
use core::arch::wasm32::{
    f32x4, f32x4_add, f32x4_convert_i32x4, f32x4_extract_lane, f32x4_mul, f32x4_splat, i16x8,
    i16x8_extend_high_i8x16, i16x8_extend_low_i8x16, i32x4_add, i32x4_dot_i16x8, u8x16_shr,
    u8x16_splat, u16x8_extend_high_u8x16, u16x8_extend_low_u8x16, u32x4, v128, v128_and,
};

#[derive(Debug, Clone, Copy)]
pub(super) struct Simd128;

impl Lanes for Simd128 {
    type F = v128;
    type Block = [v128; 4];

    const COUNT: usize = 4;

    #[inline(always)]
    fn zero(self) -> v128 {
        f32x4_splat(0.0)
    }

    #[inline(always)]
    fn splat(self, x: f32) -> v128 {
        f32x4_splat(x)
    }

    #[inline(always)]
    fn load(self, x: &[f32]) -> v128 {
        f32x4(x[0], x[1], x[2], x[3])
    }

    #[inline(always)]
    fn add_product(self, sum: v128, a: v128, b: v128) -> v128 {
        // No fused instruction rounds alike everywhere.
        f32x4_add(sum, f32x4_mul(a, b))
    }

    #[inline(always)]
    fn sum(self, x: v128) -> f32 {
        (f32x4_extract_lane::<0>(x) + f32x4_extract_lane::<2>(x))
            + (f32x4_extract_lane::<1>(x) + f32x4_extract_lane::<3>(x))
    }

    #[inline(always)]
    fn q8(self, &[a, b, c, d, e, f, g, h]: &[u32; 8]) -> [v128; 4] {
        let (first, second) = (u32x4(a, b, c, d), u32x4(e, f, g, h));
        [
            i16x8_extend_low_i8x16(first),
            i16x8_extend_high_i8x16(first),
            i16x8_extend_low_i8x16(second),
            i16x8_extend_high_i8x16(second),
        ]
    }

    #[inline(always)]
    fn q4(self, &[a, b, c, d]: &[u32; 4]) -> [v128; 4] {
        let bytes = u32x4(a, b, c, d);
        let (low, high) = (v128_and(bytes, u8x16_splat(15)), u8x16_shr(bytes, 4));
        [
            u16x8_extend_low_u8x16(low),
            u16x8_extend_high_u8x16(low),
            u16x8_extend_low_u8x16(high),
            u16x8_extend_high_u8x16(high),
        ]
    }

    #[inline(always)]
    fn dot(self, weights: &[v128; 4], x: &[i16; 32]) -> v128 {
        let product = |k: usize| {
            let x = &x[8 * k..8 * k + 8];
            let x = i16x8(x[0], x[1], x[2], x[3], x[4], x[5], x[6], x[7]);
            i32x4_dot_i16x8(weights[k], x)
        };
        let sums = i32x4_add(i32x4_add(product(0), product(1)), i32x4_add(product(2), product(3)));
        f32x4_convert_i32x4(sums)
    }
}
