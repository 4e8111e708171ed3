//! What is logged of the policies: the same words as in the ledger, and not a line more than says something.

use std::time::Duration;

use scheduled_one_runtime::clock::{Clock, ManualClock};
use scheduled_one_runtime::{Job, JobContext, Misfire, Outcome, Overlap, Scope, State};
use test_support::{Log, wait_until_async};
use tracing::subscriber::DefaultGuard;

use crate::{BOUND, HOUR, Probe, SECOND, ledger, on, work};

/// What this thread logs from now on, as long as the guard lives.
fn logged() -> (Log, DefaultGuard) {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .without_time()
        .with_max_level(tracing::Level::INFO)
        .with_writer(move || writer.clone())
        .finish();
    (log, test_support::subscribe(subscriber))
}

#[tokio::test]
async fn a_skipped_tick_has_one_reason_in_the_log_and_in_the_ledger() {
    for (overlap, reason) in [
        (Overlap::Skip, "overlap"),
        (Overlap::Allow(2), "overlap"),
        (Overlap::QueueOne, "queue full"),
        (Overlap::QueueAll(1), "queue full"),
    ] {
        let (log, _guard) = logged();
        let (clock, probe) = (ManualClock::new(), Probe::new());
        let job = Job::every("busy", SECOND, work).overlap(overlap);
        let scheduler = on(&clock).state(probe.clone()).job(job).start().await;
        let scheduler = scheduler.expect("started");
        clock.advance(SECOND);
        probe.wait_started(&[1]).await;
        wait_until_async("a tick was skipped", BOUND, async || {
            clock.advance(SECOND / 50);
            !log.lines_with(" skipped ").is_empty()
        })
        .await;
        let lines = ledger(&scheduler, "busy", 1).await;
        assert_eq!(
            (lines[0].outcome, lines[0].reason.as_str()),
            (Outcome::Skipped, reason)
        );
        let skipped = log.lines_with(" skipped ");
        assert!(
            skipped[0].contains(&format!("reason=\"{reason}\"")),
            "{skipped:?}"
        );
        probe.may_end.add_permits(100);
    }
}

#[tokio::test]
async fn a_local_tick_that_is_skipped_is_logged_with_the_reason_of_its_line() {
    let (log, _guard) = logged();
    let (clock, probe) = (ManualClock::new(), Probe::new());
    let local = |name: &str| Job::every(name, SECOND, work).scope(Scope::EveryNode);
    let builder = on(&clock).state(probe.clone()).job(local("busy"));
    let scheduler = builder.job(local("off").enabled(false)).start().await;
    let scheduler = scheduler.expect("started");
    clock.advance(SECOND);
    probe.wait_started(&[1]).await;
    clock.advance(SECOND);
    for (job, reason) in [("busy", "overlap"), ("off", "disabled")] {
        let lines = ledger(&scheduler, job, 1).await;
        assert_eq!(
            (lines[0].outcome, lines[0].reason.as_str()),
            (Outcome::Skipped, reason)
        );
        let of_job = |line: &String| line.contains(job) && line.contains(reason);
        assert!(
            log.lines_with(" skipped ").iter().any(of_job),
            "{}",
            log.text()
        );
    }
    probe.may_end.add_permits(100);
}

#[tokio::test]
async fn catching_up_is_a_line_when_it_begins_and_one_when_it_ends() {
    let (log, _guard) = logged();
    let (clock, probe) = (ManualClock::new(), Probe::new());
    let job = Job::every("all", SECOND, work)
        .misfire(Misfire::RunAll)
        .catch_up(HOUR);
    let scheduler = on(&clock).state(probe.clone()).job(job).start().await;
    let scheduler = scheduler.expect("started");
    clock.advance(Duration::from_secs(40));
    probe.wait_started(&[1]).await;
    let began = log.lines_with("catching up");
    assert_eq!(began.len(), 1, "{}", log.text());
    for words in ["INFO", "job=\"all\"", "count=40"] {
        assert!(began[0].contains(words), "{began:?}");
    }
    assert!(log.lines_with("caught up").is_empty());
    probe.may_end.add_permits(100);
    probe.wait_started(&(1..=40).collect::<Vec<_>>()).await;
    wait_until_async("that is logged", BOUND, async || {
        !log.lines_with("caught up").is_empty()
    })
    .await;
    // The ticks that follow are on time.
    for second in 41..=43 {
        clock.advance(SECOND);
        probe.wait_started(&(1..=second).collect::<Vec<_>>()).await;
        ledger(&scheduler, "all", second as usize).await;
    }
    let ended = log.lines_with("caught up");
    assert_eq!(
        (log.lines_with("catching up").len(), ended.len()),
        (1, 1),
        "{}",
        log.text()
    );
    assert!(ended[0].contains("runs=40"), "{ended:?}");
    // The next time is another one.
    clock.advance(Duration::from_secs(10));
    wait_until_async("it catches up again", BOUND, async || {
        log.lines_with("caught up").len() == 2
    })
    .await;
    assert!(
        log.lines_with("caught up")[1].contains("runs=10"),
        "{}",
        log.text()
    );
}

#[tokio::test]
async fn a_poll_that_blocks_is_a_warning_with_the_job_now_and_then() {
    let (log, _guard) = logged();
    let clock = ManualClock::new();
    let job = Job::every(
        "blocks",
        5 * SECOND,
        |_: JobContext, State(clock): State<ManualClock>| async move {
            // What a thread that sleeps in its first poll sees of its lease of 5 s.
            clock.advance(2 * SECOND);
            tokio::task::yield_now().await;
        },
    );
    let brief = Job::every(
        "brief",
        SECOND,
        |State(clock): State<ManualClock>| async move {
            clock.advance(SECOND / 1_000);
        },
    );
    let builder = on(&clock).state(clock.clone()).job(job).job(brief);
    let scheduler = builder.start().await.expect("started");
    // It begins at 5 s, 10 s, 15 s.
    for (count, warnings) in [(1, 1), (2, 1), (3, 2)] {
        wait_until_async("it has run", BOUND, async || {
            clock.advance(SECOND / 20);
            scheduler.ledger("blocks", 9).await.expect("a ledger").len() >= count
        })
        .await;
        let lines = ledger(&scheduler, "blocks", count).await;
        assert!(
            lines.iter().all(|line| line.outcome == Outcome::Ok),
            "{lines:?}"
        );
        let blocked = log.lines_with("blocked: one poll");
        assert_eq!(
            blocked.len(),
            warnings,
            "{} at {:?}",
            log.text(),
            clock.wall()
        );
        let last = blocked.last().expect("a warning");
        for words in [
            "WARN",
            "job=\"blocks\"",
            "poll_ms=2000",
            "budget_ms=1000",
            "spawn_blocking",
        ] {
            assert!(last.contains(words), "{last}");
        }
    }
    assert!(
        log.lines_with("brief")
            .iter()
            .all(|line| !line.contains("blocked"))
    );
}
