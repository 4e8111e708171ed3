//! How runs are cancelled, and how a scheduler ends, in time that the test moves.

mod test_store;

use std::sync::Arc;
use std::time::Duration;

use scheduled_one_runtime::clock::{Clock, ManualClock};
use scheduled_one_runtime::{
    Job, JobContext, LedgerEntry, Outcome, Overlap, Scheduler, SchedulerBuilder, Scope,
    ShutdownReport, State,
};
use test_store::TestStore;
use test_support::{Log, wait_until_async};
use tokio::sync::Notify;

const BOUND: Duration = Duration::from_secs(30);
const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

fn on(clock: &ManualClock) -> SchedulerBuilder {
    Scheduler::builder("memory://").clock(clock.clone())
}

/// A job that does not end.
fn endless(every: Duration, lease: Duration) -> Job {
    Job::every("endless", every, || async {
        std::future::pending::<()>().await;
    })
    .lease(lease)
}

/// Waits until `runs` runs are active.
async fn active(scheduler: &Scheduler, runs: usize) {
    let what = format!("{runs} runs are active");
    wait_until_async(&what, BOUND, async || scheduler.running() == runs).await;
}

/// Lets all tasks do what they can do without time.
async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

/// Moves the clock in hundredths of `about` until the future completes. Returns its output, and how much time it took.
async fn timed<T>(
    clock: &ManualClock,
    about: Duration,
    future: impl Future<Output = T>,
) -> (T, Duration) {
    let began = clock.boottime();
    let moved = async {
        loop {
            settle().await;
            clock.advance(about / 100);
        }
    };
    let output = tokio::select! {
        biased;
        output = future => output,
        () = moved => unreachable!("time has no end"),
        () = tokio::time::sleep(BOUND) => panic!("not over after {:?}", clock.boottime() - began),
    };
    (output, clock.boottime() - began)
}

async fn line(scheduler: &Scheduler, job: &str, outcome: Outcome) -> LedgerEntry {
    let mut found = None;
    wait_until_async(&format!("{job} is {outcome}"), BOUND, async || {
        let lines = scheduler.ledger(job, 100).await.expect("a ledger");
        found = lines.into_iter().find(|line| line.outcome == outcome);
        found.is_some()
    })
    .await;
    found.expect("just found")
}

fn outcomes(lines: &[LedgerEntry]) -> Vec<Outcome> {
    lines.iter().map(|line| line.outcome).collect()
}

#[tokio::test]
async fn shutdown_lets_runs_finish_then_cancels_them() {
    let clock = ManualClock::new();
    let quick = Arc::new(Notify::new());
    let scheduler = on(&clock)
        .state(Arc::clone(&quick))
        .job(Job::every(
            "quick",
            SECOND,
            |State(quick): State<Arc<Notify>>| async move { quick.notified().await },
        ))
        .job(Job::every("stuck", SECOND, |ctx: JobContext| async move {
            ctx.cancelled().await;
            Err::<(), _>("told to stop")
        }))
        .start()
        .await
        .expect("started");
    clock.advance(SECOND);
    active(&scheduler, 2).await;
    let report = {
        let stop = scheduler.shutdown(SECOND);
        tokio::pin!(stop);
        quick.notify_one();
        let finished = async { line(&scheduler, "quick", Outcome::Ok).await };
        tokio::select! {
            _ = &mut stop => panic!("one is still going"),
            _ = finished => {}
        }
        clock.advance(SECOND);
        tokio::time::timeout(BOUND, stop).await.expect("it stops")
    };
    assert_eq!((report.finished, report.cancelled), (1, 1));
    assert!(report.recorded);
    let stuck = line(&scheduler, "stuck", Outcome::Cancelled).await;
    assert_eq!(stuck.reason, "shutdown; returned");
    assert_eq!(stuck.error, "told to stop");
    for job in ["quick", "stuck"] {
        let lines = scheduler.ledger(job, 100).await.expect("a ledger");
        assert_eq!(outcomes(&lines).len(), 1, "{lines:?}");
    }
    // Again: nothing happens, and nothing starts any more.
    assert_eq!(scheduler.shutdown(SECOND).await.finished, 0);
}

#[tokio::test]
async fn a_shutdown_ends_within_its_grace_however_long_the_lease_is() {
    for (grace_ms, lease_s, runs_for_ms) in [
        // The runs have 22 s of the default grace with the default lease, and 18 s with a long one.
        (25_000, 5, 22_000),
        (25_000, 60, 18_000),
        (25_000, 3_600, 18_000),
        (4_000, 3_600, 1_500),
        (1_000, 60, 375),
        (0, 60, 0),
    ] {
        let (clock, grace) = (ManualClock::new(), Duration::from_millis(grace_ms));
        let job = endless(HOUR, Duration::from_secs(lease_s));
        let scheduler = on(&clock).job(job).start().await.expect("started");
        clock.advance(HOUR);
        active(&scheduler, 1).await;
        let (report, took) = timed(&clock, grace.max(SECOND), scheduler.shutdown(grace)).await;
        let what = format!("grace {grace_ms} ms, lease {lease_s} s: {took:?}, {report:?}");
        assert!(took <= grace.max(SECOND), "{what}");
        assert!(took >= Duration::from_millis(runs_for_ms), "{what}");
        assert_eq!((report.finished, report.cancelled), (0, 1), "{what}");
        assert!(report.recorded, "{what}");
        let line = line(&scheduler, "endless", Outcome::Cancelled).await;
        assert_eq!(line.reason, "shutdown; dropped", "{what}");
        // It was left alone for as long as there was time.
        let ran = line.took().expect("it ran");
        assert!(ran >= Duration::from_millis(runs_for_ms), "{what}: {ran:?}");
    }
}

