//! How numbers are stored, and how they become f32.

use half::{bf16, f16};

/// Element type of a stored tensor. The quantised ones are llama.cpp's, in blocks along the last
/// axis.
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
        }
    }

    /// Whether it holds weights, not counters or indices.
    pub fn is_float(self) -> bool {
        use Encoding::{BF16, F16, F32, F64, Q4_0, Q4_1, Q4_K, Q6_K, Q8_0};
        matches!(self, F64 | F32 | F16 | BF16 | Q8_0 | Q4_0 | Q4_1 | Q4_K | Q6_K)
    }

    /// Numbers in a block.
    pub fn block(self) -> usize {
        match self {
            Encoding::Q8_0 | Encoding::Q4_0 | Encoding::Q4_1 => 32,
            Encoding::Q4_K | Encoding::Q6_K => 256,
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
            Encoding::Q8_0 => blocks::<34, 32>(bytes, out, q8_0),
            Encoding::Q4_0 => blocks::<18, 32>(bytes, out, q4_0),
            Encoding::Q4_1 => blocks::<20, 32>(bytes, out, q4_1),
            Encoding::Q4_K => blocks::<144, 256>(bytes, out, q4_k),
            Encoding::Q6_K => blocks::<210, 256>(bytes, out, q6_k),
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

fn q8_0(block: &[u8; 34], out: &mut [f32; 32]) {
    let scale = half_at(block, 0);
    for (out, &byte) in out.iter_mut().zip(&block[2..]) {
        *out = scale * f32::from(byte.cast_signed());
    }
}

/// The low halves of the bytes are the first 16 numbers, the high halves the others.
fn q4_0(block: &[u8; 18], out: &mut [f32; 32]) {
    let scale = half_at(block, 0);
    for (i, &byte) in block[2..].iter().enumerate() {
        out[i] = scale * (f32::from(byte & 15) - 8.0);
        out[i + 16] = scale * (f32::from(byte >> 4) - 8.0);
    }
}

fn q4_1(block: &[u8; 20], out: &mut [f32; 32]) {
    let (scale, least) = (half_at(block, 0), half_at(block, 2));
    for (i, &byte) in block[4..].iter().enumerate() {
        out[i] = scale * f32::from(byte & 15) + least;
        out[i + 16] = scale * f32::from(byte >> 4) + least;
    }
}

/// Scale, scale of the minima, twelve bytes with eight pairs of 6 bits, then 4 x 32 bytes: of each
/// 32 the low halves are one group of 32 numbers, the high halves the next.
fn q4_k(block: &[u8; 144], out: &mut [f32; 256]) {
    let (scale, scale_of_minima) = (half_at(block, 0), half_at(block, 2));
    let packed = &block[4..16];
    for (group, out) in out.as_chunks_mut::<32>().0.iter_mut().enumerate() {
        let (factor, least) = if group < 4 {
            (packed[group] & 63, packed[group + 4] & 63)
        } else {
            // The upper two bits lie in the spare bits of the first eight bytes.
            let low = packed[group + 4];
            ((low & 15) | (packed[group - 4] >> 6 << 4), (low >> 4) | (packed[group] >> 6 << 4))
        };
        let (factor, least) = (scale * f32::from(factor), scale_of_minima * f32::from(least));
        let bytes = &block[16 + 32 * (group / 2)..][..32];
        for (out, &byte) in out.iter_mut().zip(bytes) {
            let q = if group % 2 == 0 { byte & 15 } else { byte >> 4 };
            *out = factor * f32::from(q) - least;
        }
    }
}

/// 128 bytes of low 4 bits, 64 of high 2 bits, 16 signed scales, one scale for all. Each half of
/// 128 numbers is four groups of 32 that share 64 low bytes and 32 high ones.
fn q6_k(block: &[u8; 210], out: &mut [f32; 256]) {
    let scale = half_at(block, 208);
    for (half, out) in out.as_chunks_mut::<128>().0.iter_mut().enumerate() {
        let low = &block[64 * half..][..64];
        let high = &block[128 + 32 * half..][..32];
        let scales = &block[192 + 8 * half..][..8];
        for (i, out) in out.iter_mut().enumerate() {
            let (group, at) = (i / 32, i % 32);
            let byte = low[at + 32 * (group % 2)];
            let four = if group < 2 { byte & 15 } else { byte >> 4 };
            let two = high[at] >> (2 * group) & 3;
            let q = f32::from(four | two << 4) - 32.0;
            *out = scale * f32::from(scales[i / 16].cast_signed()) * q;
        }
    }
}
