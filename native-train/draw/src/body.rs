//! The readable part of a raw answer: its `<Task>` plan and tags taken off, its phrases found.

/// A piece of an answer's body, in reading order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Words outside of phrases.
    Text(String),
    /// A phrase.
    Phrase {
        /// The concept as it stands in the sentence.
        text: String,
        /// Position among the triplets of the answer, from 0; none for a phrase without units.
        triplet: Option<usize>,
    },
}

/// Splits a raw answer. Never fails: what is cut off or malformed is read as far as it goes.
pub fn pieces(raw: &str) -> Vec<Piece> {
    let mut rest = match (raw.find("<Task>"), raw.rfind("</Task>")) {
        (_, Some(end)) => &raw[end + "</Task>".len()..],
        // The plan never ended, so no body was written.
        (Some(start), None) => &raw[..start],
        (None, None) => raw,
    }
    .trim();
    let mut pieces = Vec::new();
    let mut triplets = 0;
    let words = |pieces: &mut Vec<Piece>, text: &str| {
        let text = without_tags(text);
        if !text.is_empty() {
            pieces.push(Piece::Text(text));
        }
    };
    while let Some((before, after)) = rest.split_once("<Phrase>") {
        words(&mut pieces, before);
        let (phrase, after) = after.split_once("</Phrase>").unwrap_or((after, ""));
        let unit = after.strip_prefix('(').filter(|a| a.trim_start().starts_with("<Unit>"));
        let triplet = unit.map(|_| triplets);
        triplets += usize::from(unit.is_some());
        rest = match unit {
            Some(unit) => unit.split_once(')').map_or("", |(_, after)| after),
            None => after,
        };
        pieces.push(Piece::Phrase { text: without_tags(phrase).trim().into(), triplet });
    }
    words(&mut pieces, rest);
    pieces
}

/// The body as plain words.
pub fn plain(raw: &str) -> String {
    let joined: String = pieces(raw)
        .into_iter()
        .map(|piece| match piece {
            Piece::Text(text) | Piece::Phrase { text, .. } => text,
        })
        .collect();
    joined.trim().into()
}

/// Drops `<...>` where it looks like a special token: short, and without spaces.
fn without_tags(text: &str) -> String {
    let mut kept = String::new();
    let mut rest = text;
    while let Some(start) = rest.find('<') {
        let (before, tagged) = rest.split_at(start);
        kept.push_str(before);
        let tag = tagged.find('>').filter(|&end| {
            (2..24).contains(&end) && !tagged[1..end].contains(|c: char| c.is_whitespace())
        });
        let skip = match tag {
            Some(end) => end + 1,
            None => {
                kept.push('<');
                1
            }
        };
        rest = &tagged[skip..];
    }
    kept.push_str(rest);
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    const RAW: &str = "<Task>\nUnit decode (True). Class name, target unit and number:\n- Name: \
        Two bears Unit: mask Num: 2\n</Task>\n<Phrase>Two bears</Phrase>(<Unit>mask</Unit>[0]<REF>\
        [1]<REF>) walk on <Phrase>the grass</Phrase>(<Unit>mask</Unit>[0]<REF>).</s>";

    #[test]
    fn plan_and_tags_go_phrases_stay() {
        assert_eq!(plain(RAW), "Two bears walk on the grass.");
        let phrase = |text: &str, k| Piece::Phrase { text: text.into(), triplet: Some(k) };
        let text = |text: &str| Piece::Text(text.into());
        let expected =
            [phrase("Two bears", 0), text(" walk on "), phrase("the grass", 1), text(".")];
        assert_eq!(pieces(RAW), expected);
    }

    #[test]
    fn what_is_cut_off_is_read_as_far_as_it_goes() {
        assert_eq!(plain("<Task>\nUnit decode"), "");
        assert_eq!(plain("a <Phrase>dog</Phrase>(<Unit>box</Unit>[0]"), "a dog");
        assert_eq!(plain("a <Phrase>do"), "a do");
        assert_eq!(plain("1 < 2 and 3 > 2"), "1 < 2 and 3 > 2");
        let unitless = pieces("<Phrase>dog</Phrase> (brown)");
        assert!(matches!(&unitless[0], Piece::Phrase { triplet: None, .. }));
        assert_eq!(plain("<Phrase>dog</Phrase> (brown)"), "dog (brown)");
    }
}
