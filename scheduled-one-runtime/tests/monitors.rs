//! Monitors outside get signs of the runs of a scheduler, over HTTP from a server that the test starts.

#![allow(clippy::unwrap_used)] // in the helpers of tests, too

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use scheduled_one_runtime::alerts::{Healthchecks, Secret, SentryCrons};
use scheduled_one_runtime::clock::ManualClock;
use scheduled_one_runtime::{Error, Job, Scheduler, SchedulerBuilder, Scope};
use test_support::wait_until_async;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

const BOUND: Duration = Duration::from_secs(60);
const MINUTE: Duration = Duration::from_secs(60);

/// What the server does with a ping.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Answer {
    Ok,
    /// It reads the ping after this time.
    After(Duration),
    Never,
}

/// A server that keeps the pings that it got: path, and body.
struct Server {
    port: u16,
    pings: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn start(answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let pings: Arc<Mutex<Vec<String>>> = Arc::default();
        let kept = Arc::clone(&pings);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, answer, Arc::clone(&kept)));
            }
        });
        Server { port, pings }
    }

    fn pings(&self) -> Vec<String> {
        self.pings.lock().unwrap().clone()
    }

    fn monitor(&self) -> Healthchecks {
        Healthchecks::new("SECRETKEY").address(format!("http://127.0.0.1:{}/ping", self.port))
    }
}

async fn serve(mut stream: TcpStream, answer: Answer, kept: Arc<Mutex<Vec<String>>>) {
    match answer {
        Answer::Never => return std::future::pending().await,
        Answer::After(time) => tokio::time::sleep(time).await,
        Answer::Ok => {}
    }
    let mut bytes = Vec::new();
    let text = loop {
        if stream.read_buf(&mut bytes).await.unwrap() == 0 {
            return;
        }
        let text = String::from_utf8(bytes.clone()).unwrap();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head.to_lowercase();
        let length = length.split("content-length: ").nth(1);
        let length = length.map_or(0, |it| it.lines().next().unwrap().parse().unwrap());
        if body.len() == length {
            let path = head.split(' ').nth(1).unwrap();
            let path = path.split('?').next().unwrap();
            break format!("{path} {body}");
        }
    };
    kept.lock().unwrap().push(text);
    let reply = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nOK";
    let _ = stream.write_all(reply.as_bytes()).await;
}

fn builder(clock: &ManualClock) -> SchedulerBuilder {
    Scheduler::builder("memory://").clock(clock.clone())
}

/// How many signs the scheduler has counted with this result.
fn signs(scheduler: &Scheduler, result: &str) -> f64 {
    let name = "scheduled_one_monitor_signs_total";
    let start = format!("{name}{{monitor=\"healthchecks\",result=\"{result}\"}} ");
    let text = scheduler.openmetrics();
    let value = text.lines().find_map(|line| line.strip_prefix(&start));
    value.expect("it is shown").parse().unwrap()
}

/// Lets time go by until something is so.
async fn until(what: &str, clock: &ManualClock, step: Duration, holds: impl Fn() -> bool) {
    wait_until_async(what, BOUND, async || {
        clock.advance(step);
        holds()
    })
    .await;
}

/// Shuts down, while time goes by.
async fn shut_down(scheduler: &Scheduler, clock: &ManualClock, grace: Duration) -> bool {
    let passing = async {
        loop {
            tokio::time::sleep(Duration::from_millis(20)).await;
            clock.advance(Duration::from_millis(20));
        }
    };
    tokio::select! {
        report = scheduler.shutdown(grace) => report.recorded,
        () = passing => unreachable!("time goes by without end"),
    }
}

#[tokio::test]
async fn a_run_of_the_schedule_is_two_signs_and_a_failure_says_why() {
    let (clock, server) = (ManualClock::new(), Server::start(Answer::Ok).await);
    let is_broken = Arc::new(AtomicBool::new(false));
    let of_job = Arc::clone(&is_broken);
    let nightly = Job::every("nightly", MINUTE, move || {
        let is_broken = of_job.load(Ordering::SeqCst);
        async move {
            match is_broken {
                true => Err(std::io::Error::other("disk full")),
                false => Ok(()),
            }
        }
    });
    let on_request = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&on_request);
    let asked_for = Job::manual("asked-for", move || {
        count.fetch_add(1, Ordering::SeqCst);
        async {}
    });
    let each = Job::every("each", MINUTE, async || {}).scope(Scope::EveryNode);
    let builder = builder(&clock).job(nightly).job(asked_for).job(each);
    let scheduler = builder.monitor(server.monitor()).start().await.unwrap();
    let control = scheduler.control().unwrap();
    control.run("asked-for").await.unwrap();
    let step = Duration::from_secs(1);
    until("two signs", &clock, step, || server.pings().len() >= 2).await;
    until("a requested run", &clock, step, || {
        on_request.load(Ordering::SeqCst) == 1
    })
    .await;
    is_broken.store(true, Ordering::SeqCst);
    let failed = "/ping/SECRETKEY/nightly/fail failed: disk full";
    let has_failed = || server.pings().iter().any(|ping| ping == failed);
    until("it fails", &clock, step, has_failed).await;
    let pings = server.pings();
    let start = "/ping/SECRETKEY/nightly/start ";
    assert_eq!(&pings[..2], [start, "/ping/SECRETKEY/nightly "]);
    until("the signs are counted", &clock, step, || {
        signs(&scheduler, "delivered") >= 4.0
    })
    .await;
    assert_eq!(
        [signs(&scheduler, "given_up"), signs(&scheduler, "dropped")],
        [0.0; 2]
    );
    let others: Vec<&String> = pings
        .iter()
        .filter(|ping| !ping.starts_with("/ping/SECRETKEY/nightly"))
        .collect();
    assert!(others.is_empty(), "{others:?}");
    assert!(shut_down(&scheduler, &clock, MINUTE).await);
}

