//! How ranks find each other.
//!
//! Every rank but 0 listens somewhere and greets rank 0 with its place and that port. When all have
//! come, rank 0 sends each the list of all; then each rank greets those before it, but for rank 0,
//! whose connection it keeps, and is greeted by those behind it.

use super::wire::{self, Kind};
use crate::error::RankError;
use crate::place::Place;
use std::io::{Error, ErrorKind, Result};
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

/// How long ranks wait for each other at the beginning.
const MEETING: Duration = Duration::from_secs(60);
const AGAIN: Duration = Duration::from_millis(50);
/// Both ends must speak the same language.
const GREETING: &str = concat!("refvlm ranks ", env!("CARGO_PKG_VERSION"), " 1");

/// A connection to another rank.
pub(super) struct Met {
    pub(super) rank: usize,
    pub(super) name: String,
    pub(super) stream: TcpStream,
}

/// Connections to all other ranks, by their number; nothing at this rank's own.
pub(super) fn meet(place: &Place) -> std::result::Result<Vec<Option<Met>>, RankError> {
    let until = Instant::now() + MEETING;
    let met = if place.rank == 0 { lead(place, until) } else { follow(place, until) };
    met.map_err(|error| RankError::Start {
        rank: place.rank,
        size: place.size,
        problem: error.to_string(),
    })
}

/// What a rank says of itself.
#[derive(Debug, PartialEq)]
struct Greeting {
    rank: usize,
    size: usize,
    port: u16,
    process: u32,
}

impl Greeting {
    fn text(&self) -> String {
        let Self { rank, size, port, process } = self;
        format!("{GREETING}\n{rank} {size} {port} {process}")
    }

    fn read(bytes: &[u8], size: usize) -> Result<Self> {
        let text = String::from_utf8_lossy(bytes);
        let numbers = text.strip_prefix(GREETING).map(|rest| {
            rest.split_whitespace().filter_map(|n| n.parse::<u64>().ok()).collect::<Vec<_>>()
        });
        let Some(&[rank, found, port, process]) = numbers.as_deref() else {
            return Err(wrong("something else than a rank of this version has called"));
        };
        let greeting = Self {
            rank: usize::try_from(rank).unwrap_or(usize::MAX),
            size: usize::try_from(found).unwrap_or(usize::MAX),
            port: u16::try_from(port).unwrap_or(0),
            process: u32::try_from(process).unwrap_or(0),
        };
        if greeting.size != size || greeting.rank >= size {
            let problem = format!(
                "a process calls itself rank {rank} of {found}; start all ranks with the same \
                 number of ranks"
            );
            return Err(wrong(&problem));
        }
        Ok(greeting)
    }
}

fn wrong(problem: &str) -> Error {
    Error::new(ErrorKind::InvalidData, problem)
}

fn greet(stream: &TcpStream, greeting: &Greeting) -> Result<()> {
    wire::write(&mut &*stream, Kind::Data, greeting.text().as_bytes())
}

/// The name of a rank: where it runs.
fn name(address: SocketAddr, process: u32) -> String {
    format!("{}, process {process}", address.ip())
}

fn lead(place: &Place, until: Instant) -> Result<Vec<Option<Met>>> {
    let Place { size, port, .. } = *place;
    let listener = TcpListener::bind(("0.0.0.0", port)).map_err(|error| {
        wrong(&format!("port {port} cannot be used, {error}; choose another with MASTER_PORT"))
    })?;
    let mut met: Vec<Option<Met>> = (0..size).map(|_| None).collect();
    let mut addresses = vec![None; size];
    for _ in 1..size {
        let missing = || {
            let missing: Vec<_> = (1..size).filter(|&r| met[r].is_none()).collect();
            format!("ranks {missing:?} have not come in time; look at their output")
        };
        let (stream, address) = accept(&listener, until, missing)?;
        let greeting = Greeting::read(&hear(&stream, until)?, size)?;
        let Greeting { rank, port, process, .. } = greeting;
        if rank == 0 || met[rank].is_some() {
            return Err(wrong(&format!("two processes call themselves rank {rank}; number them")));
        }
        addresses[rank] = Some((SocketAddr::new(address.ip(), port), process));
        met[rank] = Some(Met { rank, name: name(address, process), stream });
    }
    let lines = addresses.iter().flatten().map(|(address, process)| format!("{address} {process}"));
    let list = [std::process::id().to_string()].into_iter().chain(lines).collect::<Vec<_>>();
    for met in met.iter().flatten() {
        wire::write(&mut &met.stream, Kind::Data, list.join("\n").as_bytes())?;
    }
    Ok(met)
}

