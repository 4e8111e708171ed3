//! After a loss of memory each job waits for its own lease, and users see for what they wait: in the log, in the line
//! at start, in `Scheduler::jobs`. The same for a clock of Redis that was ahead.

#![cfg(feature = "redis")]
#![allow(clippy::unwrap_used)] // in the helpers of tests, too

use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use scheduled_one_runtime::{Job, JobContext, JobInfo, Scheduler};
use test_support::{ClockShim, RedisServer};
use tracing_subscriber::fmt::MakeWriter;

const BOUND: Duration = Duration::from_secs(60);
const EVERY: Duration = Duration::from_secs(1);
const SHORT: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

/// The log of everything on this thread.
#[derive(Clone, Debug, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// The newest line with these words.
    fn line(&self, words: &str) -> Option<String> {
        let text = self.text();
        let mut lines = text.lines().rev();
        lines.find(|line| line.contains(words)).map(str::to_owned)
    }
}

impl Write for Log {
    fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Log;

    fn make_writer(&'a self) -> Log {
        self.clone()
    }
}

fn logged() -> (Log, tracing::subscriber::DefaultGuard) {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(log.clone())
        .with_ansi(false)
        .finish();
    let guard = test_support::subscribe(subscriber);
    (log, guard)
}

fn job(name: &str, lease: Duration) -> (Job, Arc<AtomicUsize>) {
    let starts = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&starts);
    let job = Job::every(name, EVERY, move |_: JobContext| {
        counted.fetch_add(1, Ordering::SeqCst);
        async {}
    });
    (job.lease(lease), starts)
}

async fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    test_support::wait_until_async(what, BOUND, async || condition()).await;
}

async fn starts_again(what: &str, starts: &AtomicUsize) {
    let before = starts.load(Ordering::SeqCst);
    wait_for(what, || starts.load(Ordering::SeqCst) > before + 1).await;
}

fn info(scheduler: &Scheduler, name: &str) -> JobInfo {
    let mut jobs = scheduler.jobs().into_iter();
    jobs.find(|job| job.name == name).unwrap()
}

/// How long the job still waits.
fn waits(scheduler: &Scheduler, name: &str) -> Option<SignedDuration> {
    let from = info(scheduler, name).claims_from?;
    Some(from.duration_since(Timestamp::now()))
}

#[tokio::test]
async fn a_job_waits_for_its_own_lease_and_not_for_that_of_another() {
    let (log, _guard) = logged();
    let redis = RedisServer::start().unwrap();
    let (short, starts) = job("short", SHORT);
    let (long, starts_of_long) = job("long", HOUR);
    let scheduler = Scheduler::builder(redis.url())
        .job(short)
        .job(long)
        .start()
        .await
        .unwrap();
    // A namespace that nobody knows may be a flushed one.
    let nearly_an_hour = SignedDuration::from_mins(50);
    assert!(waits(&scheduler, "long").unwrap() > nearly_an_hour);
    let started = log.line("started: ").unwrap();
    let long_starts = info(&scheduler, "long").claims_from.unwrap();
    let expected = format!("starts at {long_starts}: quarantine");
    assert!(started.contains(&expected), "{started}");
    starts_again("the short job starts", &starts).await;
    assert_eq!(waits(&scheduler, "short"), None);

    redis.flush().unwrap();
    let words = "quarantine: the store restarted, failed over or was flushed";
    wait_for("the flush is logged", || log.line(words).is_some()).await;
    let warning = log.line(words).unwrap();
    assert!(warning.contains(" WARN "), "{warning}");
    let again = info(&scheduler, "long").claims_from.unwrap();
    assert!(again > long_starts, "{}", log.text());
    assert!(warning.contains(&format!("{again}: long")), "{warning}");
    starts_again("the short job starts again", &starts).await;
    assert!(waits(&scheduler, "long").unwrap() > nearly_an_hour);
    assert_eq!(starts_of_long.load(Ordering::SeqCst), 0);
    scheduler.shutdown(BOUND).await;
}

/// A node that starts a minute after the loss knows nothing of it, and its job may still be active elsewhere.
#[tokio::test]
async fn a_job_that_nobody_registered_waits_for_the_rest_of_its_lease() {
    let redis = RedisServer::start().unwrap();
    let (short, starts) = job("short", SHORT);
    let first = Scheduler::builder(redis.url()).job(short).start();
    let first = first.await.unwrap();
    starts_again("the quarantine of the short job is over", &starts).await;
    let (long, _) = job("long", HOUR);
    let second = Scheduler::builder(redis.url()).job(long).start();
    let second = second.await.unwrap();
    assert!(waits(&second, "long").unwrap() > SignedDuration::from_mins(50));
    starts_again("nothing else is held up", &starts).await;
    first.shutdown(BOUND).await;
    second.shutdown(BOUND).await;
}

