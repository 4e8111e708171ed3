//! What is counted of ticks and runs.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use scheduled_one_runtime::clock::{Clock, ManualClock};
use scheduled_one_runtime::{
    Job, MetricKind, MetricValue, Misfire, Overlap, SchedulerBuilder, Scope, State,
};
use test_support::wait_until_async;

use crate::openmetrics::Exposition;
use crate::{BOUND, MINUTE, MS, SECOND, advance_until, on, shown, wait_for};

/// When the clock of a test begins: 2026-01-01, in seconds.
const START_S: u64 = 1_767_225_600;
const RUNS: &str = "scheduled_one_runs_total";

fn run<'a>(job: &'a str, outcome: &'a str) -> [(&'a str, &'a str); 3] {
    [
        ("job_name", job),
        ("outcome", outcome),
        ("cause", "schedule"),
    ]
}

/// How often the job was called that ends well the second time.
type Tries = Arc<AtomicUsize>;

async fn panics() {
    panic!("no");
}

async fn never() {
    std::future::pending().await
}

#[tokio::test]
async fn all_of_a_job_is_there_with_zero_before_it_has_run() {
    let clock = ManualClock::new();
    let job = |name: &str| Job::every(name, MINUTE, || async {});
    let started = on(&clock).job(job("a")).job(job("b/c:d.e")).start().await;
    let scheduler = started.expect("started");
    let all = shown(&scheduler);
    let now_s = clock.wall().as_secs_f64();
    for job in ["a", "b/c:d.e"] {
        let next = "scheduled_one_job_next_tick_timestamp_seconds";
        assert_eq!(all.value(next, &[("job_name", job)]), now_s + 60.0);
        for outcome in ["ok", "failed", "panicked", "timed_out", "cancelled"] {
            assert_eq!(all.value(RUNS, &run(job, outcome)), 0.0);
            let of_outcome = [("job_name", job), ("outcome", outcome)];
            assert_eq!(
                all.value("scheduled_one_run_duration_seconds_count", &of_outcome),
                0.0
            );
        }
        for (name, reason) in [
            ("scheduled_one_ticks_missed_total", "no node was up"),
            (
                "scheduled_one_ticks_missed_total",
                "store down, then quarantine",
            ),
            ("scheduled_one_ticks_skipped_total", "queue full"),
        ] {
            assert_eq!(
                all.value(name, &[("job_name", job), ("reason", reason)]),
                0.0
            );
        }
        for name in [
            "scheduled_one_run_lateness_seconds_sum",
            "scheduled_one_runs_active",
            "scheduled_one_run_age_seconds",
            "scheduled_one_job_last_success_timestamp_seconds",
            "scheduled_one_job_last_run_timestamp_seconds",
            "scheduled_one_job_paused",
            "scheduled_one_job_consecutive_failures",
            "scheduled_one_job_waiting",
            "scheduled_one_retries_total",
            "scheduled_one_takeovers_total",
            "scheduled_one_lost_total",
            "scheduled_one_finished_without_lease_total",
            "scheduled_one_unaccounted_ticks_total",
        ] {
            assert_eq!(all.value(name, &[("job_name", job)]), 0.0, "{name}");
        }
    }
}

/// Whatever a shipped query takes a quantile of: a bucket that appears with its first count has no increase.
#[tokio::test]
async fn the_buckets_of_latenesses_and_of_requests_are_there_with_zero() {
    let clock = ManualClock::new();
    let job = Job::every("a", MINUTE, || async {});
    let scheduler = on(&clock).job(job).start().await.expect("started");
    let all = shown(&scheduler);
    for bound in ["0.001", "0.5", "300.0", "+Inf"] {
        let labels = [("job_name", "a"), ("le", bound)];
        assert_eq!(
            all.value("scheduled_one_run_lateness_seconds_bucket", &labels),
            0.0
        );
    }
    for bound in ["0.0005", "2.0", "+Inf"] {
        let labels = [("op", "claim"), ("result", "failed"), ("le", bound)];
        let name = "scheduled_one_store_request_duration_seconds_bucket";
        assert_eq!(all.value(name, &labels), 0.0);
    }
}

#[tokio::test]
async fn all_of_the_store_is_there_from_the_start() {
    let clock = ManualClock::new();
    let builder = on(&clock).namespace("shop");
    let started = builder
        .job(Job::every("a", MINUTE, || async {}))
        .start()
        .await;
    let scheduler = started.expect("started");
    let all = shown(&scheduler);
    let version = [
        ("version", env!("CARGO_PKG_VERSION")),
        ("namespace", "shop"),
    ];
    assert_eq!(all.value("scheduled_one_build_info", &version), 1.0);
    for (name, value) in [
        ("scheduled_one_store_up", 1.0),
        ("scheduled_one_quarantines_total", 0.0),
        ("scheduled_one_clock_offset_seconds", 0.0),
    ] {
        assert_eq!(all.value(name, &[("bucket", "0")]), value, "{name}");
    }
    let granted = [("verdict", "granted")];
    assert_eq!(all.value("scheduled_one_claims_total", &granted), 0.0);
    let registered = [("op", "register"), ("result", "ok")];
    let requests = "scheduled_one_store_request_duration_seconds_count";
    assert!(all.value(requests, &registered) > 0.0);
    assert_eq!(
        all.value(requests, &[("op", "claim"), ("result", "failed")]),
        0.0
    );
    wait_for(&scheduler, "scheduled_one_nodes", &[("bucket", "0")], 1.0).await;
}

