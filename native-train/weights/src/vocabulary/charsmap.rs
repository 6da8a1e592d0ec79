//! The table of replacements in a SentencePiece model, checked before it is used: whoever follows
//! it later takes its indices on trust.
//!
//! It is a length, a double-array trie of 32-bit units of that length, then the replacements, each
//! ended by a zero. A unit holds the byte it is reached by, whether a key ends there, and how far
//! its children are; the value of a key lies in the unit at the children's origin.

/// The largest published one has some 300 KB.
const MAX_BYTES: usize = 1 << 20;

/// What is wrong with a table, if anything.
pub(super) fn check(table: &[u8]) -> Result<(), &'static str> {
    if table.len() > MAX_BYTES {
        return Err("larger than any published one");
    }
    let (length, rest) = table.split_first_chunk::<4>().ok_or("too short")?;
    let length = u32::from_le_bytes(*length) as usize;
    let (trie, texts) = rest.split_at_checked(length).ok_or("its trie is cut off")?;
    let texts = std::str::from_utf8(texts).map_err(|_| "its replacements are not UTF-8")?;
    let (units, odd) = trie.as_chunks::<4>();
    if units.is_empty() || !odd.is_empty() {
        return Err("its trie is cut off");
    }
    let units: Vec<u32> = units.iter().map(|unit| u32::from_le_bytes(*unit)).collect();
    let mut seen = vec![false; units.len()];
    seen[0] = true;
    let mut open = vec![0];
    while let Some(place) = open.pop() {
        let unit = units[place];
        let origin = place ^ ((unit >> 10) << ((unit & (1 << 9)) >> 6)) as usize;
        // Whatever byte comes, the unit it leads to is looked at.
        if origin | 0xFF >= units.len() {
            return Err("its trie points outside itself");
        }
        let ends = place != 0 && unit >> 8 & 1 == 1;
        if ends && !texts.is_char_boundary((units[origin] & 0x7FFF_FFFF) as usize) {
            return Err("a replacement lies outside the table");
        }
        for byte in 1..=0xFF {
            let child = origin ^ byte;
            let reached = units[child] & 0x8000_00FF == byte as u32;
            if reached && !std::mem::replace(&mut seen[child], true) {
                open.push(child);
            }
        }
    }
    Ok(())
}
