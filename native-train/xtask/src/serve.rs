//! A server for one folder on this machine alone, for looking at the site.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Component, Path, PathBuf};

use crate::tools::Fallible;

/// Longest request line or header that is read.
const MAX_LINE: u64 = 8 << 10;

/// Serves `folder` until the program is ended; takes another port where 8080 is not free.
pub fn serve(folder: &Path) -> Fallible<()> {
    let listener = TcpListener::bind("127.0.0.1:8080")
        .or_else(|_| TcpListener::bind("127.0.0.1:0"))
        .map_err(|e| format!("no port is free: {e}"))?;
    let address = listener.local_addr().map_err(|e| e.to_string())?;
    println!("\nhttp://{address}/  (Ctrl-C ends)");
    for stream in listener.incoming().flatten() {
        let folder = folder.to_path_buf();
        // A browser that closes the connection is not an error.
        std::thread::spawn(move || answer(&folder, stream).ok());
    }
    Ok(())
}

fn answer(folder: &Path, mut stream: TcpStream) -> io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    loop {
        let request = line(&mut reader)?;
        let mut words = request.split_whitespace();
        let (Some(method), Some(target)) = (words.next(), words.next()) else { return Ok(()) };
        let mut from = 0;
        loop {
            let header = line(&mut reader)?.to_ascii_lowercase();
            if header.is_empty() {
                break;
            }
            if let Some(range) = header.strip_prefix("range: bytes=") {
                from = range.trim_end_matches('-').parse().unwrap_or(0);
            }
        }
        match (method, find(folder, target)) {
            ("GET" | "HEAD", Some(path)) => send(&mut stream, &path, from, method == "GET")?,
            _ => stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")?,
        }
    }
}

fn line(reader: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    reader.take(MAX_LINE).read_line(&mut line)?;
    Ok(line.trim_end().to_string())
}

/// The file that a target names; none outside of the folder.
fn find(folder: &Path, target: &str) -> Option<PathBuf> {
    let name = target.split(['?', '#']).next()?.trim_start_matches('/');
    let inside = Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
    let path = folder.join(name);
    let path = if path.is_dir() { path.join("index.html") } else { path };
    (inside && path.is_file()).then_some(path)
}

fn send(stream: &mut TcpStream, path: &Path, from: u64, body: bool) -> io::Result<()> {
    let length = fs::metadata(path)?.len();
    let kind = kind_of(path);
    let from = from.min(length);
    let status = match from {
        0 => "200 OK".to_string(),
        _ => {
            let last = length.saturating_sub(1);
            format!("206 Partial Content\r\nContent-Range: bytes {from}-{last}/{length}")
        }
    };
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\
         Accept-Ranges: bytes\r\nCache-Control: no-cache\r\n\r\n",
        length - from
    )?;
    if body {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(from))?;
        io::copy(&mut file, stream)?;
    }
    Ok(())
}

fn kind_of(path: &Path) -> &'static str {
    match path.extension().and_then(|extension| extension.to_str()).unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" => "application/json",
        "webmanifest" => "application/manifest+json",
        "wasm" => "application/wasm",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "txt" | "md" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_outside_of_the_folder_is_served() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        assert!(find(&folder, "/serve.rs?x=1").is_some());
        for target in ["/../Cargo.toml", "/x/../../Cargo.toml", "//etc/hostname/../passwd", "/no"] {
            assert_eq!(find(&folder, target), None, "{target}");
        }
    }
}
