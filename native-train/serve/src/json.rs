//! JSON that somebody sent.

use crate::failure::{Failure, Kind};
use refvlm_record::json::{plain, syntax};
use serde::de::DeserializeOwned;

/// A body as what it should be.
///
/// # Errors
/// Says in plain words what is wrong and where.
pub fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Failure> {
    let wrong = |message: String| Failure::new(Kind::Json, format!("the body is {message}"));
    if body.iter().all(u8::is_ascii_whitespace) {
        return Err(wrong("empty; send JSON".into()));
    }
    let text = plain(body).map_err(|problem| wrong(format!("not JSON: {problem}")))?;
    let text = std::str::from_utf8(text);
    let text =
        text.map_err(|e| wrong(format!("not UTF-8 from byte {} on: send UTF-8", e.valid_up_to())))?;
    serde_json::from_str(text).map_err(|error| {
        if error.is_syntax() {
            return wrong(syntax(text, &error));
        }
        if error.is_eof() {
            return wrong("cut off, the JSON ends too early; send all of it".into());
        }
        wrong(format!(
            "JSON of another form than is asked for ({error}); docs/serve.md has examples"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn what_is_wrong_is_said() {
        let wrong = |body: &[u8]| parse::<BTreeMap<String, u32>>(body).unwrap_err().message;
        let cases: [(&[u8], &str); 6] = [
            (b"", "empty"),
            (b"{\"a\":", "cut off"),
            (b"{\"a\": NaN}", "JSON has no such number"),
            (b"\xFF\xFE{", "UTF-16"),
            (b"{\"a\": \"\xC3(\"}", "not UTF-8 from byte 7"),
            (b"{\"a\": \"b\"}", "another form"),
        ];
        for (body, words) in cases {
            let found = wrong(body);
            assert!(found.contains(words), "{found}");
        }
        assert_eq!(parse::<BTreeMap<String, u32>>(b"\xEF\xBB\xBF{\"a\": 1}").unwrap()["a"], 1);
    }
}