/// Two hours ahead for a moment: the ticks that were decided then are not due again before the clock comes to them.
#[tokio::test]
async fn a_clock_that_was_ahead_is_explained_with_the_way_out() {
    let (log, _guard) = logged();
    let clock = ClockShim::new().unwrap();
    let redis = RedisServer::options().clock_shim(&clock).start().unwrap();
    let (short, starts) = job("short", SHORT);
    let scheduler = Scheduler::builder(redis.url()).job(short).start();
    let scheduler = scheduler.await.unwrap();
    starts_again("ticks run", &starts).await;
    clock.forward(HOUR * 2).unwrap();
    let now = Timestamp::now();
    wait_for("it is two hours later", || {
        info(&scheduler, "short").next_ticks[0] > now + HOUR
    })
    .await;
    starts_again("ticks of the wrong time run", &starts).await;
    clock.set_us(0).unwrap();
    wait_for("it is explained", || log.line("check=\"marks\"").is_some()).await;
    let warning = log.line("check=\"marks\"").unwrap();
    let next = info(&scheduler, "short").next_ticks[0];
    let ahead = next.duration_since(Timestamp::now());
    assert!(ahead > SignedDuration::from_mins(110), "{next}");
    // The newest tick that was decided is the one before the next.
    let decided_to = next - SignedDuration::try_from(EVERY).unwrap();
    let until = format!("claims_begin=\"{decided_to}: short\"");
    assert!(warning.contains(&until), "{until} in {warning}");
    for words in [
        "so they do not run until then",
        "so:{default}:job:short",
        "EVAL 'local",
        ": short\"",
    ] {
        assert!(warning.contains(words), "{words} in {warning}");
    }
    scheduler.shutdown(BOUND).await;

    // A node that starts logs that as well, by the same finding.
    let before = log.text().matches("check=\"marks\"").count();
    let (short, _) = job("short", SHORT);
    let scheduler = Scheduler::builder(redis.url()).job(short).start();
    let scheduler = scheduler.await.unwrap();
    assert_eq!(log.text().matches("check=\"marks\"").count(), before + 1);
    let started = log.line("started: ").unwrap();
    let next = info(&scheduler, "short").next_ticks[0];
    assert!(started.contains(&format!("next {next}")), "{started}");
    let report = scheduler.doctor().await;
    let marks = report.finding("marks").unwrap();
    assert!(marks.found.contains("do not run until then"), "{marks:?}");
    scheduler.shutdown(BOUND).await;

    // The way out, while no node runs.
    take_back(&redis, &marks.remedy);
    let (short, starts) = job("short", SHORT);
    let scheduler = Scheduler::builder(redis.url()).job(short).start();
    let scheduler = scheduler.await.unwrap();
    assert_eq!(log.text().matches("check=\"marks\"").count(), before + 1);
    starts_again("ticks of the right time run", &starts).await;
    let next = info(&scheduler, "short").next_ticks[0];
    assert!(
        next.duration_since(Timestamp::now()) < SignedDuration::from_mins(1),
        "{next}"
    );
    scheduler.shutdown(BOUND).await;
}

/// Runs the command at the end of a remedy.
fn take_back(redis: &RedisServer, remedy: &str) {
    let (_, command) = remedy.split_once("\nEVAL '").unwrap();
    let (script, arguments) = command.split_once('\'').unwrap();
    let words = ["EVAL", script]
        .into_iter()
        .chain(arguments.split_whitespace());
    let changed = redis.command(&words.collect::<Vec<_>>()).unwrap();
    assert_eq!(changed.trim(), "1", "{remedy}");
}

/// Two hours ahead for less than a lease: nothing was decided then, so ticks run again after the lease.
#[tokio::test]
async fn a_clock_that_was_ahead_for_less_than_a_lease_stops_no_job() {
    const LEASE: Duration = Duration::from_secs(10);
    let (log, _guard) = logged();
    let clock = ClockShim::new().unwrap();
    let redis = RedisServer::options().clock_shim(&clock).start().unwrap();
    let (steady, starts) = job("steady", LEASE);
    let scheduler = Scheduler::builder(redis.url()).job(steady).start();
    let scheduler = scheduler.await.unwrap();
    starts_again("ticks run", &starts).await;
    clock.forward(HOUR * 2).unwrap();
    wait_for("it is two hours later", || {
        log.text().matches("store clock jumped").count() == 1
    })
    .await;
    clock.set_us(0).unwrap();
    wait_for("it is as late as before", || {
        log.text().matches("store clock jumped").count() == 2
    })
    .await;
    starts_again("ticks run again", &starts).await;
    scheduler.shutdown(BOUND).await;
}
