//! One function for each rule: how many characters it takes at a place, 0 when it doesn't apply.

use super::place::{Place, alphanumeric, apostrophe, digit, letter, like_apostrophe, symbol};
use super::signs::{address, face, tag};

/// What stands at a place: how many characters, and their token, if they make one.
pub(super) struct Taken {
    pub chars: usize,
    pub as_text: Option<String>,
}

const ABBREVIATIONS: &str = include_str!("abbreviations.txt");

/// Apostrophes in words that do not follow a rule.
const WITH_APOSTROPHE: [&str; 13] = [
    "somethin'",
    "ol'",
    "'em",
    "c'mon",
    "'til",
    "'till",
    "'cause",
    "s'mores",
    "li'l",
    "ev'ry",
    "nat'l",
    "nor'easter",
    "dunkin'",
];

/// Words that are two: the first, the second.
const JOINED: [(&str, &str); 8] = [
    ("can", "not"),
    ("gon", "na"),
    ("got", "ta"),
    ("lem", "me"),
    ("gim", "me"),
    ("wan", "na"),
    ("'t", "is"),
    ("'t", "was"),
];

/// Letters and digits, with `.`, `!` or `?` between letters.
fn word(p: &Place<'_>) -> usize {
    if !letter(p.char(0)) {
        return 0;
    }
    let mut length = p.run(0, alphanumeric);
    while matches!(p.char(length), '.' | '!' | '?') && letter(p.char(length + 1)) {
        length += 1 + p.run(length + 1, alphanumeric);
    }
    length
}

/// The stem of a word before `n't`; what is looked at is longer than what is taken.
fn before_not(p: &Place<'_>) -> (usize, usize) {
    let length = p.run(0, |c| c.is_ascii_alphabetic());
    // The letters include the n of n't.
    let stem = length.saturating_sub(1);
    let not = stem > 0
        && matches!(p.char(stem), 'n' | 'N')
        && !matches!(p.char(stem - 1), 'n' | 'N')
        && like_apostrophe(p.char(length))
        && matches!(p.char(length + 1), 't' | 'T');
    if not { (stem, stem + 3) } else { (0, 0) }
}

/// `n't`, `'s`, `'re` ... with no letter behind.
fn short_verb(p: &Place<'_>) -> usize {
    let not = matches!(p.char(0), 'n' | 'N') && like_apostrophe(p.char(1));
    if not && matches!(p.char(2), 't' | 'T') && !p.char(3).is_ascii_alphabetic() {
        return 3;
    }
    let endings = ["'s", "'m", "'d", "'re", "'ve", "'ll"];
    endings.iter().map(|ending| p.whole(0, ending)).max().unwrap_or(0)
}

/// Words with an apostrophe inside that are one token.
fn apostrophe_word(p: &Place<'_>) -> usize {
    let mut length = WITH_APOSTROPHE
        .iter()
        .filter(|word| p.has(0, word))
        .map(|word| word.chars().count())
        .max()
        .unwrap_or(0);
    length = length.max(p.whole(0, "'n")).max(if p.has(0, "'n'") { 3 } else { 0 });
    if apostrophe(p.char(0)) && matches!(p.char(1), '2'..='9') && p.char(2) == '0' {
        length = length.max(if matches!(p.char(3), 's' | 'S') { 4 } else { 0 });
    }
    if apostrophe(p.char(1)) {
        let first = p.char(0).to_ascii_lowercase();
        let rest = p.run(2, letter);
        if matches!(first, 'd' | 'o' | 'l') && rest >= 2 {
            length = length.max(2 + rest);
        }
        if matches!(first, 'd' | 'l' | 'j' | 'y') {
            length = length.max(2);
        }
    }
    // ma'am, o'er: a vowel before, a vowel or a capital behind.
    let stem = p.run(0, letter);
    let vowel = |c: char| matches!(c.to_ascii_lowercase(), 'a' | 'e' | 'i' | 'o' | 'u');
    let behind = p.char(stem + 1);
    if stem > 0
        && (vowel(p.char(stem - 1)) || (stem > 1 && matches!(p.char(stem - 1), 'y' | 'Y')))
        && apostrophe(p.char(stem))
        && (behind.is_ascii_uppercase() || (behind.is_ascii_lowercase() && vowel(behind)))
    {
        length = length.max(stem + 1 + p.run(stem + 1, letter));
    }
    length
}

