//! Faults at the moment at which the store has granted a run and the node has no reply yet.

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use test_support::{FaultProxy, Hook, Matcher, Verdict};

use super::{BOUND, LOOK_AGAIN, NAMESPACE, World};

/// A run whose node does not know of it yet.
#[derive(Clone, Debug)]
pub struct Grant {
    /// The node.
    pub node: String,
    /// The token of the run.
    pub token: u64,
}

/// What happens at the moment of a grant.
#[derive(Clone, Copy, Debug)]
pub enum Strike {
    /// The node gets a signal, and then the answer.
    Signal(Signal),
    /// The connection breaks, with the answer on it.
    Cut,
}

impl World {
    /// Makes a fault at the next grant of a job, on whichever node: the store has recorded the grant, and the node
    /// has no reply.
    ///
    /// # Errors
    ///
    /// That moment never comes.
    pub fn at_grant(&mut self, job: &str, strike: Strike) -> io::Result<Grant> {
        let trap = Trap {
            port: self.deployment.server()?.port(),
            record: format!("so:{{{NAMESPACE}}}:job:{job}"),
            strike,
            caught: Arc::default(),
        };
        let pids: Vec<(&str, Pid)> = self.nodes.iter().map(|it| (it.name(), it.pid())).collect();
        let mut hooks: HashMap<&str, Hook> = HashMap::new();
        let until = Instant::now() + BOUND;
        while Instant::now() < until {
            if let Some(grant) = trap.caught() {
                for proxy in self.proxies.values() {
                    proxy.heal()?; // forgets the hooks of the others
                }
                return Ok(grant);
            }
            // A hook is for one request, and most are for something else.
            for (name, pid) in &pids {
                if hooks.get(name).is_none_or(Hook::has_fired) {
                    hooks.insert(name, trap.set(&self.proxies[*name], name, *pid));
                }
            }
            thread::sleep(LOOK_AGAIN / 10);
        }
        let text = format!("no grant of {job} was seen");
        Err(io::Error::new(io::ErrorKind::TimedOut, text))
    }
}

/// Waits at all proxies for one grant.
#[derive(Clone)]
struct Trap {
    port: u16,
    record: String,
    strike: Strike,
    caught: Arc<Mutex<Option<Grant>>>,
}

impl Trap {
    fn caught(&self) -> Option<Grant> {
        let caught = self.caught.lock();
        caught.unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, proxy: &FaultProxy, node: &str, pid: Pid) -> Hook {
        let (trap, node) = (self.clone(), node.to_owned());
        proxy.on_reply(Matcher::containing(&self.record), move || {
            // Held while it strikes: only the first is struck.
            let caught = trap.caught.lock();
            let mut caught = caught.unwrap_or_else(PoisonError::into_inner);
            let granted = just_granted(trap.port, &trap.record, &node).unwrap_or(None);
            let Some(token) = granted.filter(|_| caught.is_none()) else {
                return Verdict::Deliver;
            };
            *caught = Some(Grant { node, token });
            match trap.strike {
                Strike::Signal(signal) => {
                    // It lives: it has just sent something.
                    let _ = kill_process(pid, signal);
                    Verdict::Deliver
                }
                Strike::Cut => Verdict::Cut,
            }
        })
    }
}

/// The token of the run that the record shows, if it is of this node and was
/// just granted.
fn just_granted(port: u16, record: &str, node: &str) -> io::Result<Option<u64>> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.write_all(format!("HMGET {record} own st seq rtok\r\n").as_bytes())?;
    let mut lines = BufReader::new(stream).lines();
    let mut values = Vec::new();
    // An array of four texts, each after a line with its length.
    for _ in 0..9 {
        values.extend(lines.next().transpose()?);
    }
    let value = |index: usize| values.get(index).map(String::as_str);
    let fresh = [value(2), value(4), value(6)] == [Some(node), Some("run"), Some("1")];
    let token = value(8).and_then(|token| token.parse().ok());
    Ok(token.filter(|_| fresh))
}
