//! What the arrows are drawn from: the modules and `use` lines of one source file, without tests.

use std::collections::BTreeSet;

/// One imported name, or one path that is written out in the code.
#[derive(Debug, Clone, PartialEq)]
pub struct Use {
    /// The path as it is written, without the name it gets by `as`. It ends in `*` for a glob.
    pub path: Vec<String>,
    /// The name under which the importing module knows it.
    pub name: String,
    /// The inline modules around the line, within the file.
    pub inside: Vec<String>,
    /// Whether it is handed on by `pub use`.
    pub public: bool,
}

/// What one file declares and imports outside of tests.
#[derive(Debug, Default)]
pub struct Source {
    /// Modules in files of their own, each with the inline modules around its declaration.
    pub modules: Vec<Vec<String>>,
    /// Modules whose body stands in the file.
    pub inline: Vec<Vec<String>>,
    /// Every import.
    pub uses: Vec<Use>,
    /// Names of the items that the file defines.
    pub items: BTreeSet<String>,
}

impl Source {
    /// Reads the text of a file.
    pub fn read(text: &str) -> Self {
        let tokens = tokens(text);
        let mut source = Self::default();
        source.walk(&tokens, &mut 0, &mut Vec::new());
        source
    }

    /// Whether the file only declares modules and hands on names of others.
    pub fn only_hands_on(&self) -> bool {
        self.items.is_empty() && self.uses.iter().all(|line| line.public)
    }

    /// Reads items up to the end of the block that `at` stands in.
    fn walk(&mut self, tokens: &[String], at: &mut usize, inside: &mut Vec<String>) {
        let mut public = false;
        while let Some(token) = tokens.get(*at) {
            let next = tokens.get(*at + 1).map_or("", String::as_str);
            match token.as_str() {
                "}" => return,
                "#" => {
                    let attribute = attribute(tokens, at);
                    if is_test(&attribute) {
                        skip_item(tokens, at);
                    }
                    continue;
                }
                "pub" => {
                    public = true;
                    if next == "(" {
                        *at += 1;
                        skip_group(tokens, at);
                        continue;
                    }
                }
                "use" if next != "<" => {
                    *at += 1;
                    let line =
                        Use { path: vec![], name: String::new(), inside: inside.clone(), public };
                    self.tree(tokens, at, &line);
                    public = false;
                }
                "mod" if is_name(next) => {
                    let mut path = inside.clone();
                    path.push(next.into());
                    *at += 2;
                    if tokens.get(*at).is_some_and(|token| token == "{") {
                        *at += 1;
                        self.inline.push(path.clone());
                        self.walk(tokens, at, &mut path);
                    } else {
                        self.modules.push(path);
                    }
                    public = false;
                }
                "fn" | "struct" | "enum" | "trait" | "type" | "const" | "static" | "union"
                | "macro_rules" | "impl"
                    if *at + 1 < tokens.len() =>
                {
                    let name = if next == "!" { tokens.get(*at + 2) } else { tokens.get(*at + 1) };
                    self.items.extend(name.filter(|name| is_name(name)).cloned());
                    public = false;
                }
                // A path that is written out imports as a `use` line does.
                "crate" | "super" if next == ":" => {
                    let path = written_path(tokens, at);
                    let name = path.last().cloned().unwrap_or_default();
                    self.uses.push(Use { path, name, inside: inside.clone(), public: false });
                    continue;
                }
                // Bodies hold `use` lines too.
                "{" => {
                    *at += 1;
                    self.walk(tokens, at, inside);
                    public = false;
                }
                _ => public = false,
            }
            *at += 1;
        }
    }

