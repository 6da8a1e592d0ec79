//! Rules for what is not made of words: addresses, tags, faces.

use super::place::{Place, letter, space};

/// Where an address ends that goes on to the next space; marks at its end do not belong to it.
fn path(p: &Place<'_>, from: usize) -> usize {
    let mut end = from + p.run(from, |c| !space(c) && !"\"<>|()".contains(c));
    while end > from && ".!?(){},-".contains(p.char(end - 1)) {
        end -= 1;
    }
    end
}

/// Addresses of pages and of people, `#word`, `@name`.
pub(super) fn address(p: &Place<'_>) -> usize {
    if p.has(0, "http://") || p.has(0, "https://") {
        let end = path(p, 0);
        return if end > "https://".len() { end } else { 0 };
    }
    if p.has(0, "www.") {
        let label =
            |from: usize| p.run(from, |c| !space(c) && !"\"`'’‘“”…–—:;<>|.!?(){},/".contains(c));
        let mut end = 3;
        while p.char(end) == '.' && label(end + 1) > 0 {
            end += 1 + label(end + 1);
        }
        return if p.char(end) == '/' { path(p, end).max(end) } else { end };
    }
    let user = p.run(0, |c| c.is_ascii_alphanumeric() || "._-".contains(c));
    if user > 0 && p.char(user) == '@' {
        let label = |from: usize| p.run(from, |c| !space(c) && !"\"<>|().".contains(c));
        let mut end = user + 1 + label(user + 1);
        while p.char(end) == '.' && label(end + 1) > 0 {
            end += 1 + label(end + 1);
        }
        return if end > user + 1 { end } else { 0 };
    }
    match p.char(0) {
        '#' if letter(p.char(1)) => 1 + p.run(1, letter),
        '@' if p.char(1).is_ascii_alphabetic() => {
            1 + p.run(1, |c| c.is_ascii_alphanumeric() || c == '_')
        }
        _ => 0,
    }
}

/// `<br>`, `</a>`.
pub(super) fn tag(p: &Place<'_>) -> usize {
    let slash = usize::from(p.char(1) == '/');
    if p.char(0) != '<' || !p.char(1 + slash).is_ascii_alphabetic() {
        return 0;
    }
    let end = 1 + p.run(1, |c| c != '>' && c != '<' && c != '\n');
    if p.char(end) == '>' { end + 1 } else { 0 }
}

/// `:)`, `;-)`, `=P`.
pub(super) fn face(p: &Place<'_>) -> usize {
    let hat = usize::from(matches!(p.char(0), '<' | '>'));
    let nose = usize::from("-o*'".contains(p.char(hat + 1)));
    let eyes = matches!(p.char(hat), ':' | ';' | '=');
    let mouth = "()DPdpO\\{@|[]".contains(p.char(hat + 1 + nose));
    let flat = "^x=~<>-'".contains(p.char(0)) && "^x=~<>-'".contains(p.char(2));
    match (eyes && mouth, flat && p.char(1) == '_') {
        (true, _) => hat + nose + 2,
        (false, true) => 3,
        (false, false) => 0,
    }
}