/// A job for each way in which a run ends, and one that ends well the second time.
fn jobs_of_each_end() -> [Job; 5] {
    let ok = Job::every(
        "ok",
        MINUTE,
        |State(clock): State<ManualClock>| async move {
            clock.sleep(2 * SECOND).await;
        },
    );
    let failed = Job::every("failed", MINUTE, || async { Err::<(), _>("no") });
    let panicked = Job::every("panicked", MINUTE, panics);
    let timed_out = Job::every("timed_out", MINUTE, never).timeout(3 * SECOND);
    let again = |State(tries): State<Tries>| async move {
        match tries.fetch_add(1, Ordering::Relaxed) {
            0 => Err("not yet"),
            _ => Ok(()),
        }
    };
    let retried = Job::every("retried", MINUTE, again)
        .retries(1)
        .backoff(SECOND, SECOND);
    [ok, failed, panicked, timed_out, retried].map(|job| job.lease(30 * SECOND))
}

fn check_durations(all: &Exposition) {
    // Retries and their waits are part of the run.
    for (job, outcome, least) in [
        ("ok", "ok", 2.0),
        ("timed_out", "timed_out", 3.0),
        ("retried", "ok", 0.0),
    ] {
        let labels = [("job_name", job), ("outcome", outcome)];
        let sum = all.value("scheduled_one_run_duration_seconds_sum", &labels);
        assert!(sum >= least, "{job}: {sum}");
        let within = |le: &str| {
            let labels = [("job_name", job), ("outcome", outcome), ("le", le)];
            all.value("scheduled_one_run_duration_seconds_bucket", &labels)
        };
        let fast = if least > 0.5 { 0.0 } else { within("0.5") };
        assert_eq!((within("0.5"), within("+Inf")), (fast, 1.0), "{job}");
        // Only first attempts have a lateness.
        let lateness = [("job_name", job)];
        assert_eq!(
            all.value("scheduled_one_run_lateness_seconds_count", &lateness),
            1.0
        );
    }
}

#[tokio::test]
async fn each_end_of_a_run_is_counted_with_its_duration() {
    let clock = ManualClock::new();
    let builder = on(&clock).state(clock.clone()).state(Tries::default());
    let jobs = jobs_of_each_end().into_iter();
    let scheduler = jobs.fold(builder, SchedulerBuilder::job).start().await;
    let scheduler = scheduler.expect("started");
    clock.advance(MINUTE);
    let of = (&scheduler, &clock);
    for (job, outcome) in [
        ("ok", "ok"),
        ("failed", "failed"),
        ("panicked", "panicked"),
        ("timed_out", "timed_out"),
        ("retried", "ok"),
    ] {
        advance_until(of, 100 * MS, RUNS, &run(job, outcome), 1.0).await;
    }
    let all = shown(&scheduler);
    let runs = all.samples.iter().filter(|(name, _, _)| name == RUNS);
    assert_eq!(runs.map(|(_, _, count)| count).sum::<f64>(), 5.0);
    let retries = |job| all.value("scheduled_one_retries_total", &[("job_name", job)]);
    assert_eq!((retries("retried"), retries("failed")), (1.0, 0.0));
    check_durations(&all);
    for (job, failures) in [
        ("ok", 0.0),
        ("failed", 1.0),
        ("timed_out", 1.0),
        ("retried", 0.0),
    ] {
        let found = all.value(
            "scheduled_one_job_consecutive_failures",
            &[("job_name", job)],
        );
        assert_eq!(found, failures, "{job}");
    }
    let now_s = clock.wall().as_secs_f64();
    let last = |name: &str, job| {
        all.value(
            &format!("scheduled_one_job_last_{name}_timestamp_seconds"),
            &[("job_name", job)],
        )
    };
    assert!((now_s - 10.0..=now_s).contains(&last("run", "failed")));
    assert!((now_s - 10.0..=now_s).contains(&last("success", "ok")));
    assert_eq!(last("success", "failed"), 0.0);
    assert_eq!(
        all.value("scheduled_one_claims_total", &[("verdict", "granted")]),
        5.0
    );
}