    /// Reads one `use` tree, up to the sign behind it.
    fn tree(&mut self, tokens: &[String], at: &mut usize, before: &Use) {
        let mut line = before.clone();
        while let Some(token) = tokens.get(*at) {
            match token.as_str() {
                "{" => {
                    *at += 1;
                    while tokens.get(*at).is_some_and(|token| token != "}") {
                        if tokens.get(*at).is_some_and(|token| token == ",") {
                            *at += 1;
                        } else {
                            self.tree(tokens, at, &line);
                        }
                    }
                    *at += 1;
                    return;
                }
                "as" => {
                    line.name = tokens.get(*at + 1).cloned().unwrap_or_default();
                    *at += 1;
                }
                ";" | "," | "}" => break,
                ":" => {}
                // `a::{self}` imports `a`.
                "self" if !line.path.is_empty() => {}
                name => {
                    line.path.push(name.into());
                    line.name = name.into();
                }
            }
            *at += 1;
        }
        if !line.path.is_empty() {
            self.uses.push(line);
        }
    }
}

/// Reads a path and steps behind it.
fn written_path(tokens: &[String], at: &mut usize) -> Vec<String> {
    let mut path = Vec::new();
    while let Some(name) = tokens.get(*at).filter(|name| is_name(name)) {
        path.push(name.clone());
        *at += 1;
        let colons = tokens.get(*at..*at + 2).is_some_and(|two| two.iter().all(|sign| sign == ":"));
        if !colons {
            break;
        }
        *at += 2;
    }
    path
}

fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Reads an attribute and steps behind it.
fn attribute(tokens: &[String], at: &mut usize) -> Vec<String> {
    *at += 1;
    if tokens.get(*at).is_some_and(|token| token == "!") {
        *at += 1;
    }
    let from = *at;
    skip_group(tokens, at);
    tokens.get(from..*at).unwrap_or_default().to_vec()
}

fn is_test(attribute: &[String]) -> bool {
    let has = |word: &str| attribute.iter().any(|token| token == word);
    has("test") && !has("not")
}

/// Steps behind the group in brackets that begins at `at`.
fn skip_group(tokens: &[String], at: &mut usize) {
    let mut depth = 0;
    while let Some(token) = tokens.get(*at) {
        match token.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            _ => {}
        }
        *at += 1;
        if depth == 0 {
            return;
        }
    }
}

/// Steps behind one item: its further attributes, and all up to its `;` or its block.
fn skip_item(tokens: &[String], at: &mut usize) {
    while let Some(token) = tokens.get(*at) {
        match token.as_str() {
            "#" => drop(attribute(tokens, at)),
            // A group of a `use` line ends in `;`, every other block ends its item.
            "{" => {
                skip_group(tokens, at);
                if tokens.get(*at).is_none_or(|token| token != ";") {
                    return;
                }
            }
            "(" | "[" => skip_group(tokens, at),
            ";" => {
                *at += 1;
                return;
            }
            _ => *at += 1,
        }
    }
}

/// Names and signs, without comments, literals and lifetimes.
fn tokens(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    let at = |i: usize| chars.get(i).copied().unwrap_or('\0');
    let mut tokens = Vec::new();
    let mut i = 0;
    while i < chars.len() {
        let c = at(i);
        if c == '/' && at(i + 1) == '/' {
            while i < chars.len() && at(i) != '\n' {
                i += 1;
            }
        } else if c == '/' && at(i + 1) == '*' {
            let mut depth = 0;
            while i < chars.len() {
                let step = match (at(i), at(i + 1)) {
                    ('/', '*') => 1,
                    ('*', '/') => -1,
                    _ => 0,
                };
                depth += step;
                i += if step == 0 { 1 } else { 2 };
                if depth == 0 {
                    break;
                }
            }
        } else if c == '"' {
            i = behind_string(&chars, i);
        } else if c.is_alphabetic() || c == '_' {
            let from = i;
            while at(i).is_alphanumeric() || at(i) == '_' {
                i += 1;
            }
            let word: String = chars.get(from..i).unwrap_or_default().iter().collect();
            let raw = matches!(word.as_str(), "r" | "br" | "cr") && matches!(at(i), '"' | '#');
            if raw && let Some(end) = behind_raw(&chars, i) {
                i = end;
            } else if !(matches!(word.as_str(), "b" | "c") && matches!(at(i), '"' | '\'')) {
                tokens.push(word);
            }
        } else if c == '\'' {
            // A character, or a lifetime, which has no closing quote.
            i = match at(i + 1) {
                '\\' => {
                    (i + 3..chars.len()).find(|&j| at(j) == '\'').map_or(chars.len(), |j| j + 1)
                }
                _ if at(i + 2) == '\'' => i + 3,
                _ => i + 1,
            };
        } else {
            if !c.is_whitespace() {
                tokens.push(c.into());
            }
            i += 1;
        }
    }
    tokens
}

