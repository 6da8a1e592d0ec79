//! A place in a text, and kinds of characters.

/// The text at a place, with safe access beyond its end.
pub(super) struct Place<'a> {
    /// All of it.
    pub(super) text: &'a [char],
    /// Here.
    pub(super) at: usize,
}

impl Place<'_> {
    /// The character `ahead` of here; a space beyond the end.
    pub(super) fn char(&self, ahead: usize) -> char {
        self.text.get(self.at + ahead).copied().unwrap_or(' ')
    }

    /// How many characters from `ahead` on fulfil a condition.
    pub(super) fn run(&self, ahead: usize, fits: impl Fn(char) -> bool) -> usize {
        let rest = self.text.get(self.at + ahead..).unwrap_or(&[]);
        rest.iter().take_while(|c| fits(**c)).count()
    }

    /// Whether `word` (in lower case, `'` for any apostrophe) stands `ahead` of here.
    pub(super) fn has(&self, ahead: usize, word: &str) -> bool {
        word.chars().enumerate().all(|(i, wanted)| {
            let c = self.char(ahead + i);
            if wanted == '\'' { apostrophe(c) } else { c.to_ascii_lowercase() == wanted }
        })
    }

    /// `word` without a letter behind it.
    pub(super) fn whole(&self, ahead: usize, word: &str) -> usize {
        let length = word.chars().count();
        let ends = !self.char(ahead + length).is_ascii_alphabetic();
        if ends && self.has(ahead, word) { length } else { 0 }
    }
}

pub(super) fn apostrophe(c: char) -> bool {
    matches!(c, '\'' | '\u{92}' | '’')
}

/// Apostrophes and what is typed in their place.
pub(super) fn like_apostrophe(c: char) -> bool {
    apostrophe(c) || matches!(c, '`' | '\u{91}' | '‘' | '\u{201b}')
}

pub(super) fn letter(c: char) -> bool {
    let mark = matches!(u32::from(c), 0xad | 0x300..=0x36f | 0x5b0..=0x5c7 | 0x64b..=0x65f
        | 0x900..=0x903 | 0x93a..=0x94f | 0x981..=0x983 | 0x9bc..=0x9cd | 0xe31..=0xe4e);
    (c.is_alphabetic() && u32::from(c) < 0x1_0000) || mark
}

pub(super) fn digit(c: char) -> bool {
    c.is_ascii_digit() || matches!(c, '٠'..='٩' | '०'..='९' | '０'..='９')
}

pub(super) fn alphanumeric(c: char) -> bool {
    letter(c) || digit(c)
}

pub(super) fn space(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{200b}' | '\u{feff}')
}

/// Symbols that are tokens by themselves.
pub(super) fn symbol(c: char) -> bool {
    "+%&~^|\\/<>=$@#¦§¨©¬®¯´¶·¸¹º×÷¡¿„‚_*".contains(c)
        || matches!(u32::from(c), 0xb0..=0xb3 | 0x2016..=0x2017 | 0x2020..=0x2023
            | 0x2030..=0x2038 | 0x203b | 0x203e..=0x2042 | 0x2044 | 0x207a..=0x207e
            | 0x208a..=0x208e | 0x2100..=0x214f | 0x215b..=0x215e | 0x2190..=0x21ff
            | 0x2200..=0x2bff | 0x3012 | 0x30fb | 0xff01..=0xff0f | 0xff1a..=0xff20
            | 0xff3b..=0xff40 | 0xff5b..=0xff65)
}
