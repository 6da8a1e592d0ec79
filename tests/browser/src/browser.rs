//! Chromium behind its driver, spoken to in WebDriver's own words: JSON over HTTP. The clients
//! that there are for Rust bring half a hundred crates, some under copyleft.

use crate::Server;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long a page may take to come to what is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the page is looked at on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Screen {
    /// 1440 x 900 px, a mouse.
    Wide,
    /// 390 x 844 px, fingers.
    Phone,
}

/// A browser with a profile and a folder for downloads of its own, gone when dropped.
pub struct Browser {
    driver: Child,
    port: u16,
    session: String,
    folder: PathBuf,
}

impl Browser {
    /// Opens a page of the site on a wide screen.
    pub fn open(server: &Server, page: &str) -> Self {
        let browser = Self::start(Screen::Wide);
        browser.go(&server.url(page));
        browser
    }

    /// An empty window.
    pub fn start(screen: Screen) -> Self {
        Self::with(screen, &[])
    }

    /// An empty window of a browser that is started with these arguments too.
    pub fn with(screen: Screen, args: &[&str]) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let folder = format!("refvlm-browser-{}-{port}", std::process::id());
        let folder = std::env::temp_dir().join(folder);
        std::fs::create_dir_all(folder.join("downloads")).unwrap();
        let program = std::env::var_os("CHROMEDRIVER").unwrap_or_else(|| "chromedriver".into());
        let mut driver = Command::new(program);
        driver.arg(format!("--port={port}")).stdout(Stdio::null()).stderr(Stdio::null());
        let driver = driver.spawn().expect("chromedriver cannot be started");
        let mut browser = Self { driver, port, session: String::new(), folder };
        for _ in 0..100 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                break;
            }
            sleep(Duration::from_millis(100));
        }
        let args = [&["--headless=new", "--no-sandbox"], args].concat();
        let mut options = json!({
            "args": args,
            "prefs": {
                "download.default_directory": browser.folder.join("downloads"),
                "profile.default_content_setting_values.automatic_downloads": 1,
            },
        });
        if screen == Screen::Phone {
            let metrics = json!({"width": 390, "height": 844, "pixelRatio": 2, "touch": true});
            options["mobileEmulation"] = json!({"deviceMetrics": metrics});
        }
        let wanted = json!({
            "timeouts": {"script": 300_000},
            "goog:loggingPrefs": {"browser": "ALL"},
            "goog:chromeOptions": options,
        });
        let wanted = json!({"capabilities": {"alwaysMatch": wanted}});
        let session = browser.call("POST", "/session", &wanted);
        browser.session = format!("/session/{}", session["sessionId"].as_str().unwrap());
        if screen == Screen::Wide {
            let metrics =
                json!({"width": 1440, "height": 900, "deviceScaleFactor": 1, "mobile": false});
            browser.devtools("Emulation.setDeviceMetricsOverride", metrics);
        }
        browser
    }

    /// Handles of the open tabs.
    pub fn windows(&self) -> Vec<String> {
        let handles = self.call("GET", &format!("{}/window/handles", self.session), &json!({}));
        serde_json::from_value(handles).unwrap()
    }

    /// Goes to an address.
    pub fn go(&self, url: &str) {
        self.command("url", json!({"url": url}));
    }

    /// Runs a script in each page before its own.
    pub fn before_each_page(&self, script: &str) {
        self.devtools("Page.addScriptToEvaluateOnNewDocument", json!({"source": script}));
    }

    /// A command of Chromium's developer tools.
    pub fn devtools(&self, name: &str, params: Value) -> Value {
        self.command("goog/cdp/execute", json!({"cmd": name, "params": params}))
    }

    /// Runs the body of an async function in the page, where `args` is what is passed, and returns
    /// what it returns. An error that it throws comes back as `{"thrown": {name, kind, message,
    /// remedy}}`.
    pub fn run(&self, body: &str, args: Value) -> Value {
        let script = format!(
            "const [args, done] = arguments;
             (async () => {{ {body} }})().then((value) => done(value ?? null), (e) => done({{thrown:
                {{name: e.name, kind: e.kind, message: e.message ?? String(e), remedy: e.remedy}}}}));"
        );
        self.command("execute/async", json!({"script": script, "args": [args]}))
    }

    /// As [`Browser::run`], of what must not fail.
    pub fn get(&self, body: &str, args: Value) -> Value {
        let value = self.run(body, args);
        assert!(value.get("thrown").is_none(), "{value}");
        value
    }

    /// As [`Browser::run`], of what must fail: the kind of the failure, which has a remedy.
    pub fn kind(&self, body: &str, args: Value) -> String {
        let value = self.run(body, args);
        let thrown = &value["thrown"];
        assert!(thrown["remedy"].as_str().is_some_and(|text| !text.is_empty()), "{value}");
        thrown["kind"].as_str().unwrap().to_string()
    }

    /// Waits until an expression is true in the page.
    pub fn until(&self, condition: &str) {
        let start = Instant::now();
        let body = format!(
            "for (let i = 0; i < 40; i++) {{
                if ({condition}) return true;
                await new Promise((resolve) => setTimeout(resolve, 25));
            }}
            return false;"
        );
        while self.get(&body, json!(null)) != true {
            if start.elapsed() > PATIENCE {
                self.shot("failed");
                panic!("still not: {condition}\n{}", self.words());
            }
        }
    }

    /// What the page says.
    pub fn words(&self) -> String {
        let words = self.get("return document.body.innerText;", json!(null));
        words.as_str().unwrap_or_default().to_string()
    }

    /// Clicks on the middle of an element, as a person does.
    pub fn click(&self, css: &str) {
        let id = self.find(css);
        self.command(&format!("element/{id}/click"), json!({}));
    }

    /// Chooses a file in an `<input type=file>`.
    pub fn choose(&self, css: &str, name: &str, bytes: &[u8]) {
        let path = self.folder.join(name);
        std::fs::write(&path, bytes).unwrap();
        let id = self.find(css);
        self.command(&format!("element/{id}/value"), json!({"text": path}));
    }

    fn find(&self, css: &str) -> String {
        let found = self.command("element", json!({"using": "css selector", "value": css}));
        let id = found.as_object().and_then(|object| object.values().next()).unwrap();
        id.as_str().unwrap().to_string()
    }

    /// Waits for a download whose name ends so, and takes it away.
    pub fn downloaded(&self, ending: &str) -> Vec<u8> {
        let start = Instant::now();
        let folder = self.folder.join("downloads");
        loop {
            let mut files = std::fs::read_dir(&folder).unwrap().flatten().map(|entry| entry.path());
            let found = files.find(|path| path.to_string_lossy().ends_with(ending));
            if let Some(path) = found {
                let bytes = std::fs::read(&path).unwrap();
                std::fs::remove_file(path).unwrap();
                return bytes;
            }
            assert!(start.elapsed() < PATIENCE, "no download ends in {ending}");
            sleep(Duration::from_millis(50));
        }
    }

    /// Keeps a picture of the window as `name.png` in the folder that `REFVLM_SHOTS` names, if it
    /// names one: to look at, and for the docs.
    pub fn shot(&self, name: &str) {
        let Some(folder) = std::env::var_os("REFVLM_SHOTS") else { return };
        // What fades in is there by then.
        sleep(Duration::from_millis(300));
        let png = self.call("GET", &format!("{}/screenshot", self.session), &json!({}));
        let png = decoded(png.as_str().unwrap());
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(Path::new(&folder).join(format!("{name}.png")), png).unwrap();
    }

    /// Errors and warnings that page, workers and browser have written to the console since last
    /// asked.
    pub fn complaints(&self) -> Vec<String> {
        let entries = self.command("se/log", json!({"type": "browser"}));
        let entries = entries.as_array().cloned().unwrap_or_default();
        let bad = |entry: &&Value| entry["level"] == "SEVERE" || entry["level"] == "WARNING";
        let words = entries.iter().filter(bad).map(|entry| entry["message"].to_string());
        // Chromium's own remark wherever somebody looks for a graphics card and there is none.
        words.filter(|words| !words.contains("No available adapters")).collect()
    }

    /// A command of the session that WebDriver, or Chromium's driver, knows.
    pub fn command(&self, name: &str, body: Value) -> Value {
        self.call("POST", &format!("{}/{name}", self.session), &body)
    }

    fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        let json = self.http(method, path, &body.to_string()).expect("the driver went away");
        let answer: Value = serde_json::from_slice(&json).unwrap();
        assert!(answer["value"].get("error").is_none(), "{path}: {}", answer["value"]);
        answer["value"].clone()
    }

    /// The body of the answer. The driver keeps the connection open, so it is read by its length.
    fn http(&self, method: &str, path: &str, body: &str) -> std::io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        let body = if method == "GET" { "" } else { body };
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )?;
        let mut reader = BufReader::new(stream);
        let mut length = 0;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let line = line.trim_end().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().map_err(std::io::Error::other)?;
            }
        }
        let mut answer = vec![0; length];
        reader.read_exact(&mut answer)?;
        Ok(answer)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The driver ends its browser when the session ends; killed, it would leave it behind.
        drop(self.http("DELETE", &self.session, ""));
        drop(self.driver.kill());
        drop(self.driver.wait());
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

/// Bytes from base64, as WebDriver sends pictures.
pub fn decoded(base64: &str) -> Vec<u8> {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = base64.bytes().filter_map(|c| DIGITS.iter().position(|digit| *digit == c));
    let (mut bits, mut count, mut bytes) = (0u32, 0, Vec::new());
    for digit in digits {
        bits = bits << 6 | digit as u32;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    bytes
}