/// Sends a signal to this process.
fn send(signal: &str) {
    let pid = std::process::id().to_string();
    let sent = std::process::Command::new("kill")
        .args([signal, &pid])
        .status();
    assert!(sent.expect("kill runs").success());
}

/// The only test here with signals: they are sent to all of this process.
#[tokio::test]
async fn a_signal_ends_a_scheduler_within_its_grace_and_a_second_one_sooner() {
    // `None` is the default grace, of which the run has 18 s with its lease.
    for (grace, second, least, most) in [
        (None, false, 18 * SECOND, 25 * SECOND),
        (Some(10 * SECOND), false, SECOND, 10 * SECOND),
        (Some(HOUR), true, Duration::ZERO, 8 * SECOND),
    ] {
        let (clock, log) = (ManualClock::new(), Log::default());
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        let _guard = test_support::subscribe(subscriber);
        let name = most.as_secs();
        let node = || Scheduler::builder(format!("memory://signals-{name}")).clock(clock.clone());
        let mut builder = node().job(endless(2 * HOUR, 60 * SECOND));
        if let Some(grace) = grace {
            builder = builder.shutdown_grace(grace);
        }
        let scheduler = builder.start().await;
        let scheduler = scheduler.expect("started");
        let observer = node()
            .job(Job::every("other", HOUR, || async {}))
            .start()
            .await;
        let observer = observer.expect("started");
        clock.advance(2 * HOUR);
        active(&scheduler, 1).await;
        let mut ended = Box::pin(scheduler.run_until_signal());
        let signals: &[(&str, &str)] = match second {
            false => &[("-TERM", "SIGTERM")],
            true => &[("-TERM", "SIGTERM"), ("-INT", "SIGINT")],
        };
        // It listens from its first poll on.
        tokio::select! {
            biased;
            _ = &mut ended => panic!("nobody has sent a signal"),
            () = std::future::ready(()) => {}
        }
        for (signal, name) in signals {
            send(signal);
            let received = async || !log.lines_with(name).is_empty();
            tokio::select! {
                biased;
                _ = &mut ended => panic!("it has time"),
                () = wait_until_async("the signal is received", BOUND, received) => {}
            }
        }
        let (result, took) = timed(&clock, most, ended).await;
        result.expect("it listened");
        assert!((least..=most).contains(&took), "{took:?} of {most:?}");
        let line = line(&observer, "endless", Outcome::Cancelled).await;
        assert_eq!(line.reason, "shutdown; dropped");
    }
}

#[tokio::test]
async fn a_store_that_does_not_reply_holds_no_shutdown_up() {
    for silent_while_it_runs in [true, false] {
        let (clock, end) = (ManualClock::new(), Arc::new(Notify::new()));
        let store = TestStore::new(&clock, false);
        let builder = on(&clock).store(store.clone()).state(Arc::clone(&end));
        let waits = |State(end): State<Arc<Notify>>| async move { end.notified().await };
        let job = Job::every("waits", HOUR, waits).lease(HOUR);
        let scheduler = builder.job(job).start().await.expect("started");
        clock.advance(HOUR);
        active(&scheduler, 1).await;
        store.fall_silent();
        if !silent_while_it_runs {
            end.notify_one();
            active(&scheduler, 0).await;
        }
        let (report, took) = timed(&clock, 10 * SECOND, scheduler.shutdown(10 * SECOND)).await;
        assert!(took <= 10 * SECOND, "{took:?}");
        assert!(!report.recorded, "{report:?}");
        assert_eq!(report.cancelled, usize::from(silent_while_it_runs));
    }
}

#[tokio::test]
async fn a_second_call_waits_no_longer_than_its_own_grace() {
    let clock = ManualClock::new();
    let job = endless(HOUR, 5 * SECOND);
    let scheduler = on(&clock).job(job).start().await.expect("started");
    clock.advance(HOUR);
    active(&scheduler, 1).await;
    let (second, took) = {
        let first = scheduler.shutdown(HOUR);
        tokio::pin!(first);
        let second = timed(&clock, SECOND, scheduler.shutdown(SECOND));
        tokio::select! {
            biased;
            _ = &mut first => panic!("it has an hour"),
            second = second => second,
        }
    };
    assert_eq!(second, ShutdownReport::default());
    assert!(took <= SECOND, "{took:?}");
}

