//! The pictures that a person names: files, folders, patterns, addresses and the standard input.

use refvlm_native::fetch::from_web;
use refvlm_native::picture::{
    MAX_FILE_BYTES, Picture, PictureError, Remark, open_picture, read_bytes,
};
use std::collections::HashSet;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use url::Url;

/// The endings of pictures that are taken out of a folder.
const ENDINGS: [&str; 5] = ["png", "jpg", "jpeg", "webp", "gif"];
/// The name of the standard input.
const STANDARD_INPUT: &str = "-";

/// Why what a person named is not a list of pictures. The text names it and the remedy.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// A question where a picture was expected.
    #[error(
        "no picture is called '{text}'; if it is the question, give it with --ask: --ask '{text}'"
    )]
    Words {
        /// What was typed.
        text: String,
    },
    /// A number where a picture was expected.
    #[error(
        "no picture is called '{text}'; the numbers of a place stand together, with a comma and \
         without a space: --point 40,90"
    )]
    Number {
        /// What was typed.
        text: String,
    },
    /// A folder that cannot be listed.
    #[error("{path}: {source}: check the path and its permissions", path = path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// The underlying I/O error.
        source: io::Error,
    },
    /// A folder without pictures.
    #[error(
        "{path}: no picture in this folder: name one whose files end in {}", ENDINGS.join(", "),
        path = path.display()
    )]
    Empty {
        /// The folder.
        path: PathBuf,
    },
    /// A pattern that matches nothing, or is none.
    #[error("{pattern}: {problem}: check the pattern, or name the pictures one by one")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// The parser's message, or that nothing matches.
        problem: String,
    },
    /// An address that is not one.
    #[error(
        "{text}: not an address ({problem}): correct it, or save the picture and give its path"
    )]
    Address {
        /// What was typed.
        text: String,
        /// The parser's message.
        problem: String,
    },
    /// The standard input named twice.
    #[error("- stands twice: the standard input holds one picture; save the others as files")]
    Twice,
}

/// Where one picture comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A file.
    File(PathBuf),
    /// The standard input.
    Standard,
    /// An address, http or https.
    Web(Url),
}

impl Input {
    /// The pictures that a person named: folders and patterns opened, in the order of their names.
    pub fn all(given: &[PathBuf]) -> Result<Vec<Self>, InputError> {
        let mut inputs = Vec::new();
        for path in given {
            match path.to_str() {
                Some(STANDARD_INPUT) if inputs.contains(&Input::Standard) => {
                    return Err(InputError::Twice);
                }
                Some(STANDARD_INPUT) => inputs.push(Input::Standard),
                _ if path.is_dir() => {
                    inputs.extend(in_folder(path)?.into_iter().map(Input::File));
                }
                Some(text) if !path.exists() => inputs.extend(absent(text)?),
                _ => inputs.push(Input::File(path.clone())),
            }
        }
        Ok(inputs)
    }

    /// The picture, and what a person should know about it.
    pub fn read(&self) -> Result<(Picture, Vec<Remark>), Box<dyn std::error::Error>> {
        let name = PathBuf::from(self.name());
        let bytes = match self {
            Input::File(path) => read_bytes(path)?,
            Input::Web(url) => from_web(url, MAX_FILE_BYTES)?,
            Input::Standard => {
                let mut bytes = Vec::new();
                io::stdin().lock().take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)?;
                if bytes.len() as u64 > MAX_FILE_BYTES {
                    return Err(PictureError::FileSize { path: name }.into());
                }
                bytes
            }
        };
        if bytes.is_empty() {
            return Err(PictureError::Empty { path: name }.into());
        }
        Ok(open_picture(&bytes, &name)?)
    }

    /// The file, where it is one.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Input::File(path) => Some(path),
            Input::Standard | Input::Web(_) => None,
        }
    }

    /// The input as it is shown; an address without user and password.
    pub fn name(&self) -> String {
        match self {
            Input::File(path) => path.display().to_string(),
            Input::Standard => "standard input".into(),
            Input::Web(url) => {
                let mut url = url.clone();
                // Both fail only for addresses that cannot have them.
                let _ = url.set_username("");
                let _ = url.set_password(None);
                url.into()
            }
        }
    }

    /// The name of a drawn answer; a number keeps pictures of one name apart.
    pub fn drawn_name(&self, names: &mut HashSet<String>) -> String {
        let stem = match self {
            Input::File(path) => path.file_stem().map(|stem| stem.to_string_lossy().into_owned()),
            Input::Standard => Some("standard-input".into()),
            Input::Web(url) => {
                let last = url.path_segments().and_then(|mut segments| segments.next_back());
                last.and_then(|last| Some(Path::new(last).file_stem()?.to_str()?.to_owned()))
            }
        };
        let stem = stem.unwrap_or_else(|| "picture".into());
        let mut name = format!("{stem}.png");
        let mut number = 2;
        // Disks that take `A` and `a` for one name would lose a picture.
        while !names.insert(name.to_lowercase()) {
            name = format!("{stem}-{number}.png");
            number += 1;
        }
        name
    }
}

