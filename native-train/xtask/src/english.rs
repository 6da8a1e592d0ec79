//! Phrases that no text of the repository may hold; `english.txt` lists them.

/// The list, in the program: what is checked must not depend on where the program runs.
const LIST: &str = include_str!("english.txt");
/// Where the list stands, as git names it: it may hold what it forbids.
const NAME: &str = "native-train/xtask/src/english.txt";

/// Endings of files that hold words for people.
const ENDINGS: [&str; 4] = ["rs", "md", "js", "ts"];

/// Every forbidden phrase of a file, as `name:line: ...`.
pub fn problems_of(name: &str, text: &str) -> Vec<String> {
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
    if name == NAME || !ENDINGS.contains(&ending) {
        return Vec::new();
    }
    let lines: Vec<String> = text.lines().map(words_of).collect();
    let mut problems = Vec::new();
    for phrase in LIST.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let found = |number: usize| format!("{name}:{number}: `{phrase}`; say it plainly");
        if let Some(comment) = phrase.strip_prefix("///") {
            problems.extend(empty_comments(text, comment.trim()).map(found));
        } else {
            let phrase = phrase.to_lowercase();
            problems.extend(begins_of(&lines, &phrase).map(found));
        }
    }
    problems
}

/// Numbers of the lines that are the whole of a doc comment and say just this.
fn empty_comments<'a>(text: &'a str, comment: &'a str) -> impl Iterator<Item = usize> + 'a {
    let lines: Vec<Option<&str>> =
        text.lines().map(|line| line.trim().strip_prefix("///").map(str::trim)).collect();
    let is_comment =
        move |lines: &[Option<&str>], at: usize| matches!(lines.get(at), Some(Some(_)));
    (0..lines.len()).filter_map(move |at| {
        let alone = !is_comment(&lines, at + 1) && (at == 0 || !is_comment(&lines, at - 1));
        (alone && lines.get(at) == Some(&Some(comment))).then_some(at + 1)
    })
}

/// Numbers of the lines in which a phrase begins.
fn begins_of<'a>(lines: &'a [String], phrase: &'a str) -> impl Iterator<Item = usize> + 'a {
    lines.iter().enumerate().filter_map(move |(index, line)| {
        let next = lines.get(index + 1).map_or("", String::as_str);
        let both = format!("{line} {next}");
        let found = both.match_indices(phrase).any(|(at, _)| at < line.len());
        found.then_some(index + 1)
    })
}

/// The words of a line in lower case, without the signs of a comment before them.
fn words_of(line: &str) -> String {
    let line = line.trim_start().trim_start_matches(['/', '!', '*', '#', '>', '-']);
    line.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phrases_are_found_wherever_they_are_wrapped() {
        let phrase = LIST.lines().find(|line| line.starts_with("a program")).unwrap();
        let (first, rest) = phrase.split_at(phrase.len() - 3);
        let wrapped = format!("fn f() {{}}\n/// Not {first}\n///   {rest}, ever.\n");
        let found = problems_of("a.rs", &wrapped);
        assert!(found.iter().all(|problem| problem.starts_with("a.rs:2: ")), "{found:?}");
        assert!(!found.is_empty());
        assert!(problems_of("a.toml", &wrapped).is_empty());
        assert!(problems_of(NAME, LIST).is_empty());
        assert_eq!(problems_of("a.md", &phrase.to_uppercase()).len(), found.len());
    }

    #[test]
    fn a_doc_comment_must_say_more_than_its_type() {
        let alone = format!("    /{}\n    A,\n", "// Which.");
        assert_eq!(problems_of("a.rs", &alone).len(), 1);
        let longer = "/// Which.\n/// It is the second.\n";
        assert!(problems_of("a.rs", longer).is_empty());
        assert!(problems_of("a.rs", "// Which.\n/// Which one of them.\n").is_empty());
    }
}
