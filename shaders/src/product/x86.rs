//! AVX2 and AVX-512.

use super::input::Input;
use super::lanes::Lanes;
use super::tile;
use crate::packed::Packed;
use core::arch::x86_64::*;

/// 256-bit vectors with fused multiply-add.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Avx2(());

/// 512-bit vectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Avx512(());

impl Avx2 {
    /// If the processor has them.
    pub fn found() -> Option<Self> {
        (is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")).then_some(Self(()))
    }

    pub(super) fn all_rows(self, packed: &Packed, input: &Input, first: usize, y: &mut [f32]) {
        #[target_feature(enable = "avx2,fma")]
        fn run(avx2: Avx2, packed: &Packed, input: &Input, first: usize, y: &mut [f32]) {
            tile::all_rows(avx2, packed, input, first, y);
        }
        // SAFETY: a value of this type exists only where the processor has these instructions.
        unsafe { run(self, packed, input, first, y) }
    }

    pub(super) fn unpack(self, packed: &Packed, first: usize, weights: &mut [f32]) {
        #[target_feature(enable = "avx2,fma")]
        fn run(avx2: Avx2, packed: &Packed, first: usize, weights: &mut [f32]) {
            tile::unpack(avx2, packed, first, weights);
        }
        // SAFETY: as above.
        unsafe { run(self, packed, first, weights) }
    }
}

impl Avx512 {
    /// If the processor has them.
    pub fn found() -> Option<Self> {
        let found = is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx2");
        (found && is_x86_feature_detected!("fma")).then_some(Self(()))
    }

    pub(super) fn all_rows(self, packed: &Packed, input: &Input, first: usize, y: &mut [f32]) {
        #[target_feature(enable = "avx512f,avx2,fma")]
        fn run(avx512: Avx512, packed: &Packed, input: &Input, first: usize, y: &mut [f32]) {
            tile::all_rows(avx512, packed, input, first, y);
        }
        // SAFETY: a value of this type exists only where the processor has these instructions.
        unsafe { run(self, packed, input, first, y) }
    }

    pub(super) fn unpack(self, packed: &Packed, first: usize, weights: &mut [f32]) {
        #[target_feature(enable = "avx512f,avx2,fma")]
        fn run(avx512: Avx512, packed: &Packed, first: usize, weights: &mut [f32]) {
            tile::unpack(avx512, packed, first, weights);
        }
        // SAFETY: as above.
        unsafe { run(self, packed, first, weights) }
    }
}

// SAFETY, for every block below: a value of the type exists only where the processor has the
// instructions, and slices are as long as what is loaded from them.

impl Lanes for Avx2 {
    type F = __m256;
    type Block = [__m256; 4];

    const COUNT: usize = 8;

    #[inline(always)]
    fn zero(self) -> __m256 {
        unsafe { _mm256_setzero_ps() }
    }

    #[inline(always)]
    fn splat(self, x: f32) -> __m256 {
        unsafe { _mm256_set1_ps(x) }
    }

    #[inline(always)]
    fn load(self, x: &[f32]) -> __m256 {
        unsafe { _mm256_loadu_ps(x[..8].as_ptr()) }
    }

    #[inline(always)]
    fn store(self, x: __m256, to: &mut [f32]) {
        unsafe { _mm256_storeu_ps(to[..8].as_mut_ptr(), x) }
    }

    #[inline(always)]
    fn mul(self, a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_mul_ps(a, b) }
    }

    #[inline(always)]
    fn add_product(self, sum: __m256, a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_fmadd_ps(a, b, sum) }
    }

    #[inline(always)]
    fn sum(self, x: __m256) -> f32 {
        unsafe {
            let x = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps::<1>(x));
            let x = _mm_add_ps(x, _mm_movehl_ps(x, x));
            _mm_cvtss_f32(_mm_add_ss(x, _mm_movehdup_ps(x)))
        }
    }

    #[inline(always)]
    fn q8(self, words: &[u32; 8]) -> [__m256; 4] {
        let (pairs, _) = words.as_chunks::<2>();
        std::array::from_fn(|k| unsafe {
            let bytes = _mm_loadl_epi64(pairs[k].as_ptr().cast());
            _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes))
        })
    }

    #[inline(always)]
    fn q4(self, words: &[u32; 4]) -> [__m256; 4] {
        unsafe {
            let low = _mm256_broadcastsi128_si256(_mm_loadu_si128(words.as_ptr().cast()));
            let high = _mm256_srli_epi32::<16>(low);
            let first = _mm256_setr_epi32(0xF, 0xF, 0xF, 0xF, 0xF0, 0xF0, 0xF0, 0xF0);
            let second = _mm256_slli_epi32::<8>(first);
            [(low, first), (low, second), (high, first), (high, second)]
                .map(|(words, mask)| _mm256_cvtepi32_ps(_mm256_and_si256(words, mask)))
        }
    }
}

impl Lanes for Avx512 {
    type F = __m512;
    type Block = [__m512; 2];

    const COUNT: usize = 16;

    #[inline(always)]
    fn zero(self) -> __m512 {
        unsafe { _mm512_setzero_ps() }
    }

    #[inline(always)]
    fn splat(self, x: f32) -> __m512 {
        unsafe { _mm512_set1_ps(x) }
    }

    #[inline(always)]
    fn load(self, x: &[f32]) -> __m512 {
        unsafe { _mm512_loadu_ps(x[..16].as_ptr()) }
    }

    #[inline(always)]
    fn store(self, x: __m512, to: &mut [f32]) {
        unsafe { _mm512_storeu_ps(to[..16].as_mut_ptr(), x) }
    }

    #[inline(always)]
    fn mul(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_mul_ps(a, b) }
    }

    #[inline(always)]
    fn add_product(self, sum: __m512, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_fmadd_ps(a, b, sum) }
    }

    #[inline(always)]
    fn sum(self, x: __m512) -> f32 {
        unsafe { _mm512_reduce_add_ps(x) }
    }

    #[inline(always)]
    fn q8(self, words: &[u32; 8]) -> [__m512; 2] {
        let (halves, _) = words.as_chunks::<4>();
        std::array::from_fn(|k| unsafe {
            let bytes = _mm_loadu_si128(halves[k].as_ptr().cast());
            _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes))
        })
    }

    #[inline(always)]
    fn q4(self, words: &[u32; 4]) -> [__m512; 2] {
        unsafe {
            let low = _mm512_broadcast_i32x4(_mm_loadu_si128(words.as_ptr().cast()));
            let masks = _mm512_setr_epi32(
                0xF, 0xF, 0xF, 0xF, 0xF0, 0xF0, 0xF0, 0xF0, 0xF00, 0xF00, 0xF00, 0xF00, 0xF000,
                0xF000, 0xF000, 0xF000,
            );
            [low, _mm512_srli_epi32::<16>(low)]
                .map(|words| _mm512_cvtepi32_ps(_mm512_and_si512(words, masks)))
        }
    }
}
