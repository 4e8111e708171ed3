//! What a node costs of whose jobs none is due.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use scheduled_one_runtime::Scheduler;
use test_support::RedisServer;

use crate::child::{self, Found, Task};
use crate::memory::dormant;
use crate::options::Scale;
use crate::process;
use crate::report::{Bound, Row};

pub(crate) fn measure(scale: &Scale) -> Result<Vec<Row>> {
    let jobs = scale.jobs[2];
    let redis = RedisServer::start()?;
    let task = Task::new(&redis.url(), jobs, scale);
    let window = Duration::from_secs(task.seconds);
    let (found, commands) = child::run_watched("idle", &task, || watch(redis.port(), window))?;
    let sent: u64 = commands.values().sum();
    for (name, count) in commands {
        eprintln!("  {count} × {name} in {} s", task.seconds);
    }
    let figure = |what: &str| format!("idle node, {jobs} jobs, {what}");
    let per_second = sent as f64 / window.as_secs_f64();
    Ok(vec![
        Row::new(figure("commands"), "/s", Bound::AtMost(1.0), per_second),
        Row::new(
            figure("processor"),
            "% of a core",
            Bound::AtMost(1.0),
            found.get("cpu_percent")?,
        ),
    ])
}

/// Starts jobs that are not due, and sleeps; in the child.
pub(crate) async fn ours(task: &Task) -> Result<Found> {
    let mut builder = Scheduler::builder(&task.url).namespace("bench").lease(task.lease);
    for index in 0..task.jobs {
        builder = builder.job(dormant(index));
    }
    let scheduler = builder.start().await?;
    tokio::time::sleep(task.settle).await;
    child::tell_ready();
    let cpu_before = process::cpu_time()?;
    // The parent watches for as long, and begins a moment later.
    let window = Duration::from_secs(task.seconds) + Duration::from_millis(200);
    tokio::time::sleep(window).await;
    let cpu = process::cpu_time()?.saturating_sub(cpu_before);
    let mut found = Found::default();
    found.set("cpu_percent", cpu.as_secs_f64() / window.as_secs_f64() * 100.0);
    scheduler.shutdown(Duration::ZERO).await;
    Ok(found)
}

/// The commands that clients send within the window, by name. `MONITOR` tells them apart from
/// those that scripts call, which `INFO commandstats` counts alike.
fn watch(port: u16, window: Duration) -> Result<BTreeMap<String, u64>> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).context("connect to watch")?;
    stream.write_all(b"MONITOR\r\n")?;
    let mut lines = BufReader::new(stream);
    let mut line = String::new();
    lines.read_line(&mut line)?;
    anyhow::ensure!(line.trim_end() == "+OK", "MONITOR is answered with {line:?}");
    let end = Instant::now() + window;
    let mut commands = BTreeMap::new();
    line.clear();
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(commands);
        }
        lines.get_ref().set_read_timeout(Some(left))?;
        match lines.read_line(&mut line) {
            Ok(0) => anyhow::bail!("the server went away"),
            Ok(_) => {
                if let Some(name) = sent_by_a_client(&line) {
                    *commands.entry(name.to_ascii_uppercase()).or_default() += 1;
                }
                line.clear();
            }
            // What was read of a line stays in it.
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// The command in a line such as `+1700000000.123456 [0 127.0.0.1:50000] "evalsha" "…"`; none if a
/// script called it, whose client is `[0 lua]`.
fn sent_by_a_client(line: &str) -> Option<&str> {
    let (client, rest) = line.split_once('[')?.1.split_once(']')?;
    let name = rest.split('"').nth(1)?;
    (!client.ends_with(" lua")).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::sent_by_a_client;

    #[test]
    fn commands_of_scripts_do_not_count() {
        let sent = "+1700000000.123456 [0 127.0.0.1:50000] \"evalsha\" \"ab\" \"0\"\r\n";
        assert_eq!(sent_by_a_client(sent), Some("evalsha"));
        let called = "+1700000000.123460 [0 lua] \"INFO\" \"server\"\r\n";
        assert_eq!(sent_by_a_client(called), None);
    }
}
