//! Label Studio's run lengths of brushes: thi.ng's rle-pack over the bytes of an RGBA picture, row
//! by row. <https://labelstud.io/guide/predictions> names it `rle`; its own converter is
//! `label_studio_sdk/converter/brush.py`.
//!
//! A header of 32 bits for the number of values, 5 for the bits of a value less one, and four times
//! 4 for the bits of a length less one; then blocks of one bit (a run, or single values), two bits
//! (which of the four lengths), a length less one, and the value or values.

use refvlm_record::Mask;

/// Values of a pixel.
const CHANNELS: u64 = 4;
/// The bits of the four lengths that are written.
const LENGTHS: [u32; 4] = [3, 4, 8, 16];
/// The bits of a value that are written.
const WORD: u32 = 8;

/// A mask as opaque white on nothing.
pub fn encode(mask: &Mask) -> Vec<u8> {
    let mut bits = Writer::default();
    bits.put(mask.pixels.len() as u64 * CHANNELS, 32);
    bits.put(u64::from(WORD) - 1, 5);
    LENGTHS.iter().for_each(|length| bits.put(u64::from(*length) - 1, 4));
    let mut rest = mask.pixels.as_slice();
    while let Some(&first) = rest.first() {
        let pixels = rest.iter().take_while(|pixel| **pixel == first).count();
        rest = rest.get(pixels..).unwrap_or_default();
        let mut left = pixels as u64 * CHANNELS;
        while left > 0 {
            let which = LENGTHS.iter().position(|bits| left <= 1 << bits).unwrap_or(3);
            let run = left.min(1 << LENGTHS[which]);
            bits.put(1, 1);
            bits.put(which as u64, 2);
            bits.put(run - 1, LENGTHS[which]);
            bits.put(if first == 0 { 0 } else { 255 }, WORD);
            left -= run;
        }
    }
    bits.end()
}

/// The opaque pixels of a picture of `[width, height]`, of at most `most` pixels.
///
/// # Errors
/// Says what is wrong.
pub fn decode(bytes: &[u8], [width, height]: [u32; 2], most: u64) -> Result<Mask, String> {
    let pixels = u64::from(width) * u64::from(height);
    if pixels == 0 || pixels > most {
        return Err(format!("{width}x{height} px; from 1 to {most} pixels are taken"));
    }
    let mut bits = Reader { bytes, at: 0 };
    let cut = || "the run lengths end too early; send the region again".to_string();
    let count = bits.take(32).ok_or_else(cut)?;
    if count != pixels * CHANNELS {
        return Err(format!(
            "run lengths of {count} values for {width}x{height} px; send {}",
            pixels * CHANNELS
        ));
    }
    let word = bits.take(5).ok_or_else(cut)? as u32 + 1;
    let mut lengths = [0; 4];
    for length in &mut lengths {
        *length = bits.take(4).ok_or_else(cut)? as u32 + 1;
    }
    let mut mask = Mask::zeros(width, height);
    let mut at = 0;
    while at < count {
        let run = bits.take(1).ok_or_else(cut)? == 1;
        let which = bits.take(2).ok_or_else(cut)? as usize;
        let length = lengths.get(which).copied().unwrap_or(1);
        let end = (at + 1 + bits.take(length).ok_or_else(cut)?).min(count);
        if run {
            let value = bits.take(word).ok_or_else(cut)?;
            // The alpha values among those of the run.
            let (from, to) = (at / CHANNELS, end / CHANNELS);
            if value > 0 {
                let set = mask.pixels.get_mut(from as usize..to as usize).unwrap_or_default();
                set.fill(1);
            }
            at = end;
        }
        while at < end {
            let value = bits.take(word).ok_or_else(cut)?;
            if at % CHANNELS == CHANNELS - 1
                && let Some(pixel) = mask.pixels.get_mut((at / CHANNELS) as usize)
            {
                *pixel = u8::from(value > 0);
            }
            at += 1;
        }
    }
    Ok(mask)
}

#[derive(Default)]
struct Writer {
    bytes: Vec<u8>,
    /// Bits that make no byte yet, the first of them highest.
    held: u64,
    count: u32,
}

impl Writer {
    /// Adds the lowest bits of a number, at most 32.
    fn put(&mut self, value: u64, bits: u32) {
        self.held = (self.held << bits) | (value & ((1 << bits) - 1));
        self.count += bits;
        while self.count >= 8 {
            self.count -= 8;
            self.bytes.push((self.held >> self.count) as u8);
        }
        self.held &= (1 << self.count) - 1;
    }

    fn end(mut self) -> Vec<u8> {
        let missing = (8 - self.count % 8) % 8;
        self.put(0, missing);
        self.bytes
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    /// In bits.
    at: usize,
}

impl Reader<'_> {
    fn take(&mut self, bits: u32) -> Option<u64> {
        let mut value = 0;
        for _ in 0..bits {
            let byte = *self.bytes.get(self.at / 8)?;
            value = value << 1 | u64::from(byte >> (7 - self.at % 8) & 1);
            self.at += 1;
        }
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the Python converter, `label_studio_sdk.converter.brush.encode_rle`, writes of a 3x2
    /// picture with its middle column set: worked out by hand from its source.
    #[test]
    fn a_small_mask_is_written_bit_by_bit() {
        let mask = Mask { width: 3, height: 2, pixels: vec![0, 1, 0, 0, 1, 0] };
        let text = [
            &format!("{:032b}", 24),
            "00111",
            "0010001101111111",
            // Runs of 4, 4, 8, 4 and 4 values.
            "1000110000000010001111111111",
            "1001110000000010001111111111",
            "10001100000000",
        ]
        .concat();
        let bits: Vec<u8> = text.bytes().map(|b| b - b'0').collect();
        let expected: Vec<u8> = bits
            .chunks(8)
            .map(|byte| byte.iter().enumerate().fold(0, |sum, (k, bit)| sum | bit << (7 - k)))
            .collect();
        assert_eq!(encode(&mask), expected);
    }

    #[test]
    fn masks_come_back() {
        for (w, h) in [(1, 1), (5, 3), (300, 200)] {
            let mut mask = Mask::zeros(w, h);
            for (k, pixel) in mask.pixels.iter_mut().enumerate() {
                *pixel = u8::from((k * 7 + k / 3) % 50 < 21);
            }
            assert_eq!(decode(&encode(&mask), [w, h], 1 << 20), Ok(mask));
        }
        let full = Mask { width: 300, height: 200, pixels: vec![1; 60_000] };
        assert_eq!(decode(&encode(&full), [300, 200], 1 << 20), Ok(full));
    }

    #[test]
    fn single_values_are_read() {
        // 1x1 px, four single values: 9, 9, 9, 255.
        let text =
            format!("{:032b}001110010001101111111000011", 4) + "00001001000010010000100111111111";
        let bits: Vec<u8> = text.bytes().map(|b| b - b'0').collect();
        let bytes: Vec<u8> = bits
            .chunks(8)
            .map(|byte| byte.iter().enumerate().fold(0, |sum, (k, bit)| sum | bit << (7 - k)))
            .collect();
        assert_eq!(decode(&bytes, [1, 1], 10).unwrap().pixels, [1]);
    }

    #[test]
    fn damage_is_an_error() {
        let mask = Mask { width: 3, height: 2, pixels: vec![0, 1, 0, 0, 1, 0] };
        let good = encode(&mask);
        for length in 0..good.len() - 1 {
            assert!(decode(&good[..length], [3, 2], 100).is_err(), "{length}");
        }
        assert!(decode(&good, [30, 2], 100).is_err());
        assert!(decode(&good, [3, 2], 5).is_err());
    }
}
