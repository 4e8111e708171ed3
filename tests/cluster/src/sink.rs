//! The sink: a resource outside the store to which jobs write. The sink keeps the highest fencing token of each unit
//! (and the attempt, because retries share the token of their run), and rejects writes without a higher one.
//!
//! A request is a line, an [`Event`] in the format of the log; a reply is a line, too.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream as Blocking};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use scheduled_one_runtime::clock::{Clock, SystemClock};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::log::{self, Event, Kind};

/// Serves writes until the process ends, and notes them in `log`.
pub fn serve(listener: &TcpListener, log: File) {
    let sink = Arc::new(Mutex::new(Sink {
        highest: HashMap::new(),
        log,
    }));
    for stream in listener.incoming().flatten() {
        let sink = Arc::clone(&sink);
        thread::spawn(move || {
            // The writer can be killed at any moment: an error has no receiver.
            let _ = answer(&sink, &stream);
        });
    }
}

struct Sink {
    /// Token and attempt by job and shard.
    highest: HashMap<(String, u32), (u64, u32)>,
    log: File,
}

impl Sink {
    /// Decides and notes it under one lock: the log has the order of decisions.
    fn write(&mut self, mut event: Event) -> io::Result<Kind> {
        let unit = (event.job.clone(), event.shard);
        let highest = self.highest.entry(unit).or_default();
        let written = (event.token, event.attempt);
        event.kind = match written > *highest {
            true => Kind::Accepted,
            false => Kind::Rejected,
        };
        *highest = written.max(*highest);
        event.boot_us = SystemClock.boottime().as_micros() as u64;
        log::append(&self.log, &event)?;
        Ok(event.kind)
    }
}

fn answer(sink: &Mutex<Sink>, stream: &Blocking) -> io::Result<()> {
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    let event: Event = line.trim_end().parse().map_err(io::Error::other)?;
    let kind = {
        let mut sink = sink.lock().unwrap_or_else(PoisonError::into_inner);
        sink.write(event)?
    };
    let mut stream = stream;
    stream.write_all(format!("{kind:?}\n").as_bytes())
}

/// Writes to the sink; true if it accepted.
///
/// # Errors
///
/// No answer came: the sink may have accepted, or may still.
pub async fn write(sink: SocketAddr, event: &Event) -> io::Result<bool> {
    let mut stream = TcpStream::connect(sink).await?;
    stream.write_all(format!("{event}\n").as_bytes()).await?;
    let mut line = String::new();
    tokio::io::BufReader::new(stream)
        .read_line(&mut line)
        .await?;
    match line.trim_end() {
        "Accepted" => Ok(true),
        "Rejected" => Ok(false),
        other => Err(io::Error::other(format!("the sink answered {other:?}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_higher_tokens_are_accepted() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("sink");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let log = File::create(&path).expect("a log");
        thread::spawn(move || serve(&listener, log));
        for (job, token, attempt, accepted) in [
            ("a", 5, 1, true),
            ("a", 5, 1, false),
            ("a", 5, 2, true),
            ("a", 4, 3, false),
            ("b", 4, 1, true),
            ("a", 6, 1, true),
        ] {
            let event = Event {
                job: job.to_owned(),
                token,
                attempt,
                ..Event::new(Kind::Start)
            };
            let answer = write(address, &event).await.expect("an answer");
            assert_eq!(answer, accepted, "{event}");
        }
        let kinds: Vec<Kind> = log::read(&path).iter().map(|event| event.kind).collect();
        assert_eq!(
            kinds.iter().filter(|kind| **kind == Kind::Accepted).count(),
            4
        );
        assert_eq!(kinds.len(), 6);
    }
}
