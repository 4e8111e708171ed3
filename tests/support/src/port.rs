//! Free ports.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;

/// Where ports are taken from: below the ephemeral range of every system (Linux starts at 32768),
/// which is what binding to port 0 would draw from. An ephemeral port would not do for a server that
/// is killed and restarted: while it is down, the kernel may give its port to an outgoing
/// connection, even to one that tries to reach that very port and then talks to itself.
const PORTS: Range<u16> = 20_000..32_000;

/// Distance of a cluster node's bus port from its port. Redis before 7 has no setting for it.
pub(crate) const BUS: u16 = 10_000;

/// How many ports are tried; each is taken with the odds of the machine's own services.
const ATTEMPTS: u32 = 100;

/// A port of 127.0.0.1 without a listener at this moment. Another process can take the port before the caller does, so
/// the caller retries.
pub(crate) fn free_port() -> io::Result<u16> {
    one_of(PORTS, is_free)
}

/// A port for a node of a cluster, whose bus port is free as well and in the same range.
pub(crate) fn free_node_port() -> io::Result<u16> {
    one_of(PORTS.start..PORTS.end - BUS, |port| {
        is_free(port) && is_free(port + BUS)
    })
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

fn one_of(range: Range<u16>, is_good: impl Fn(u16) -> bool) -> io::Result<u16> {
    for _ in 0..ATTEMPTS {
        let port = random_port(&range);
        if is_good(port) {
            return Ok(port);
        }
    }
    Err(io::Error::new(
        io::ErrorKind::AddrInUse,
        format!("none of {ATTEMPTS} random ports in {range:?} of 127.0.0.1 can be bound"),
    ))
}

/// Random, because test processes that start together must not walk the range side by side.
fn random_port(range: &Range<u16>) -> u16 {
    let span = u64::from(range.end - range.start);
    let offset = RandomState::new().build_hasher().finish() % span;
    range.start + u16::try_from(offset).expect("the span is a u16")
}
