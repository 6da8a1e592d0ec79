//! Names that a person mistyped, with the known one nearest to them.

/// What a person more likely meant than typed: at most so many letters differ.
const MOST_LETTERS: usize = 3;

/// The name that differs least from the one given, if any is near.
pub fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let near = known.map(|known| (strsim::damerau_levenshtein(name, known), known));
    let near = near.filter(|(letters, known)| {
        *letters <= MOST_LETTERS && *letters * 2 <= known.chars().count().max(2)
    });
    near.min().map(|(_, known)| known)
}

/// The message of a parser with the nearest of the names that it lists: "unknown field `a`,
/// expected one of `b`, `c`".
pub fn with_nearest(message: &str) -> String {
    let message = message.trim_end();
    let Some((_, told)) = message.split_once("unknown ") else { return message.into() };
    let mut names = told.split('`').skip(1).step_by(2);
    let near = names.next().and_then(|given| nearest(given, names));
    match near {
        Some(name) => format!("{message}; did you mean `{name}`?"),
        None => message.into(),
    }
}
