//! Commands and processor time of a node without a due job.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use scheduled_one_runtime::Scheduler;
use test_support::{PostgresServer, RedisServer};

use crate::child;
use crate::dormant::dormant;
use crate::options::Scale;
use crate::process;
use crate::report::{Bound, Row, number};
use crate::task::{Found, Task};

pub(crate) fn measure(scale: &Scale) -> Result<Vec<Row>> {
    let jobs = scale.jobs[2];
    let redis = RedisServer::start()?;
    let task = Task::new(&redis.url(), jobs, scale);
    let window = Duration::from_secs(task.seconds);
    let (found, sent) = child::run_watched("idle", &task, || watch(redis.port(), window))?;
    for (name, count) in &sent.by_name {
        eprintln!("  {count} × {name} in {} s", task.seconds);
    }
    let figure = |what: &str| format!("idle node, {} jobs, {what}", number(jobs as f64));
    Ok(vec![
        Row::new(
            figure("commands"),
            "/s",
            Bound::AtMost(1.0),
            sent.per_second(window),
        ),
        Row::new(
            figure("processor"),
            "% of a core",
            Bound::AtMost(1.0),
            found.get("cpu_percent")?,
        ),
    ])
}

/// The same on PostgreSQL, by its log of statements and its count of transactions.
pub(crate) fn on_postgres(scale: &Scale) -> Result<Vec<Row>> {
    let jobs = scale.jobs[2];
    let postgres = PostgresServer::options()
        .setting("log_statement", "all")
        .setting("log_line_prefix", "%n [%a] ");
    let postgres = postgres.start()?;
    let mut task = Task::new(&postgres.url(), jobs, scale);
    // What a connection did at the start is counted up to ten seconds later.
    task.settle += Duration::from_secs(2 * task.seconds.min(6));
    let window = Duration::from_secs(task.seconds);
    let (found, (sent, per_second)) = child::run_watched("idle", &task, || {
        let before = transactions(&postgres)?;
        let (began, logged) = (Instant::now(), postgres.log().len());
        std::thread::sleep(window);
        let sent = statements(postgres.log().get(logged..).unwrap_or_default());
        let count = transactions(&postgres)? - before;
        Ok((sent, count / began.elapsed().as_secs_f64()))
    })?;
    for (name, count) in &sent.by_name {
        eprintln!("  {count} × {name} in {} s", task.seconds);
    }
    let figure = |what: &str| {
        format!(
            "idle node on PostgreSQL, {} jobs, {what}",
            number(jobs as f64)
        )
    };
    Ok(vec![
        Row::new(
            figure("statements"),
            "/s",
            Bound::AtMost(1.0),
            sent.per_second(window),
        ),
        Row::new(figure("transactions"), "/s", Bound::AtMost(2.1), per_second),
        Row::new(
            figure("processor"),
            "% of a core",
            Bound::AtMost(1.0),
            found.get("cpu_percent")?,
        ),
    ])
}

/// The transactions of the nodes so far; those of `psql` are in another database.
fn transactions(postgres: &PostgresServer) -> Result<f64> {
    let select =
        "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = 'postgres'";
    Ok(postgres.sql_in("template1", select)?.parse()?)
}

/// The statements of nodes in a part of the log of a server.
fn statements(log: &str) -> Sent {
    let mut sent = Sent::default();
    for (at_s, name) in log.lines().filter_map(sent_by_a_node) {
        sent.add(at_s, name);
    }
    sent
}

/// Instant and first word of the statement in a line such as
/// `1700000000.123 [scheduled-one] LOG:  execute <unnamed>: SELECT …`; none if it is of somebody else, or no statement.
fn sent_by_a_node(line: &str) -> Option<(f64, &str)> {
    let (at_s, rest) = line.split_once(" [scheduled-one] LOG:  ")?;
    let simple = rest.strip_prefix("statement: ");
    let statement = simple.or_else(|| Some(rest.strip_prefix("execute ")?.split_once(": ")?.1))?;
    let name = statement.split([' ', ';']).next()?;
    Some((at_s.parse().ok()?, name))
}