/// What a text means that is not the name of something there.
fn absent(text: &str) -> Result<Vec<Input>, InputError> {
    let address = |problem: String| InputError::Address { text: text.into(), problem };
    let scheme = text.split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase());
    match scheme.as_deref() {
        Some("http" | "https") => {
            let url = Url::parse(text).map_err(|error| address(error.to_string()))?;
            return Ok(vec![Input::Web(url)]);
        }
        Some("file") => {
            let url = Url::parse(text).map_err(|error| address(error.to_string()))?;
            let path =
                url.to_file_path().map_err(|()| address("no path of this machine".into()))?;
            return Ok(vec![Input::File(path)]);
        }
        Some("data" | "ftp" | "s3" | "gs") => {
            return Err(address("only http, https and file are opened".into()));
        }
        _ => {}
    }
    // Shells open patterns themselves, save where they stand in quotes, and on Windows.
    if text.contains(['*', '?', '[']) {
        let found = matching(text);
        match found {
            Ok(found) if !found.is_empty() => {
                return Ok(found.into_iter().map(Input::File).collect());
            }
            _ if is_words(text) => {}
            Ok(_) => {
                let problem = "no picture matches".into();
                return Err(InputError::Pattern { pattern: text.into(), problem });
            }
            Err(error) => {
                let problem = error.msg.into();
                return Err(InputError::Pattern { pattern: text.into(), problem });
            }
        }
    }
    if text.trim_matches(',').split(',').all(|part| part.parse::<f32>().is_ok()) {
        return Err(InputError::Number { text: text.into() });
    }
    if is_words(text) {
        return Err(InputError::Words { text: text.into() });
    }
    // Its absence is told when it is read.
    Ok(vec![Input::File(text.into())])
}

/// Whether a text reads like a question and not like a path: spaces, a question mark at its end, or
/// a bare word.
fn is_words(text: &str) -> bool {
    if is_picture(Path::new(text)) {
        return false;
    }
    text.trim().contains(char::is_whitespace)
        || text.ends_with(['?', '？'])
        || !text.contains(['/', '\\', '.', '*', '[', ':'])
}

fn is_picture(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str());
    ending.is_some_and(|e| ENDINGS.contains(&e.to_ascii_lowercase().as_str()))
}

/// Files that a pattern matches; of folders that it matches, their pictures.
fn matching(pattern: &str) -> Result<Vec<PathBuf>, glob::PatternError> {
    let found = glob::glob(pattern)?.filter_map(Result::ok);
    let mut paths = Vec::new();
    for path in found {
        match path.is_dir() {
            // A folder without pictures beside others that have some is no reason to stop.
            true => paths.extend(in_folder(&path).unwrap_or_default()),
            false => paths.push(path),
        }
    }
    Ok(paths)
}

fn in_folder(folder: &Path) -> Result<Vec<PathBuf>, InputError> {
    let failed = |source| InputError::Folder { path: folder.into(), source };
    let entries = std::fs::read_dir(folder).map_err(failed)?;
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut inside: Vec<PathBuf> =
        paths.filter(|path| is_picture(path) && !path.is_dir()).collect();
    if inside.is_empty() {
        return Err(InputError::Empty { path: folder.into() });
    }
    inside.sort();
    Ok(inside)
}

#[cfg(test)]
mod tests {
    use super::*;
    use refvlm_helpers::Folder;

    #[test]
    fn words_patterns_and_addresses_are_told_apart() {
        let all = |text: &str| Input::all(&[text.into()]);
        for question in
            ["What is this?", "Describe", "how many dogs", "Left or right/top?", "这是什么？"]
        {
            let error = all(question).unwrap_err().to_string();
            assert!(error.contains("--ask") && error.contains(question), "{error}");
        }
        for path in ["gone.png", "my photos/gone day.JPG", "folder/gone", "C:\\gone.jpg", "./gone"]
        {
            assert_eq!(all(path).unwrap(), [Input::File(path.into())]);
        }
        assert!(matches!(all("5"), Err(InputError::Number { .. })));
        let error = all("*.bmp").unwrap_err().to_string();
        assert!(error.contains("no picture matches"), "{error}");
        assert!(matches!(all("a[.png"), Err(InputError::Pattern { .. })));
        assert!(matches!(all("http://"), Err(InputError::Address { .. })));
        assert!(matches!(all("data:image/png;base64,aa"), Err(InputError::Address { .. })));
        let [web] = &all("HTTPS://me:secret@host/a/b%20c.jpg?x=1").unwrap()[..] else {
            panic!("one picture")
        };
        assert_eq!(web.name(), "https://host/a/b%20c.jpg?x=1");
        assert_eq!(web.drawn_name(&mut HashSet::new()), "b%20c.png");
        let twice = Input::all(&["-".into(), "-".into()]);
        assert!(matches!(twice, Err(InputError::Twice)));
    }

    #[test]
    fn a_pattern_in_quotes_is_opened_and_names_stay_apart() {
        let folder = Folder::new("patterns");
        std::fs::create_dir(folder.0.join("more.png")).unwrap();
        for name in ["b.png", "a.png", "A.jpg", "c.txt"] {
            folder.file(name, b"");
        }
        let pattern = folder.0.join("[ab].png").display().to_string();
        let found = Input::all(&[pattern.into()]).unwrap();
        let paths: Vec<_> = found.iter().filter_map(Input::path).collect();
        assert_eq!(paths, [folder.0.join("a.png"), folder.0.join("b.png")]);
        // The folder that is called as a picture is not one.
        let inside = Input::all(std::slice::from_ref(&folder.0)).unwrap();
        assert_eq!(inside.len(), 3, "{inside:?}");
        let mut names = HashSet::new();
        let drawn: Vec<String> = inside.iter().map(|i| i.drawn_name(&mut names)).collect();
        assert_eq!(drawn, ["A.png", "a-2.png", "b.png"]);
    }
}
