//! A Prometheus of one's own, which scrapes one address and answers queries.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::find::locate_prometheus;
use crate::port::free_port;
use crate::process::{Process, Program};
use crate::wait::POLL;

/// How long a start may take.
const START_BOUND: Duration = Duration::from_secs(60);
/// How long the answer to a query may take.
const QUERY_BOUND: Duration = Duration::from_secs(60);
/// Number of ports that a start tries.
const START_ATTEMPTS: u32 = 5;

/// A `prometheus` on 127.0.0.1 with a folder of its own. Dropped, it is killed.
pub struct Prometheus {
    port: u16,
    _process: Mutex<Process>,
    _dir: TempDir,
}

impl Prometheus {
    /// Starts one that scrapes `/metrics` of the target twice a second, with this value of the label `job`.
    ///
    /// # Errors
    ///
    /// No `prometheus` is installed, or it does not start; the error has the end of its log.
    pub fn start(job: &str, target: SocketAddr) -> io::Result<Self> {
        let mut attempt = 1;
        loop {
            match Self::start_at(free_port()?, job, target) {
                Err(error)
                    if error.kind() == io::ErrorKind::AddrInUse && attempt < START_ATTEMPTS =>
                {
                    attempt += 1;
                }
                result => return result,
            }
        }
    }

    fn start_at(port: u16, job: &str, target: SocketAddr) -> io::Result<Self> {
        let dir = tempfile::Builder::new().prefix("prometheus-").tempdir()?;
        let folder = dir.path();
        let config = folder.join("prometheus.yml");
        let text = format!(
            "global: {{scrape_interval: 500ms, scrape_timeout: 500ms}}\nscrape_configs:\n  - job_name: {job}\n    \
             static_configs: [{{targets: [\"{target}\"]}}]\n"
        );
        fs::write(&config, text)?;
        let program = Program {
            binary: locate_prometheus()?,
            scratch: folder.to_owned(),
            log: folder.join("log"),
            user: None,
        };
        let args = [
            format!("--config.file={}", config.display()),
            format!("--storage.tsdb.path={}", folder.join("data").display()),
            format!("--web.listen-address=127.0.0.1:{port}"),
        ];
        let mut process = program.spawn(&args.map(Into::into), &[])?;
        let deadline = Instant::now() + START_BOUND;
        while !process.log().contains("ready to receive web requests") {
            if process.exited()?.is_some() || Instant::now() > deadline {
                let kind = match process.log().contains("address already in use") {
                    true => io::ErrorKind::AddrInUse,
                    false => io::ErrorKind::Other,
                };
                let text = format!("prometheus is not ready; {}", process.log_tail());
                return Err(io::Error::new(kind, text));
            }
            thread::sleep(POLL);
        }
        Ok(Prometheus {
            port,
            _process: Mutex::new(process),
            _dir: dir,
        })
    }

    /// What it answers to a query for the present instant: JSON, also of a query that it refuses.
    ///
    /// # Errors
    ///
    /// It does not answer.
    pub fn query(&self, query: &str) -> io::Result<String> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
        stream.set_read_timeout(Some(QUERY_BOUND))?;
        let form = format!("query={}", percent_encoded(query));
        // Of version 1.0: the answer ends with the connection, and is in one piece.
        write!(
            stream,
            "POST /api/v1/query HTTP/1.0\r\nHost: 127.0.0.1\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: {}\r\n\r\n{form}",
            form.len()
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        match answer.split_once("\r\n\r\n") {
            Some((_, body)) => Ok(body.to_owned()),
            None => Err(io::Error::new(io::ErrorKind::UnexpectedEof, answer)),
        }
    }
}

fn percent_encoded(text: &str) -> String {
    let encoded = |byte| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(encoded).collect()
}

#[cfg(test)]
mod tests {
    use super::percent_encoded;

    #[test]
    fn a_query_is_one_value_of_a_form() {
        assert_eq!(
            percent_encoded("up{a=\"é&\"}"),
            "up%7Ba%3D%22%C3%A9%26%22%7D"
        );
    }
}