#[tokio::test]
async fn a_monitor_that_hangs_delays_neither_runs_nor_a_shutdown() {
    let log = test_support::Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(move || writer.clone());
    let _guard = test_support::subscribe(subscriber.finish());
    let (clock, server) = (ManualClock::new(), Server::start(Answer::Never).await);
    let runs = Arc::new(AtomicUsize::new(0));
    let of_job = Arc::clone(&runs);
    let job = Job::every("j", MINUTE, move || {
        of_job.fetch_add(1, Ordering::SeqCst);
        async {}
    });
    let builder = builder(&clock).job(job).monitor(server.monitor());
    let scheduler = builder.start().await.unwrap();
    let dropped = || log.lines_with("sign to a monitor dropped");
    // 128 signs wait, and a run is two.
    until("signs are dropped", &clock, 5 * MINUTE / 60, || {
        !dropped().is_empty()
    })
    .await;
    assert!(runs.load(Ordering::SeqCst) > 60, "{runs:?}");
    assert!(signs(&scheduler, "dropped") >= 1.0);
    assert!(
        dropped()[0].contains("monitor=\"healthchecks\""),
        "{:?}",
        dropped()
    );
    assert!(shut_down(&scheduler, &clock, MINUTE).await);
    let lost = log.lines_with("monitors not informed");
    assert_eq!(lost.len(), 1, "{lost:?}");
    let lines = log.lines_with("");
    assert!(lines.iter().all(|line| !line.contains("SECRETKEY")));
}

#[tokio::test]
async fn a_schedule_that_sentry_cannot_watch_is_said_once() {
    let log = test_support::Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(move || writer.clone());
    let _guard = test_support::subscribe(subscriber.finish());
    let (clock, server) = (ManualClock::new(), Server::start(Answer::Ok).await);
    let sentry = SentryCrons::dsn(format!("http://KEY@127.0.0.1:{}/1", server.port));
    let runs = Arc::new(AtomicUsize::new(0));
    let job = |name, every| {
        let of_job = Arc::clone(&runs);
        Job::every(name, every, move || {
            of_job.fetch_add(1, Ordering::SeqCst);
            async {}
        })
    };
    let builder = builder(&clock).job(job("odd", MINUTE / 2));
    let builder = builder.job(job("plain", MINUTE)).monitor(sentry);
    let scheduler = builder.monitor(server.monitor()).start().await.unwrap();
    until("several runs", &clock, MINUTE / 12, || {
        runs.load(Ordering::SeqCst) > 5
    })
    .await;
    assert!(shut_down(&scheduler, &clock, MINUTE).await);
    let said = log.lines_with("monitor has no schedule of the job");
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(
        said[0].contains("monitor=\"sentry\" job=\"odd\""),
        "{said:?}"
    );
}

#[tokio::test]
async fn a_shutdown_waits_for_the_last_sign() {
    let slow = Answer::After(Duration::from_millis(500));
    let (clock, server) = (ManualClock::new(), Server::start(slow).await);
    let permits = Arc::new(Semaphore::new(0));
    let of_job = Arc::clone(&permits);
    let job = Job::every("j", MINUTE, move || {
        let permits = Arc::clone(&of_job);
        async move { permits.acquire().await.unwrap().forget() }
    });
    let builder = builder(&clock).job(job).monitor(server.monitor());
    let scheduler = builder.start().await.unwrap();
    let step = Duration::from_secs(1);
    until("it starts", &clock, step, || !server.pings().is_empty()).await;
    permits.add_permits(1);
    assert!(shut_down(&scheduler, &clock, MINUTE).await);
    let pings = server.pings();
    assert_eq!(pings, ["/ping/SECRETKEY/j/start ", "/ping/SECRETKEY/j "]);
}

#[tokio::test]
async fn a_monitor_that_cannot_be_used_is_an_error_of_the_start() {
    let monitor = Healthchecks::new(Secret::env("NO_SUCH_PING_KEY"));
    let job = Job::every("j", MINUTE, async || {});
    let clock = ManualClock::new();
    let started = builder(&clock).job(job).monitor(monitor).start().await;
    let error = started.expect_err("refused");
    assert!(matches!(error, Error::Setting { .. }), "{error}");
    let text = error.to_string();
    for part in [
        "monitor",
        "healthchecks",
        "NO_SUCH_PING_KEY",
        "set the variable",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}
