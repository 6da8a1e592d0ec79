//! How numbers are stored, and how they become f32.

mod ggml;
mod grids;

use half::{bf16, f16};

/// Element type of a stored tensor. The quantised ones are llama.cpp's, in blocks along the last
/// axis; they stand last, so that what is behind [`Encoding::Varint`] is quantised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(non_camel_case_types, missing_docs)]
pub enum Encoding {
    F64,
    F32,
    F16,
    BF16,
    I64,
    U64,
    I32,
    U32,
    I16,
    U16,
    I8,
    U8,
    Bool,
    /// Whole numbers of protobuf, of one to ten bytes each.
    Varint,
    /// 32 numbers of 8 bits with a scale.
    Q8_0,
    /// 32 numbers of 4 bits with a scale.
    Q4_0,
    /// 32 numbers of 4 bits with a scale and a minimum.
    Q4_1,
    /// 256 numbers of 4 bits; eight scales and minima of 6 bits, with a scale each for these.
    Q4_K,
    /// 256 numbers of 6 bits; sixteen scales of 8 bits, with a scale for these.
    Q6_K,
    /// 32 numbers of 5 bits with a scale.
    Q5_0,
    /// 32 numbers of 5 bits with a scale and a minimum.
    Q5_1,
    /// 256 numbers of 2 bits; sixteen scales and minima of 4 bits.
    Q2_K,
    /// 256 numbers of 3 bits; sixteen scales of 6 bits.
    Q3_K,
    /// 256 numbers of 5 bits; eight scales and minima of 6 bits.
    Q5_K,
    /// 256 numbers out of a grid of 256 rows of eight.
    IQ2_XXS,
    /// 256 numbers out of a grid of 512 rows of eight.
    IQ2_XS,
    /// 256 numbers out of a grid of 1024 rows of eight.
    IQ2_S,
    /// 256 numbers out of a grid of 256 rows of four.
    IQ3_XXS,
    /// 256 numbers out of a grid of 512 rows of four.
    IQ3_S,
    /// 256 numbers out of a grid of 2048 rows of eight, moved up or down.
    IQ1_S,
    /// As IQ1_S, with scales of its own for each sixteen.
    IQ1_M,
    /// 32 numbers of sixteen uneven steps with a scale.
    IQ4_NL,
    /// 256 numbers of sixteen uneven steps; eight scales of 6 bits.
    IQ4_XS,
    /// 256 numbers of -1, 0 and 1, five in a byte, with a scale.
    TQ1_0,
    /// 256 numbers of -1, 0 and 1, four in a byte, with a scale.
    TQ2_0,
    /// 32 floats of 4 bits with a power of two.
    MXFP4,
}