/// In a child process: starts jobs that are not due, and sleeps.
pub(crate) async fn ours(task: &Task) -> Result<Found> {
    let mut builder = Scheduler::builder(&task.url)
        .namespace("bench")
        .lease(task.lease);
    for index in 0..task.jobs {
        builder = builder.job(dormant(index));
    }
    let scheduler = builder.start().await?;
    tokio::time::sleep(task.settle).await;
    child::signal_ready();
    let cpu_before = process::cpu_time()?;
    // The parent watches for as long, and begins a moment later.
    let window = Duration::from_secs(task.seconds) + Duration::from_millis(200);
    tokio::time::sleep(window).await;
    let cpu = process::cpu_time()?.saturating_sub(cpu_before);
    let mut found = Found::default();
    found.set(
        "cpu_percent",
        cpu.as_secs_f64() / window.as_secs_f64() * 100.0,
    );
    scheduler.shutdown(Duration::ZERO).await;
    Ok(found)
}

/// The commands that clients sent within a window.
#[derive(Debug, Default)]
struct Sent {
    by_name: BTreeMap<String, u64>,
    /// When the first and the last were executed, in s by the server's clock.
    first_s: Option<f64>,
    last_s: f64,
}

impl Sent {
    fn add(&mut self, at_s: f64, name: &str) {
        *self.by_name.entry(name.to_ascii_uppercase()).or_default() += 1;
        self.first_s.get_or_insert(at_s);
        self.last_s = at_s;
    }

    /// How many there are in a second: counted from the first to the last, because whether one
    /// more fits into the window is luck.
    fn per_second(&self, window: Duration) -> f64 {
        let count = self.by_name.values().sum::<u64>() as f64;
        match self.first_s {
            Some(first_s) if self.last_s > first_s => (count - 1.0) / (self.last_s - first_s),
            _ => count / window.as_secs_f64(),
        }
    }
}

/// Watches the server for a while. `MONITOR` tells commands that clients send from those that
/// scripts call, which `INFO commandstats` counts alike.
fn watch(port: u16, window: Duration) -> Result<Sent> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).context("connect to watch")?;
    stream.write_all(b"MONITOR\r\n")?;
    let mut lines = BufReader::new(stream);
    let mut line = String::new();
    lines.read_line(&mut line)?;
    ensure!(
        line.trim_end() == "+OK",
        "MONITOR is answered with {line:?}"
    );
    let end = Instant::now() + window;
    let mut sent = Sent::default();
    line.clear();
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(sent);
        }
        lines.get_ref().set_read_timeout(Some(left))?;
        match lines.read_line(&mut line) {
            Ok(0) => bail!("the server went away"),
            Ok(_) => {
                if let Some((at_s, name)) = sent_by_a_client(&line) {
                    sent.add(at_s, name);
                }
                line.clear();
            }
            // What was read of a line stays in it.
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Instant and name of the command in a line such as
/// `+1700000000.123456 [0 127.0.0.1:50000] "evalsha" "…"`; none if a script called it, whose client
/// is `[0 lua]`.
fn sent_by_a_client(line: &str) -> Option<(f64, &str)> {
    let (at_s, rest) = line.strip_prefix('+')?.split_once(" [")?;
    let (client, rest) = rest.split_once(']')?;
    let name = rest.split('"').nth(1)?;
    (!client.ends_with(" lua")).then_some((at_s.parse().ok()?, name))
}

#[cfg(test)]
mod tests {
    use super::{sent_by_a_client, sent_by_a_node};

    #[test]
    fn statements_of_others_do_not_count() {
        let node = "1700000000.123 [scheduled-one] LOG:  ";
        for (said, name) in [
            ("statement: BEGIN ISOLATION", Some("BEGIN")),
            ("statement: COMMIT", Some("COMMIT")),
            ("execute <unnamed>: WITH limits AS", Some("WITH")),
            ("checkpoint starting: time", None),
        ] {
            let line = format!("{node}{said}");
            let expected = name.map(|name| (1_700_000_000.123, name));
            assert_eq!(sent_by_a_node(&line), expected);
        }
        let other = "1700000000.123 [psql] LOG:  statement: SELECT 1";
        assert_eq!(sent_by_a_node(other), None);
    }

    #[test]
    fn commands_of_scripts_do_not_count() {
        let sent = "+1700000000.123456 [0 127.0.0.1:50000] \"evalsha\" \"ab\" \"0\"\r\n";
        assert_eq!(
            sent_by_a_client(sent),
            Some((1_700_000_000.123_456, "evalsha"))
        );
        let called = "+1700000000.123460 [0 lua] \"INFO\" \"server\"\r\n";
        assert_eq!(sent_by_a_client(called), None);
    }
}
