//! AVX2 and AVX-512.

use super::input::Input;
use super::lanes::Lanes;
use super::tile;
use crate::packed::{BLOCK, Packed};
use core::arch::x86_64::*;

/// 256-bit vectors with fused multiply-add.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Avx2(());

/// 512-bit vectors, also of 16-bit numbers.
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
        let found = is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw");
        let found = found && is_x86_feature_detected!("avx2");
        (found && is_x86_feature_detected!("fma")).then_some(Self(()))
    }

    pub(super) fn all_rows(self, packed: &Packed, input: &Input, first: usize, y: &mut [f32]) {
        #[target_feature(enable = "avx512f,avx512bw,avx2,fma")]
        fn run(avx512: Avx512, packed: &Packed, input: &Input, first: usize, y: &mut [f32]) {
            tile::all_rows(avx512, packed, input, first, y);
        }
        // SAFETY: a value of this type exists only where the processor has these instructions.
        unsafe { run(self, packed, input, first, y) }
    }

    pub(super) fn unpack(self, packed: &Packed, first: usize, weights: &mut [f32]) {
        #[target_feature(enable = "avx512f,avx512bw,avx2,fma")]
        fn run(avx512: Avx512, packed: &Packed, first: usize, weights: &mut [f32]) {
            tile::unpack(avx512, packed, first, weights);
        }
        // SAFETY: as above.
        unsafe { run(self, packed, first, weights) }
    }
}

/// One line of the cache after the other; every processor of this kind has the instruction.
#[inline(always)]
fn prefetch<T>(soon: &[T]) {
    for at in (0..size_of_val(soon)).step_by(64) {
        // SAFETY: the address lies in the slice.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(soon.as_ptr().cast::<i8>().add(at)) }
    }
}

// SAFETY, for every block below: a value of the type exists only where the processor has the
// instructions, and slices are as long as what is loaded from them.

impl Lanes for Avx2 {
    type F = __m256;
    type Block = [__m256i; 2];

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
    fn q8(self, words: &[u32; 8]) -> [__m256i; 2] {
        let (halves, _) = words.as_chunks::<4>();
        std::array::from_fn(|k| unsafe {
            _mm256_cvtepi8_epi16(_mm_loadu_si128(halves[k].as_ptr().cast()))
        })
    }

    #[inline(always)]
    fn q4(self, words: &[u32; 4]) -> [__m256i; 2] {
        unsafe {
            let bytes = _mm256_cvtepu8_epi16(_mm_loadu_si128(words.as_ptr().cast()));
            [_mm256_and_si256(bytes, _mm256_set1_epi16(15)), _mm256_srli_epi16::<4>(bytes)]
        }
    }

    #[inline(always)]
    fn dot(self, weights: &[__m256i; 2], x: &[i16; BLOCK]) -> __m256 {
        let (halves, _) = x.as_chunks::<16>();
        unsafe {
            let product = |k: usize| {
                _mm256_madd_epi16(weights[k], _mm256_loadu_si256(halves[k].as_ptr().cast()))
            };
            _mm256_cvtepi32_ps(_mm256_add_epi32(product(0), product(1)))
        }
    }

    #[inline(always)]
    fn prefetch<T>(self, soon: &[T]) {
        prefetch(soon);
    }

    #[inline(always)]
    fn store(self, weights: &[__m256i; 2], scale: f32, to: &mut [f32; BLOCK]) {
        let (parts, _) = to.as_chunks_mut::<8>();
        unsafe {
            let halves = weights
                .map(|w| [_mm256_castsi256_si128(w), _mm256_extracti128_si256::<1>(w)])
                .into_iter()
                .flatten();
            for (to, half) in parts.iter_mut().zip(halves) {
                let half = _mm256_cvtepi32_ps(_mm256_cvtepi16_epi32(half));
                _mm256_storeu_ps(to.as_mut_ptr(), _mm256_mul_ps(half, _mm256_set1_ps(scale)));
            }
        }
    }
}

impl Lanes for Avx512 {
    type F = __m512;
    type Block = __m512i;

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
    fn add_product(self, sum: __m512, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_fmadd_ps(a, b, sum) }
    }

    #[inline(always)]
    fn sum(self, x: __m512) -> f32 {
        unsafe { _mm512_reduce_add_ps(x) }
    }

    #[inline(always)]
    fn q8(self, words: &[u32; 8]) -> __m512i {
        unsafe { _mm512_cvtepi8_epi16(_mm256_loadu_si256(words.as_ptr().cast())) }
    }

    #[inline(always)]
    fn q4(self, words: &[u32; 4]) -> __m512i {
        unsafe {
            let bytes = _mm256_cvtepu8_epi16(_mm_loadu_si128(words.as_ptr().cast()));
            let low = _mm256_and_si256(bytes, _mm256_set1_epi16(15));
            let high = _mm256_srli_epi16::<4>(bytes);
            _mm512_inserti64x4::<1>(_mm512_castsi256_si512(low), high)
        }
    }

    #[inline(always)]
    fn dot(self, weights: &__m512i, x: &[i16; BLOCK]) -> __m512 {
        unsafe {
            let x = _mm512_loadu_si512(x.as_ptr().cast());
            _mm512_cvtepi32_ps(_mm512_madd_epi16(*weights, x))
        }
    }

    #[inline(always)]
    fn prefetch<T>(self, soon: &[T]) {
        prefetch(soon);
    }

    #[inline(always)]
    fn store(self, weights: &__m512i, scale: f32, to: &mut [f32; BLOCK]) {
        let (parts, _) = to.as_chunks_mut::<16>();
        unsafe {
            let halves =
                [_mm512_castsi512_si256(*weights), _mm512_extracti64x4_epi64::<1>(*weights)];
            for (to, half) in parts.iter_mut().zip(halves) {
                let half = _mm512_cvtepi32_ps(_mm512_cvtepi16_epi32(half));
                _mm512_storeu_ps(to.as_mut_ptr(), _mm512_mul_ps(half, _mm512_set1_ps(scale)));
            }
        }
    }
}