/// Letters and digits in several parts: with underscores, hyphens, or up to two slashes.
fn thing(p: &Place<'_>) -> usize {
    let ascii = |c: char| c.is_ascii_alphanumeric();
    let mut length = p.run(0, alphanumeric);
    if length == 0 {
        return 0;
    }
    let plain = length;
    let joined = |mut length: usize, by: char, fits: fn(char) -> bool| {
        while p.char(length) == by && fits(p.char(length + 1)) {
            length += 1 + p.run(length + 1, fits);
        }
        length
    };
    length = length.max(joined(plain, '_', alphanumeric)).max(joined(plain, '-', alphanumeric));
    if ascii(p.char(0)) {
        let start = p.run(0, |c| ascii(c) || matches!(c, '.' | ',' | '\u{ad}'));
        let end = joined(start, '-', |c| c.is_ascii_alphanumeric() || c == '\u{ad}');
        if end > start {
            length = length.max(end);
        }
    }
    length.max(slashes(p))
}

/// `and/or`, `red-and-white/blue`: up to two slashes between parts of up to three hyphened words.
fn slashes(p: &Place<'_>) -> usize {
    let part = |start: usize| {
        let mut end = start + p.run(start, |c| c.is_ascii_alphanumeric());
        if end == start {
            return start;
        }
        for _ in 0..2 {
            let more = p.run(end + 1, |c| c.is_ascii_alphabetic());
            if p.char(end) == '-' && more > 0 {
                end += 1 + more;
            }
        }
        end
    };
    let mut end = part(0);
    let mut count = 0;
    while count < 2 && end > 0 && p.char(end) == '/' && part(end + 1) > end + 1 {
        end = part(end + 1);
        count += 1;
    }
    if count > 0 { end } else { 0 }
}

/// `5`, `-5`, `1,000.5`, `9:30`, `.5`.
fn number(p: &Place<'_>) -> usize {
    let sign = usize::from(matches!(p.char(0), '-' | '+'));
    let mut length = sign + p.run(sign, digit);
    while matches!(p.char(length), '.' | ':' | ',' | '\u{ad}') && digit(p.char(length + 1)) {
        length += 1 + p.run(length + 1, digit);
    }
    if length > sign { length } else { 0 }
}

/// `1/2`, `5-1/2`, `1 1/2`.
fn fraction(p: &Place<'_>) -> usize {
    let digits = |from: usize| match p.run(from, digit) {
        count @ 1..=4 => count,
        _ => 0,
    };
    let over = |from: usize| {
        let above = digits(from);
        let slash = from + above;
        let below = if matches!(p.char(slash), '/' | '⁄') { digits(slash + 1) } else { 0 };
        if above > 0 && below > 0 { slash + 1 + below } else { 0 }
    };
    let whole = digits(0);
    let mixed = whole > 0 && matches!(p.char(whole), '-' | ' ' | '\u{a0}');
    over(0).max(if mixed { over(whole + 1) } else { 0 })
}

/// `12/25/2010`.
fn date(p: &Place<'_>) -> usize {
    let mut end = 0;
    for (most, least, last) in [(2, 1, false), (2, 1, false), (4, 2, true)] {
        let count = p.run(end, digit);
        if !(least..=most).contains(&count) {
            return 0;
        }
        end += count;
        if !last {
            if !matches!(p.char(end), '-' | '/') {
                return 0;
            }
            end += 1;
        }
    }
    end
}

/// A word with a full stop that belongs to it, with what is looked at behind it.
fn abbreviation(p: &Place<'_>) -> (usize, usize) {
    // a. and a.b.c.
    let mut end = 0;
    while p.char(end).is_ascii_alphabetic() && p.char(end + 1) == '.' {
        end += 2;
    }
    let mut best = (end, end);
    let length = match p.has(0, "ph.d") {
        true => 4,
        false => p.run(0, |c| c.is_ascii_alphabetic()),
    };
    if length == 0 || p.char(length) != '.' {
        return best;
    }
    let behind = p.char(length + 1);
    let known = ABBREVIATIONS.lines().find_map(|line| {
        let (rule, words) = line.split_once(' ')?;
        words.split(' ').any(|w| w.len() == length && p.has(0, w)).then_some(rule)
    });
    let gap = usize::from(behind == ' ');
    let number = digit(p.char(length + 1 + gap));
    let fits = match known {
        Some("always") => Some(0),
        Some("capital") if p.char(0).is_ascii_uppercase() => Some(0),
        Some("number") if number => Some(gap + 1),
        // Before another mark, the full stop is part of any word.
        _ if matches!(behind, ',' | ';' | ':') => Some(1),
        _ => None,
    };
    if let Some(seen) = fits {
        best = best.max((length + 1, length + 1 + seen));
    }
    best
}

/// Runs of marks that are one token.
fn marks(p: &Place<'_>) -> usize {
    let first = p.char(0);
    match first {
        '?' | '!' => p.run(0, |c| matches!(c, '?' | '!')),
        '*' | '_' | '-' => p.run(0, |c| c == first),
        '.' => match p.run(0, |c| c == '.') {
            2 => 1,
            count => count,
        },
        '\'' | '`' if p.char(1) == first => 2,
        ',' | ':' | ';' | '…' | '"' | '“' | '”' | '‘' | '’' | '\'' | '`' => 1,
        _ => 0,
    }
}

