//! WebAssembly's 128-bit vectors. From plain loops the compiler may lose half of the speed.

use super::lanes::Lanes;
use core::arch::wasm32::{
    f32x4, f32x4_add, f32x4_convert_i32x4, f32x4_extract_lane, f32x4_mul, f32x4_splat,
    i16x8_extend_high_i8x16, i16x8_extend_low_i8x16, i32x4_extend_high_i16x8,
    i32x4_extend_low_i16x8, i32x4_splat, u32x4, u32x4_shr, v128, v128_and,
};

#[derive(Debug, Clone, Copy)]
pub(super) struct Simd128;

impl Lanes for Simd128 {
    type F = v128;
    type Block = [v128; 8];

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
    fn mul(self, a: v128, b: v128) -> v128 {
        f32x4_mul(a, b)
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
    fn q8(self, &[a, b, c, d, e, f, g, h]: &[u32; 8]) -> [v128; 8] {
        let four = |bytes: v128| {
            let (low, high) = (i16x8_extend_low_i8x16(bytes), i16x8_extend_high_i8x16(bytes));
            [
                i32x4_extend_low_i16x8(low),
                i32x4_extend_high_i16x8(low),
                i32x4_extend_low_i16x8(high),
                i32x4_extend_high_i16x8(high),
            ]
            .map(|lanes| f32x4_convert_i32x4(lanes))
        };
        let ([a, b, c, d], [e, f, g, h]) = (four(u32x4(a, b, c, d)), four(u32x4(e, f, g, h)));
        [a, b, c, d, e, f, g, h]
    }

    #[inline(always)]
    fn q4(self, &[a, b, c, d]: &[u32; 4]) -> [v128; 8] {
        let low = u32x4(a, b, c, d);
        let high = u32x4_shr(low, 16);
        let nibble = |words, mask| f32x4_convert_i32x4(v128_and(words, i32x4_splat(mask)));
        [
            nibble(low, 0xF),
            nibble(low, 0xF0),
            nibble(low, 0xF00),
            nibble(low, 0xF000),
            nibble(high, 0xF),
            nibble(high, 0xF0),
            nibble(high, 0xF00),
            nibble(high, 0xF000),
        ]
    }

    #[inline(always)]
    fn dot(self, weights: &[v128; 8], x: &[f32; 32]) -> v128 {
        let product = |i: usize| f32x4_mul(weights[i], self.load(&x[4 * i..]));
        // Two chains of additions, so that one need not wait for the other.
        let (mut even, mut odd) = (product(0), product(1));
        for i in (2..8).step_by(2) {
            even = f32x4_add(even, product(i));
            odd = f32x4_add(odd, product(i + 1));
        }
        f32x4_add(even, odd)
    }
}
