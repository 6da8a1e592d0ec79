//! Just enough of protobuf's wire format: the fields of a message, one after the other.

use super::VocabularyError;

/// The content of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wire<'a> {
    Varint(u64),
    Fixed32([u8; 4]),
    Fixed64,
    Bytes(&'a [u8]),
}

impl<'a> Wire<'a> {
    pub fn bytes(self) -> Option<&'a [u8]> {
        if let Wire::Bytes(bytes) = self { Some(bytes) } else { None }
    }

    pub fn number(self) -> Option<i64> {
        // Negative numbers are written with all 64 bits.
        if let Wire::Varint(number) = self { Some(number.cast_signed()) } else { None }
    }

    pub fn float(self) -> Option<f32> {
        if let Wire::Fixed32(bytes) = self { Some(f32::from_le_bytes(bytes)) } else { None }
    }

    pub fn text(self) -> Option<&'a str> {
        self.bytes().and_then(|bytes| std::str::from_utf8(bytes).ok())
    }
}

/// The fields of a message: number and content. Ends at the first error.
pub(super) struct Fields<'a> {
    place: &'static str,
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    /// `place` is what errors call the message.
    pub fn new(place: &'static str, message: &'a [u8]) -> Self {
        Self { place, rest: message }
    }

    fn field(&mut self) -> Option<(u64, Wire<'a>)> {
        let tag = self.varint()?;
        let wire = match tag & 7 {
            0 => Wire::Varint(self.varint()?),
            1 => {
                self.take(8)?;
                Wire::Fixed64
            }
            2 => {
                let length = usize::try_from(self.varint()?).ok()?;
                Wire::Bytes(self.take(length)?)
            }
            5 => Wire::Fixed32(self.take(4)?.try_into().ok()?),
            // Groups are not written any more; the rest is no protobuf.
            _ => return None,
        };
        Some((tag >> 3, wire))
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let &[byte] = self.take(1)? else { return None };
            value |= u64::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u64, Wire<'a>), VocabularyError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let left = self.rest.len();
        Some(self.field().ok_or_else(|| {
            self.rest = &[];
            let problem = format!("no field {left} bytes before its end");
            VocabularyError::Damaged { place: self.place, problem }
        }))
    }
}