/// `(555) 123-4567`.
fn phone(p: &Place<'_>) -> usize {
    let shape = "(000) 000-0000";
    let fits = shape.chars().enumerate().all(|(i, wanted)| match wanted {
        '0' => digit(p.char(i)),
        _ => p.char(i) == wanted,
    });
    if fits { shape.len() } else { 0 }
}

/// Fixed texts and what they become.
const FIXED: [(&str, &str); 31] = [
    ("(", "-lrb-"),
    (")", "-rrb-"),
    ("[", "-lsb-"),
    ("]", "-rsb-"),
    ("{", "-lcb-"),
    ("}", "-rcb-"),
    ("€", "$"),
    ("¤", "$"),
    ("£", "#"),
    ("¢", "cents"),
    ("½", "1/2"),
    ("¼", "1/4"),
    ("¾", "3/4"),
    ("⅓", "1/3"),
    ("⅔", "2/3"),
    ("&amp;", "&"),
    ("&lt;", "<"),
    ("&gt;", ">"),
    ("&quot;", "\""),
    ("&nbsp;", ""),
    ("–", "--"),
    ("—", "--"),
    ("―", "--"),
    ("c++", "c++"),
    ("c#", "c#"),
    ("f#", "f#"),
    ("us$", "us$"),
    ("c$", "c$"),
    ("a$", "a$"),
    ("hk$", "hk$"),
    ("\u{97}", "--"),
];

/// The longest rule at a place; of equals the first.
pub(super) fn longest(text: &[char], at: usize) -> Taken {
    let place = &Place { text, at };
    let (stem, stem_seen) = before_not(place);
    let (short, short_seen) = abbreviation(place);
    let slice = |chars: usize| -> String { text.iter().skip(at).take(chars).collect() };
    // What is taken, and what is looked at.
    let mut best = (0, 0);
    let whole = [
        tag(place),
        address(place),
        apostrophe_word(place),
        short_verb(place),
        word(place),
        fraction(place),
        date(place),
        phone(place),
        number(place),
        thing(place),
        face(place),
        marks(place),
        company(place),
    ];
    let rules = [(stem, stem_seen), (short, short_seen)];
    for (taken, seen) in rules.into_iter().chain(whole.map(|length| (length, length))) {
        if seen > best.1 {
            best = (taken, seen);
        }
    }
    for (first, second) in JOINED {
        let ahead = first.chars().count();
        if place.has(0, first) && place.whole(ahead, second) > 0 && ahead + second.len() >= best.1 {
            let behind = Place { text, at: at + ahead + second.len() };
            if !alphanumeric(behind.char(0)) && short_verb(&behind) == 0 {
                best = (ahead, ahead + second.len());
            }
        }
    }
    for (fixed, becomes) in FIXED {
        let length = fixed.chars().count();
        let big = !fixed.ends_with('$') || place.char(0).is_ascii_uppercase();
        if big && place.has(0, fixed) && length >= best.1 {
            return Taken { chars: length, as_text: Some(becomes.to_string()) };
        }
    }
    if best.0 == 0 {
        let as_text = symbol(place.char(0)).then(|| slice(1));
        return Taken { chars: 1, as_text };
    }
    Taken { chars: best.0, as_text: written(&slice(best.0)) }
}

/// `AT&T`.
fn company(p: &Place<'_>) -> usize {
    let mut end = p.run(0, |c| c.is_ascii_uppercase());
    let start = end;
    while end > 0 && matches!(p.char(end), '&' | '+') && p.char(end + 1).is_ascii_uppercase() {
        end += 1 + p.run(end + 1, |c| c.is_ascii_uppercase());
    }
    if end > start { end } else { 0 }
}

/// A token as the official tool writes it; none for marks that it leaves out.
fn written(token: &str) -> Option<String> {
    let first = token.chars().next()?;
    let dashes = first == '-' && token.chars().all(|c| c == '-');
    let dots = matches!(first, '.' | '…') && token.chars().all(|c| c == first);
    let quotes = token.chars().all(|c| like_apostrophe(c) || matches!(c, '"' | '“' | '”'));
    if (dashes && token.len() < 5) || dots || quotes {
        return None;
    }
    let token = token.replace(' ', "\u{a0}").replace('\u{ad}', "");
    let short = token.replace(['’', '\u{92}'], "'");
    let verb =
        ["'s", "'m", "'d", "'re", "'ve", "'ll", "n't"].contains(&short.to_lowercase().as_str());
    let token = if verb { short } else { token };
    let face = token.starts_with([':', ';', '=', '<', '>', '(']);
    if face && !token.ends_with('>') {
        return Some(token.replace('(', "-lrb-").replace(')', "-rrb-"));
    }
    Some(token)
}