#[tokio::test]
async fn a_timeout_drops_a_run_with_a_long_lease_after_five_seconds() {
    let clock = ManualClock::new();
    let job = endless(2 * HOUR, HOUR).timeout(SECOND);
    let scheduler = on(&clock).job(job).start().await.expect("started");
    clock.advance(2 * HOUR);
    active(&scheduler, 1).await;
    timed(
        &clock,
        10 * SECOND,
        line(&scheduler, "endless", Outcome::TimedOut),
    )
    .await;
    let line = line(&scheduler, "endless", Outcome::TimedOut).await;
    let took = line.took().expect("it ran");
    assert_eq!(line.reason, "timeout; dropped");
    assert!(took >= 6 * SECOND && took < 7 * SECOND, "{took:?}");
}

#[tokio::test]
async fn cancel_running_makes_room_soon_however_long_the_lease_is() {
    let clock = ManualClock::new();
    let job = endless(60 * SECOND, HOUR).overlap(Overlap::CancelRunning);
    let scheduler = on(&clock).job(job).start().await.expect("started");
    clock.advance(60 * SECOND);
    active(&scheduler, 1).await;
    timed(
        &clock,
        60 * SECOND,
        line(&scheduler, "endless", Outcome::Cancelled),
    )
    .await;
    // The clock may have moved on to the end of the second run.
    let lines = scheduler.ledger("endless", 100).await.expect("a ledger");
    let first = lines.last().expect("a line");
    assert_eq!(first.reason, "superseded by the next tick; dropped");
    // Until its next tick; 5 s until a renewal says so, and 5 s to return.
    let took = first.took().expect("it ran");
    assert!(took >= 60 * SECOND && took < 72 * SECOND, "{took:?}");
    active(&scheduler, 1).await;
}

#[tokio::test]
async fn a_grace_without_end_is_no_mistake() {
    let clock = ManualClock::new();
    let scheduler = on(&clock).job(endless(HOUR, SECOND)).start().await;
    let scheduler = scheduler.expect("started");
    let stopped = tokio::time::timeout(BOUND, scheduler.shutdown(Duration::MAX)).await;
    assert!(stopped.expect("nothing is active").recorded);
}

#[tokio::test]
async fn a_local_run_has_a_second_to_return() {
    let clock = ManualClock::new();
    let job = Job::every("local", HOUR, |ctx: JobContext| async move {
        ctx.cancelled().await;
        std::future::pending::<()>().await;
    })
    .scope(Scope::EveryNode);
    let scheduler = on(&clock).job(job).start().await.expect("started");
    clock.advance(HOUR);
    active(&scheduler, 1).await;
    let (report, took) = timed(&clock, 10 * SECOND, scheduler.shutdown(10 * SECOND)).await;
    assert!(report.recorded && took <= 10 * SECOND, "{took:?}");
    let line = line(&scheduler, "local", Outcome::Cancelled).await;
    assert_eq!(line.reason, "shutdown; dropped");
}

/// A run that blocks its thread can be neither dropped nor reported. The shutdown does not wait for it, and another
/// node records what became of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_run_that_blocks_its_thread_holds_no_shutdown_up() {
    let node = || Scheduler::builder("memory://blocked-thread");
    let job = || Job::every("blocks", SECOND, || async {}).lease(SECOND);
    let (release, released) = std::sync::mpsc::channel::<()>();
    let released = Arc::new(std::sync::Mutex::new(released));
    let blocks = Job::every("blocks", SECOND, move || {
        let released = Arc::clone(&released);
        async move {
            let _ = released.lock().expect("one run").recv();
        }
    });
    // Other work of the program: the thread that blocks may be the one that drove Tokio's timers, and another one
    // drives them only when it has been woken.
    let (runtime, over) = (tokio::runtime::Handle::current(), Arc::new(()));
    let is_over = Arc::downgrade(&over);
    std::thread::spawn(move || {
        while is_over.strong_count() > 0 {
            runtime.spawn(async {});
            std::thread::sleep(SECOND / 50);
        }
    });
    let scheduler = node().job(blocks.lease(SECOND)).start().await;
    let scheduler = scheduler.expect("started");
    active(&scheduler, 1).await;
    let stopped = tokio::time::timeout(BOUND, scheduler.shutdown(3 * SECOND)).await;
    let report = stopped.expect("it stops");
    assert!(!report.recorded, "{report:?}");
    assert_eq!(scheduler.running(), 1, "it still blocks");

    // Its lease is renewed as long as it blocks. When it ends, as with its process, nobody is left to report it.
    let other = node().job(job()).start().await.expect("started");
    drop(release);
    active(&scheduler, 0).await;
    let lost = line(&other, "blocks", Outcome::Lost).await;
    assert!(lost.reason.contains("no sign of life"), "{lost:?}");
    line(&other, "blocks", Outcome::Ok).await;
    other.shutdown(BOUND).await;
    drop(over);
}
