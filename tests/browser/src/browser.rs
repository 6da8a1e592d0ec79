//! Chromium behind its driver, spoken to in WebDriver's own words: JSON over HTTP. The clients
//! that there are for Rust bring half a hundred crates, some under copyleft.

use crate::Server;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

/// A browser with a profile of its own, gone when dropped.
pub struct Browser {
    driver: Child,
    port: u16,
    session: String,
}

impl Browser {
    /// Opens a page of the site.
    pub fn open(server: &Server, page: &str) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let program = std::env::var_os("CHROMEDRIVER").unwrap_or_else(|| "chromedriver".into());
        let mut driver = Command::new(program);
        driver.arg(format!("--port={port}")).stdout(Stdio::null()).stderr(Stdio::null());
        let driver = driver.spawn().expect("chromedriver cannot be started");
        let mut browser = Self { driver, port, session: String::new() };
        for _ in 0..100 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                break;
            }
            sleep(Duration::from_millis(100));
        }
        let wanted = json!({
            "timeouts": {"script": 300_000},
            "goog:loggingPrefs": {"browser": "ALL"},
            "goog:chromeOptions": {"args": ["--headless=new", "--no-sandbox"]},
        });
        let wanted = json!({"capabilities": {"alwaysMatch": wanted}});
        let session = browser.call("POST", "/session", &wanted);
        browser.session = format!("/session/{}", session["sessionId"].as_str().unwrap());
        browser.command("url", json!({"url": server.url(page)}));
        browser
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

    /// Clicks on the middle of an element, as a person does.
    pub fn click(&self, css: &str) {
        let found = self.command("element", json!({"using": "css selector", "value": css}));
        let id = found.as_object().and_then(|object| object.values().next()).unwrap();
        self.command(&format!("element/{}/click", id.as_str().unwrap()), json!({}));
    }

    /// Errors and warnings that page, workers and browser have written to the console since last
    /// asked.
    pub fn complaints(&self) -> Vec<String> {
        let entries = self.command("se/log", json!({"type": "browser"}));
        let entries = entries.as_array().cloned().unwrap_or_default();
        let bad = |entry: &&Value| entry["level"] == "SEVERE" || entry["level"] == "WARNING";
        entries.iter().filter(bad).map(|entry| entry["message"].to_string()).collect()
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
    }
}