fn follow(place: &Place, until: Instant) -> Result<Vec<Option<Met>>> {
    let Place { rank, size, .. } = *place;
    let listener = TcpListener::bind(("0.0.0.0", 0))?;
    let port = listener.local_addr()?.port();
    let me = Greeting { rank, size, port, process: std::process::id() };
    let master = call(&format!("{}:{}", place.host, place.port), until)?;
    greet(&master, &me)?;
    let list = hear(&master, until)?;
    let list = String::from_utf8_lossy(&list);
    let mut lines = list.lines();
    let unreadable = || wrong("rank 0 sends a list that cannot be read; start all ranks again");
    let process = lines.next().and_then(|n| n.parse().ok()).ok_or_else(unreadable)?;
    let others: Vec<(SocketAddr, u32)> = lines
        .map(|line| {
            let (address, process) = line.split_once(' ')?;
            Some((address.parse().ok()?, process.parse().ok()?))
        })
        .collect::<Option<_>>()
        .filter(|others: &Vec<_>| others.len() == size - 1)
        .ok_or_else(unreadable)?;
    let mut met: Vec<Option<Met>> = (0..size).map(|_| None).collect();
    let first = name(master.peer_addr()?, process);
    met[0] = Some(Met { rank: 0, name: first, stream: master });
    for (other, &(address, process)) in (1..rank).zip(&others) {
        let stream = call(&address.to_string(), until)?;
        greet(&stream, &me)?;
        met[other] = Some(Met { rank: other, name: name(address, process), stream });
    }
    for _ in rank + 1..size {
        let missing = || "the ranks behind this one have not come in time".to_string();
        let (stream, address) = accept(&listener, until, missing)?;
        let greeting = Greeting::read(&hear(&stream, until)?, size)?;
        let (other, process) = (greeting.rank, greeting.process);
        if other <= rank || met[other].is_some() {
            return Err(wrong(&format!("two processes call themselves rank {other}; number them")));
        }
        met[other] = Some(Met { rank: other, name: name(address, process), stream });
    }
    Ok(met)
}

/// Calls an address until someone answers.
fn call(address: &str, until: Instant) -> Result<TcpStream> {
    loop {
        let tried = address.to_socket_addrs().and_then(|mut found| {
            let address = found.next().ok_or_else(|| wrong("the host has no address"))?;
            TcpStream::connect_timeout(&address, Duration::from_secs(5))
        });
        match tried {
            Ok(stream) => return Ok(stream),
            Err(error) if Instant::now() > until => {
                let problem = format!(
                    "{address} does not answer, {error}; start rank 0 there, or correct \
                     MASTER_ADDR and MASTER_PORT"
                );
                return Err(wrong(&problem));
            }
            Err(_) => std::thread::sleep(AGAIN),
        }
    }
}

fn accept(
    listener: &TcpListener,
    until: Instant,
    missing: impl Fn() -> String,
) -> Result<(TcpStream, SocketAddr)> {
    listener.set_nonblocking(true)?;
    loop {
        match listener.accept() {
            Ok((stream, address)) => {
                stream.set_nonblocking(false)?;
                return Ok((stream, address));
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                if Instant::now() > until {
                    return Err(wrong(&missing()));
                }
                std::thread::sleep(AGAIN);
            }
            Err(error) => return Err(error),
        }
    }
}

/// The first message on a connection.
fn hear(stream: &TcpStream, until: Instant) -> Result<Vec<u8>> {
    let left = until.saturating_duration_since(Instant::now()).max(AGAIN);
    stream.set_read_timeout(Some(left))?;
    let (kind, bytes) = wire::read(&mut &*stream, || ())?;
    if kind == Kind::Data { Ok(bytes) } else { Err(wrong("a rank greets with another message")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn greetings_of_other_runs_and_programs_are_refused() {
        let greeting = Greeting { rank: 1, size: 2, port: 7, process: 9 };
        let text = greeting.text();
        assert_eq!(Greeting::read(text.as_bytes(), 2).unwrap(), greeting);
        let refused = |bytes: &[u8]| Greeting::read(bytes, 2).unwrap_err().to_string();
        assert!(refused(text.replace("1 2 7 9", "1 3 7 9").as_bytes()).contains("rank 1 of 3"));
        assert!(refused(b"GET / HTTP/1.1").contains("something else"));
        assert!(refused(text.replace(" 7 9", "").as_bytes()).contains("something else"));
    }
}
