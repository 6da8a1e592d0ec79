//! Messages on a connection: a kind, a length, the content.

use crate::error::RankError;
use std::io::{Error, ErrorKind, Read, Result, Write};

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A message between ranks.
    Data,
    /// Nothing but a sign of life.
    Alive,
    /// This rank has done its work.
    Leaves,
    /// A rank is lost; the content says which.
    Lost,
}

/// The largest message: half of what a bucket of a 7B model's gradients could be in one piece.
const LONGEST: u64 = 1 << 36;
/// How much of a message is read before its sender counts as alive again.
const PIECE: usize = 1 << 20;
/// The longest text of a greeting or a loss.
const TEXT: u64 = 1 << 20;

/// Writes a message.
pub(super) fn write(stream: &mut impl Write, kind: Kind, bytes: &[u8]) -> Result<()> {
    let mut head = [0; 9];
    head[0] = kind as u8;
    head[1..].copy_from_slice(&(bytes.len() as u64).to_le_bytes());
    stream.write_all(&head)?;
    stream.write_all(bytes)
}

/// Reads a message; `heard` is called with each piece of it.
pub(super) fn read(stream: &mut impl Read, mut heard: impl FnMut()) -> Result<(Kind, Vec<u8>)> {
    let mut head = [0; 9];
    stream.read_exact(&mut head)?;
    heard();
    let [kind, length @ ..] = head;
    let length = u64::from_le_bytes(length);
    let kind = match kind {
        0 => Kind::Data,
        1 => Kind::Alive,
        2 => Kind::Leaves,
        3 => Kind::Lost,
        _ => return Err(Error::new(ErrorKind::InvalidData, "a message of no known kind")),
    };
    if length > if kind == Kind::Data { LONGEST } else { TEXT } {
        return Err(Error::new(ErrorKind::InvalidData, "a message of impossible length"));
    }
    let mut bytes = Vec::new();
    while (bytes.len() as u64) < length {
        let before = bytes.len();
        let piece = PIECE.min(usize::try_from(length).unwrap_or(usize::MAX) - before);
        bytes.resize(before + piece, 0);
        stream.read_exact(&mut bytes[before..])?;
        heard();
    }
    Ok((kind, bytes))
}

/// A loss as lines of text.
pub(super) fn loss_text(loss: &RankError) -> String {
    let (kind, rank, name, detail) = match loss {
        RankError::Gone { rank, name, reason } => ("gone", *rank, name, reason.clone()),
        RankError::Silent { rank, name, seconds } => ("silent", *rank, name, seconds.to_string()),
        RankError::Late { rank, name, seconds } => ("late", *rank, name, seconds.to_string()),
        other => return format!("gone\n0\n\n{other}"),
    };
    format!("{kind}\n{rank}\n{name}\n{detail}")
}

/// Reads what [`loss_text`] wrote.
pub(super) fn loss_of(bytes: &[u8]) -> Option<RankError> {
    let text = std::str::from_utf8(bytes).ok()?;
    let mut lines = text.splitn(4, '\n');
    let (kind, rank) = (lines.next()?, lines.next()?.parse().ok()?);
    let (name, detail) = (lines.next()?.to_string(), lines.next()?);
    Some(match kind {
        "silent" => RankError::Silent { rank, name, seconds: detail.parse().ok()? },
        "late" => RankError::Late { rank, name, seconds: detail.parse().ok()? },
        _ => RankError::Gone { rank, name, reason: detail.to_string() },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_and_losses_are_read_as_they_were_written() {
        let loss = RankError::Silent { rank: 3, name: "10.0.0.2, process 7".into(), seconds: 6 };
        let mut wire = Vec::new();
        let long = vec![5; PIECE + 3];
        write(&mut wire, Kind::Data, &long).unwrap();
        write(&mut wire, Kind::Lost, loss_text(&loss).as_bytes()).unwrap();
        let (mut stream, mut heard) = (wire.as_slice(), 0);
        assert_eq!(read(&mut stream, || heard += 1).unwrap(), (Kind::Data, long));
        assert_eq!(heard, 3);
        let (kind, bytes) = read(&mut stream, || ()).unwrap();
        assert_eq!((kind, loss_of(&bytes)), (Kind::Lost, Some(loss)));
        assert!(read(&mut stream, || ()).is_err());
    }

    #[test]
    fn impossible_messages_are_refused_before_memory_is_taken() {
        for head in [[9, 0, 0, 0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0, 0, 0, 255], [3; 9]] {
            let error = read(&mut head.as_slice(), || ()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidData);
        }
        assert_eq!(loss_of(b"late\nx"), None);
    }
}