fn behind_string(chars: &[char], from: usize) -> usize {
    let mut i = from + 1;
    while let Some(&c) = chars.get(i) {
        match c {
            '\\' => i += 2,
            '"' => return i + 1,
            _ => i += 1,
        }
    }
    i
}

/// Behind a raw string whose `#` or quote stands at `from`; none for a raw name (`r#type`).
fn behind_raw(chars: &[char], from: usize) -> Option<usize> {
    let hashes = chars.get(from..)?.iter().take_while(|&&c| c == '#').count();
    (chars.get(from + hashes) == Some(&'"')).then_some(())?;
    let end: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
    let body = from + hashes + 1;
    let rest = chars.get(body..)?;
    let length = rest.windows(end.len()).position(|window| window == end)?;
    Some(body + length + end.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(text: &str) -> Vec<String> {
        Source::read(text).uses.iter().map(|line| line.path.join("::")).collect()
    }

    #[test]
    fn groups_names_and_bodies_are_read() {
        assert_eq!(
            paths("use a::{b::{self, C as D}, e::*};\nfn f() { use super::g; }"),
            ["a::b", "a::b::C", "a::e::*", "super::g"]
        );
        let source = Source::read("pub(crate) use a::B as C;\nuse d::E;");
        let names: Vec<_> = source.uses.iter().map(|l| (l.name.as_str(), l.public)).collect();
        assert_eq!(names, [("C", true), ("E", false)]);
    }

    #[test]
    fn tests_comments_and_texts_are_left_out() {
        let text = "// use a;\n/* use b; /* use c; */ use d; */\n\
                    const S: &str = \"use e; \\\" }\"; const R: &str = r#\"use f; \"}\"#;\n\
                    #[cfg(test)]\n#[path = \"x.rs\"]\nmod tests;\n\
                    #[cfg(test)]\nmod more { use g; fn f() { {} } }\n\
                    #[cfg(test)]\nuse h::{i, j};\n\
                    #[cfg(not(test))]\nuse k;\nfn l<'a>(x: &'a str) -> char { '}' }\nuse m::n;";
        assert_eq!(paths(text), ["k", "m::n"]);
        assert!(Source::read(text).modules.is_empty());
    }

    #[test]
    fn paths_in_the_code_count_as_imports() {
        let text =
            "pub(crate) fn f(x: crate::a::B) { super::c::d(x); e::<super::F>(); super::g() }";
        assert_eq!(paths(text), ["crate::a::B", "super::c::d", "super::F", "super::g"]);
    }

    #[test]
    fn modules_know_where_they_stand() {
        let source = Source::read("mod a; mod b { mod c; use super::d; }\npub use a::E;");
        assert_eq!(source.modules, [vec!["a".to_string()], vec!["b".into(), "c".into()]]);
        assert_eq!(source.uses.first().map(|line| line.inside.clone()), Some(vec!["b".into()]));
        assert!(!source.only_hands_on());
        assert!(
            Source::read("//! Text.\n#![allow(x)]\nmod a;\npub use a::{B, C};").only_hands_on()
        );
        assert!(!Source::read("mod a;\npub use a::B;\npub fn f() {}").only_hands_on());
    }
}
