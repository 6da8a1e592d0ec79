//! Pictures inside of requests.

use crate::failure::{Failure, Kind};
use crate::queue::Photo;
use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// Padding may be there or not: clients differ.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A picture in Base64, with line breaks or without.
///
/// # Errors
/// Names `field` when it is not Base64, or empty.
pub fn from_base64(text: &str, field: &str) -> Result<Photo, Failure> {
    let broken = text.bytes().any(|byte| byte.is_ascii_whitespace());
    let bytes = match broken {
        true => {
            let joined: String = text.split_ascii_whitespace().collect();
            BASE64.decode(joined)
        }
        false => BASE64.decode(text),
    };
    let wrong = |problem: String| Failure::field(Kind::Picture, field, problem);
    let bytes =
        bytes.map_err(|error| wrong(format!("not Base64 ({error}); encode the file's bytes")))?;
    if bytes.is_empty() {
        return Err(wrong("the picture is empty; send its bytes in Base64".into()));
    }
    Ok(Photo::new(bytes))
}

/// The picture that a `data:` URL holds.
///
/// # Errors
/// Names `field` when it is another URL, or not a picture in Base64.
pub fn from_url(url: &str, field: &str) -> Result<Photo, Failure> {
    let url = url.trim();
    let scheme = url.split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase());
    match scheme.as_deref() {
        Some("data") => {}
        Some("http" | "https") => {
            let problem = "http(s) addresses are not fetched, since that would let a client \
                make this machine call others; send the picture itself, as \
                data:image/png;base64,...";
            return Err(Failure::field(Kind::Url, field, problem));
        }
        _ => {
            let problem = "this is not a data: URL; send the picture as data:image/png;base64,...";
            return Err(Failure::field(Kind::Url, field, problem));
        }
    }
    let parts =
        url.split_once(',').filter(|(head, _)| head.to_ascii_lowercase().ends_with(";base64"));
    let Some((_, data)) = parts else {
        let problem = "the data: URL is not in Base64; write data:image/png;base64,...";
        return Err(Failure::field(Kind::Url, field, problem));
    };
    from_base64(data, field)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_lies_in_the_request_is_a_picture() {
        let bytes = |url: &str| from_url(url, "f").map(|photo| photo.bytes.to_vec());
        for good in
            ["data:image/png;base64,YWJjZA==", "DATA:;BASE64,YWJj\nZA", "data:x;base64,YWJjZA"]
        {
            assert_eq!(bytes(good).unwrap(), b"abcd", "{good}");
        }
        let kind = |url: &str| bytes(url).unwrap_err().kind;
        assert_eq!(kind("https://example.org/a.png"), Kind::Url);
        assert_eq!(kind("file:///etc/passwd"), Kind::Url);
        assert_eq!(kind("data:image/png,abc"), Kind::Url);
        assert_eq!(kind("data:image/png;base64,a*b"), Kind::Picture);
        assert_eq!(kind("data:image/png;base64,"), Kind::Picture);
    }
}