impl Encoding {
    /// The format's own name.
    pub fn name(self) -> &'static str {
        match self {
            Encoding::F64 => "f64",
            Encoding::F32 => "f32",
            Encoding::F16 => "f16",
            Encoding::BF16 => "bf16",
            Encoding::I64 => "i64",
            Encoding::U64 => "u64",
            Encoding::I32 => "i32",
            Encoding::U32 => "u32",
            Encoding::I16 => "i16",
            Encoding::U16 => "u16",
            Encoding::I8 => "i8",
            Encoding::U8 => "u8",
            Encoding::Bool => "bool",
            Encoding::Varint => "varint",
            Encoding::Q8_0 => "q8_0",
            Encoding::Q4_0 => "q4_0",
            Encoding::Q4_1 => "q4_1",
            Encoding::Q4_K => "q4_K",
            Encoding::Q6_K => "q6_K",
            Encoding::Q5_0 => "q5_0",
            Encoding::Q5_1 => "q5_1",
            Encoding::Q2_K => "q2_K",
            Encoding::Q3_K => "q3_K",
            Encoding::Q5_K => "q5_K",
            Encoding::IQ2_XXS => "iq2_xxs",
            Encoding::IQ2_XS => "iq2_xs",
            Encoding::IQ2_S => "iq2_s",
            Encoding::IQ3_XXS => "iq3_xxs",
            Encoding::IQ3_S => "iq3_s",
            Encoding::IQ1_S => "iq1_s",
            Encoding::IQ1_M => "iq1_m",
            Encoding::IQ4_NL => "iq4_nl",
            Encoding::IQ4_XS => "iq4_xs",
            Encoding::TQ1_0 => "tq1_0",
            Encoding::TQ2_0 => "tq2_0",
            Encoding::MXFP4 => "mxfp4",
        }
    }

    /// Whether it holds weights, not counters or indices.
    pub fn is_float(self) -> bool {
        use Encoding::{Bool, I8, I16, I32, I64, U8, U16, U32, U64, Varint};
        !matches!(self, I64 | U64 | I32 | U32 | I16 | U16 | I8 | U8 | Bool | Varint)
    }

    /// Numbers in a block.
    pub fn block(self) -> usize {
        use Encoding::{IQ4_NL, MXFP4, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0};
        match self {
            Q8_0 | Q4_0 | Q4_1 | Q5_0 | Q5_1 | IQ4_NL | MXFP4 => 32,
            quantised if quantised > Encoding::Varint => 256,
            _ => 1,
        }
    }

    /// Bytes of a block; of a varint the fewest.
    pub fn block_bytes(self) -> usize {
        match self {
            Encoding::F64 | Encoding::I64 | Encoding::U64 => 8,
            Encoding::F32 | Encoding::I32 | Encoding::U32 => 4,
            Encoding::F16 | Encoding::BF16 | Encoding::I16 | Encoding::U16 => 2,
            Encoding::I8 | Encoding::U8 | Encoding::Bool | Encoding::Varint => 1,
            Encoding::Q8_0 => 34,
            Encoding::Q4_0 => 18,
            Encoding::Q4_1 => 20,
            Encoding::Q4_K => 144,
            Encoding::Q6_K => 210,
            Encoding::Q5_0 => 22,
            Encoding::Q5_1 => 24,
            Encoding::Q2_K => 84,
            Encoding::Q3_K => 110,
            Encoding::Q5_K => 176,
            Encoding::IQ2_XXS => 66,
            Encoding::IQ2_XS => 74,
            Encoding::IQ2_S => 82,
            Encoding::IQ3_XXS => 98,
            Encoding::IQ3_S => 110,
            Encoding::IQ1_S => 50,
            Encoding::IQ1_M => 56,
            Encoding::IQ4_NL => 18,
            Encoding::IQ4_XS => 136,
            Encoding::TQ1_0 => 54,
            Encoding::TQ2_0 => 66,
            Encoding::MXFP4 => 17,
        }
    }

    /// Bytes of so many numbers; `None` when a block is incomplete or the count overflows.
    pub fn bytes(self, numbers: usize) -> Option<u64> {
        let blocks = numbers.is_multiple_of(self.block()).then_some(numbers / self.block())?;
        (blocks as u64).checked_mul(self.block_bytes() as u64)
    }

    /// Decodes whole blocks. `bytes` and `out` belong together by [`Encoding::bytes`]; what of
    /// either has no counterpart is left alone. Not for varints.
    pub fn decode(self, bytes: &[u8], out: &mut [f32]) {
        match self {
            Encoding::F64 => each(bytes, out, |b| f64::from_le_bytes(b) as f32),
            Encoding::F32 => each(bytes, out, f32::from_le_bytes),
            Encoding::F16 => each(bytes, out, |b| f16::from_le_bytes(b).to_f32()),
            Encoding::BF16 => each(bytes, out, |b| bf16::from_le_bytes(b).to_f32()),
            Encoding::I64 => each(bytes, out, |b| i64::from_le_bytes(b) as f32),
            Encoding::U64 => each(bytes, out, |b| u64::from_le_bytes(b) as f32),
            Encoding::I32 => each(bytes, out, |b| i32::from_le_bytes(b) as f32),
            Encoding::U32 => each(bytes, out, |b| u32::from_le_bytes(b) as f32),
            Encoding::I16 => each(bytes, out, |b| i16::from_le_bytes(b).into()),
            Encoding::U16 => each(bytes, out, |b| u16::from_le_bytes(b).into()),
            Encoding::I8 => each(bytes, out, |b| i8::from_le_bytes(b).into()),
            Encoding::U8 | Encoding::Varint => each(bytes, out, |[b]: [u8; 1]| b.into()),
            Encoding::Bool => each(bytes, out, |[b]: [u8; 1]| f32::from(u8::from(b != 0))),
            Encoding::Q8_0 => blocks::<34, 32>(bytes, out, ggml::q8_0),
            Encoding::Q4_0 => blocks::<18, 32>(bytes, out, ggml::q4_0),
            Encoding::Q4_1 => blocks::<20, 32>(bytes, out, ggml::q4_1),
            Encoding::Q4_K => blocks::<144, 256>(bytes, out, ggml::q4_k),
            Encoding::Q6_K => blocks::<210, 256>(bytes, out, ggml::q6_k),
            Encoding::Q5_0 => blocks::<22, 32>(bytes, out, ggml::q5_0),
            Encoding::Q5_1 => blocks::<24, 32>(bytes, out, ggml::q5_1),
            Encoding::Q2_K => blocks::<84, 256>(bytes, out, ggml::q2_k),
            Encoding::Q3_K => blocks::<110, 256>(bytes, out, ggml::q3_k),
            Encoding::Q5_K => blocks::<176, 256>(bytes, out, ggml::q5_k),
            Encoding::IQ2_XXS => blocks::<66, 256>(bytes, out, grids::iq2_xxs),
            Encoding::IQ2_XS => blocks::<74, 256>(bytes, out, grids::iq2_xs),
            Encoding::IQ2_S => blocks::<82, 256>(bytes, out, grids::iq2_s),
            Encoding::IQ3_XXS => blocks::<98, 256>(bytes, out, grids::iq3_xxs),
            Encoding::IQ3_S => blocks::<110, 256>(bytes, out, grids::iq3_s),
            Encoding::IQ1_S => blocks::<50, 256>(bytes, out, grids::iq1_s),
            Encoding::IQ1_M => blocks::<56, 256>(bytes, out, grids::iq1_m),
            Encoding::IQ4_NL => blocks::<18, 32>(bytes, out, ggml::iq4_nl),
            Encoding::IQ4_XS => blocks::<136, 256>(bytes, out, ggml::iq4_xs),
            Encoding::TQ1_0 => blocks::<54, 256>(bytes, out, ggml::tq1_0),
            Encoding::TQ2_0 => blocks::<66, 256>(bytes, out, ggml::tq2_0),
            Encoding::MXFP4 => blocks::<17, 32>(bytes, out, ggml::mxfp4),
        }
    }
}

fn each<const N: usize>(bytes: &[u8], out: &mut [f32], number: impl Fn([u8; N]) -> f32) {
    for (bytes, out) in bytes.as_chunks().0.iter().zip(out) {
        *out = number(*bytes);
    }
}

fn blocks<const B: usize, const N: usize>(
    bytes: &[u8],
    out: &mut [f32],
    block: impl Fn(&[u8; B], &mut [f32; N]),
) {
    for (bytes, out) in bytes.as_chunks().0.iter().zip(out.as_chunks_mut().0) {
        block(bytes, out);
    }
}

fn half_at(bytes: &[u8], at: usize) -> f32 {
    f16::from_le_bytes([bytes[at], bytes[at + 1]]).to_f32()
}
