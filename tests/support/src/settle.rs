//! Waiting for a deployment, with errors that contain the logs of its servers.

use std::collections::HashMap;
use std::io;
use std::thread;
use std::time::{Duration, Instant};

use crate::RedisServer;
use crate::wait::POLL;

/// The longest that a deployment may take to come to rest, or to fail over. Generous: the machines
/// are slow and noisy, and nothing is measured by it.
pub(crate) const SETTLE_BOUND: Duration = Duration::from_secs(90);

/// Looks until `look` finds what is wanted. An `Err` says what is still missing.
pub(crate) fn settle<T>(
    what: &str,
    servers: &[&RedisServer],
    mut look: impl FnMut() -> io::Result<T>,
) -> io::Result<T> {
    let deadline = Instant::now() + SETTLE_BOUND;
    loop {
        match look() {
            Ok(found) => return Ok(found),
            Err(missing) if Instant::now() > deadline => {
                let tails = servers.iter().map(|server| {
                    let (port, tail) = (server.port(), server.log_tail());
                    format!("\nserver on port {port}: {tail}")
                });
                let tails: String = tails.collect();
                let text = format!(
                    "waited {SETTLE_BOUND:?} in vain until {what}: {missing}; the servers:{tails}"
                );
                return Err(io::Error::new(io::ErrorKind::TimedOut, text));
            }
            Err(_) => thread::sleep(POLL * 5),
        }
    }
}

/// `Ok` if it holds; the text is only made if not.
pub(crate) fn ensure(holds: bool, missing: impl FnOnce() -> String) -> io::Result<()> {
    if holds {
        Ok(())
    } else {
        Err(io::Error::other(missing()))
    }
}

/// The `field:value` lines of INFO and CLUSTER INFO.
pub(crate) struct Info(HashMap<String, String>);

impl Info {
    /// Asks one server.
    pub(crate) fn ask(server: &RedisServer, command: &[&str]) -> io::Result<Self> {
        let answer = server.command(command)?;
        let lines = answer.lines().filter_map(|line| line.split_once(':'));
        let lines = lines.map(|(field, value)| (field.to_owned(), value.to_owned()));
        Ok(Self(lines.collect()))
    }

    /// The value of a field, empty if there is none.
    pub(crate) fn get(&self, field: &str) -> &str {
        self.0.get(field).map_or("", String::as_str)
    }

    /// The same as a number.
    pub(crate) fn number(&self, field: &str) -> io::Result<u64> {
        let value = self.get(field);
        value
            .parse()
            .map_err(|_| io::Error::other(format!("{field} is {value:?}, not a number")))
    }
}

/// That `replica` follows a primary on this port and has all that the primary had written when it
/// was at `offset`.
pub(crate) fn ensure_in_sync(
    replica: &RedisServer,
    primary_port: u16,
    offset: u64,
) -> io::Result<()> {
    let info = Info::ask(replica, &["INFO", "replication"])?;
    let follows = info.get("role") == "slave"
        && info.get("master_port") == primary_port.to_string()
        && info.get("master_link_status") == "up";
    ensure(
        follows && info.number("slave_repl_offset")? >= offset,
        || {
            format!(
                "replica {} is not in sync: role {}, primary {}, link {}, at {:?} of {offset}",
                replica.port(),
                info.get("role"),
                info.get("master_port"),
                info.get("master_link_status"),
                info.get("slave_repl_offset"),
            )
        },
    )
}

/// Cuts these replicas off from a primary that goes on, and stops them: what it acknowledges from now
/// on is known to it alone. The link must be closed too: what a primary sends to a stopped replica
/// waits in the kernel, and would be read, not lost, when the replica goes on.
pub(crate) fn isolate(primary: &RedisServer, replicas: &[&RedisServer]) -> io::Result<()> {
    for replica in replicas {
        replica.freeze()?;
    }
    primary
        .command(&["CLIENT", "KILL", "TYPE", "replica"])
        .map(drop)
}

/// Who was primary before a failover, and who is now.
#[derive(Clone, Copy, Debug)]
pub struct Failover<'a> {
    /// The old primary, in whatever state it is.
    pub old: &'a RedisServer,
    /// The new primary.
    pub new: &'a RedisServer,
}
