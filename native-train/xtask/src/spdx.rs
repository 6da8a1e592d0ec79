//! SPDX licence expressions, as far as crates use them.

use crate::tools::Fallible;

/// Whether the expression can be met with accepted licences alone: one side of each `OR`, both of
/// each `AND`. `WITH` makes a licence of its own name; the old `A/B` means `OR`.
///
/// # Errors
/// An expression that does not parse, which must not pass for an accepted one.
pub fn satisfied(expression: &str, accepts: &dyn Fn(&str) -> bool) -> Fallible<bool> {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut parser = Parser { words: &words, accepts };
    match (parser.either(), parser.words) {
        (Some(verdict), []) => Ok(verdict),
        _ => Err(format!("`{expression}` is not a licence expression")),
    }
}

struct Parser<'a> {
    words: &'a [&'a str],
    accepts: &'a dyn Fn(&str) -> bool,
}

impl Parser<'_> {
    fn take(&mut self, wanted: &str) -> bool {
        match self.words {
            [first, rest @ ..] if *first == wanted => {
                self.words = rest;
                true
            }
            _ => false,
        }
    }

    fn name(&mut self) -> Option<String> {
        let [first, rest @ ..] = self.words else { return None };
        if ["AND", "OR", "WITH", "(", ")"].contains(first) {
            return None;
        }
        self.words = rest;
        Some((*first).into())
    }

    fn either(&mut self) -> Option<bool> {
        let mut verdict = self.both()?;
        while self.take("OR") {
            verdict |= self.both()?;
        }
        Some(verdict)
    }

    fn both(&mut self) -> Option<bool> {
        let mut verdict = self.single()?;
        while self.take("AND") {
            verdict &= self.single()?;
        }
        Some(verdict)
    }

    fn single(&mut self) -> Option<bool> {
        if self.take("(") {
            let verdict = self.either()?;
            return self.take(")").then_some(verdict);
        }
        let mut licence = self.name()?;
        if self.take("WITH") {
            licence = format!("{licence} WITH {}", self.name()?);
        }
        Some((self.accepts)(&licence))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(expression: &str) -> Fallible<bool> {
        satisfied(expression, &|name| ["MIT", "Zlib", "A WITH E"].contains(&name))
    }

    #[test]
    fn one_side_of_or_suffices_and_both_of_and_are_needed() {
        for (expression, expected) in [
            ("MIT", true),
            ("GPL-3.0", false),
            ("GPL-3.0 OR MIT", true),
            ("GPL-3.0/MIT", true),
            ("MIT AND GPL-3.0", false),
            ("GPL-3.0 OR MIT AND Zlib", true),
            ("(GPL-3.0 OR MIT) AND Zlib", true),
            ("(GPL-3.0 OR MIT) AND AGPL-3.0", false),
            ("A WITH E", true),
            ("A", false),
        ] {
            assert_eq!(verdict(expression), Ok(expected), "{expression}");
        }
    }

    #[test]
    fn what_does_not_parse_is_not_accepted() {
        for expression in ["", "MIT OR", "MIT Zlib", "(MIT", "MIT)", "AND", "A WITH"] {
            assert!(verdict(expression).is_err(), "{expression}");
        }
    }
}