#[tokio::test]
async fn ticks_that_do_not_run_are_counted_with_their_reasons() {
    let clock = ManualClock::new();
    let every = |name: &str| Job::every(name, MINUTE, never);
    let jobs = [
        every("busy"),
        every("queue").overlap(Overlap::QueueOne),
        every("off").enabled(false),
        every("local").scope(Scope::EveryNode),
        Job::every("late", MINUTE, || async {}).misfire(Misfire::Skip),
    ];
    let mut builder = on(&clock);
    for job in jobs {
        builder = builder.job(job);
    }
    let scheduler = builder.start().await.expect("started");
    clock.advance(MINUTE);
    for job in ["busy", "queue", "local"] {
        wait_for(
            &scheduler,
            "scheduled_one_runs_active",
            &[("job_name", job)],
            1.0,
        )
        .await;
    }
    let of = (&scheduler, &clock);
    let skipped = "scheduled_one_ticks_skipped_total";
    for (job, reason, ticks) in [
        ("busy", "overlap", 1.0),
        ("queue", "queue full", 1.0),
        ("local", "overlap", 2.0),
    ] {
        let labels = [("job_name", job), ("reason", reason)];
        advance_until(of, SECOND, skipped, &labels, ticks).await;
    }
    let waiting = "scheduled_one_job_waiting";
    wait_for(&scheduler, waiting, &[("job_name", "queue")], 1.0).await;
    let age = shown(&scheduler).value("scheduled_one_run_age_seconds", &[("job_name", "busy")]);
    assert!(age >= 60.0, "{age}");
    // Longer than a tick may be late.
    clock.advance(10 * MINUTE);
    let began_s = clock.wall().as_secs() / 60 * 60;
    wait_until_async("each tick of the late job is counted", BOUND, async || {
        clock.advance(MS);
        let all = shown(&scheduler);
        let behind = [("job_name", "late"), ("reason", "node was behind")];
        let missed = all.value("scheduled_one_ticks_missed_total", &behind);
        let ticks = (began_s - START_S) as f64 / 60.0;
        missed >= 9.0 && missed + all.value(RUNS, &run("late", "ok")) == ticks
    })
    .await;
    wait_until_async(
        "the ticks of the disabled job are counted",
        BOUND,
        async || {
            clock.advance(SECOND);
            let off = [("job_name", "off"), ("reason", "disabled")];
            shown(&scheduler).value(skipped, &off) >= 10.0
        },
    )
    .await;
    let missed_off = shown(&scheduler);
    let missed_off = missed_off.samples.iter().filter(|(name, labels, _)| {
        name == "scheduled_one_ticks_missed_total" && labels["job_name"] == "off"
    });
    assert_eq!(missed_off.map(|(_, _, count)| count).sum::<f64>(), 0.0);
}

#[tokio::test]
async fn a_run_that_is_superseded_is_cancelled() {
    let clock = ManualClock::new();
    let job = Job::every("slow", MINUTE, never).overlap(Overlap::CancelRunning);
    let scheduler = on(&clock).job(job).start().await.expect("started");
    let cancelled = run("slow", "cancelled");
    advance_until((&scheduler, &clock), SECOND, RUNS, &cancelled, 1.0).await;
}

#[tokio::test]
async fn jobs_beyond_a_thousand_have_one_label() {
    let clock = ManualClock::new();
    let ran = Arc::new(AtomicUsize::new(0));
    let count = |State(ran): State<Arc<AtomicUsize>>| async move {
        ran.fetch_add(1, Ordering::Relaxed);
    };
    let names = (0..1_002).map(|index| format!("j{index:04}"));
    let jobs = names.chain(["other".to_owned()]);
    let jobs = jobs.map(|name| Job::every(name, MINUTE, count));
    let builder = on(&clock).state(Arc::clone(&ran));
    let scheduler = jobs.fold(builder, SchedulerBuilder::job).start().await;
    let scheduler = scheduler.expect("started");
    // Everything is due at once, and claimed in several batches.
    clock.advance(MINUTE);
    wait_until_async("all have run", BOUND, async || {
        clock.advance(MS);
        ran.load(Ordering::Relaxed) == 1_003 && scheduler.running() == 0
    })
    .await;
    let all = shown(&scheduler);
    assert_eq!(all.value(RUNS, &run("other", "ok")), 3.0);
    let jobs: BTreeSet<&String> = all
        .samples
        .iter()
        .filter_map(|(_, labels, _)| labels.get("job_name"))
        .collect();
    assert_eq!(jobs.len(), 1_001);
    assert!(jobs.contains(&"j0999".to_owned()) && !jobs.contains(&"j1000".to_owned()));
    // The snapshot has all.
    let families = scheduler.metrics();
    let runs = families
        .iter()
        .find(|family| family.name == "scheduled_one_runs")
        .expect("runs");
    assert_eq!(
        (runs.kind, runs.samples.len()),
        (MetricKind::Counter, 1_003 * 20)
    );
    let is_last = |sample: &&_| {
        let sample: &scheduled_one_runtime::MetricSample = sample;
        sample.labels[0].1 == "j1001" && sample.labels[1].1 == "ok"
    };
    let last = runs.samples.iter().find(is_last).expect("the last job");
    assert_eq!(last.value, MetricValue::Number(1.0));
}
