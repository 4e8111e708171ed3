//! Acts at the very moment at which a node has a run and does not know.

use std::io::{self, BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use test_support::{Matcher, Verdict};

use super::{BOUND, NAMESPACE, World};

impl World {
    /// Does something at the moment at which a claim of a node was granted and
    /// it has not heard so; then the answer goes on as `verdict` says.
    ///
    /// # Errors
    ///
    /// That moment never comes.
    pub fn at_grant(
        &mut self,
        node: &str,
        job: &str,
        verdict: Verdict,
        what: impl Fn() + Clone + Send + 'static,
    ) -> io::Result<()> {
        let port = self.deployment.server()?.port();
        let proxy = &self.proxies[node];
        let record = format!("so:{{{NAMESPACE}}}:job:{job}");
        let until = Instant::now() + BOUND;
        while Instant::now() < until {
            let done = Arc::new(AtomicBool::new(false));
            let (name, key) = (node.to_owned(), record.clone());
            let (what, done_in_it) = (what.clone(), Arc::clone(&done));
            let hook = proxy.on_reply(Matcher::containing(&record), move || {
                if !was_granted(port, &key, &name).unwrap_or(false) {
                    return Verdict::Deliver;
                }
                what();
                done_in_it.store(true, Ordering::SeqCst);
                verdict
            });
            hook.wait(BOUND)?;
            if done.load(Ordering::SeqCst) {
                return Ok(());
            }
        }
        let text = format!("{node} was never granted {job}");
        Err(io::Error::new(io::ErrorKind::TimedOut, text))
    }
}

/// Whether the record shows a run of this node that was just granted.
fn was_granted(port: u16, record: &str, node: &str) -> io::Result<bool> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.write_all(format!("HMGET {record} own st seq\r\n").as_bytes())?;
    let mut lines = BufReader::new(stream).lines();
    let mut values = Vec::new();
    // An array of three texts, each after a line with its length.
    for _ in 0..7 {
        values.extend(lines.next().transpose()?);
    }
    let value = |index: usize| values.get(index).map(String::as_str);
    Ok([value(2), value(4), value(6)] == [Some(node), Some("run"), Some("1")])
}
