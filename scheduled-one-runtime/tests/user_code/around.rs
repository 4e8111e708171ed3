//! What is called around the runs: checks at start, the subscriber of `tracing`, a clock and a store of the program.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Waker};
use std::time::Duration;

use scheduled_one_protocol::BoxFuture;
use scheduled_one_runtime::clock::{Clock, ManualClock};
use scheduled_one_runtime::{Job, Outcome, Scheduler};
use test_support::{Log, wait_until_async};
use tokio::sync::Notify;
use tracing::{Event, Metadata, Subscriber, span};

use crate::misbehaving::BadCheck;
use crate::runs::BadWaker;
use crate::test_store::TestStore;
use crate::{BOUND, MINUTE, SECOND, lines, on};

#[tokio::test]
async fn an_argument_that_cannot_be_checked_is_an_error_of_start() {
    let job = Job::every("unchecked", SECOND, |_: BadCheck| async {});
    let started = Scheduler::builder("memory://").job(job).start().await;
    let text = started.expect_err("it must not start").to_string();
    assert!(
        text.contains("`unchecked`") && text.contains("around.rs"),
        "{text}"
    );
    assert!(text.contains("panicked: in its check"), "{text}");
}

#[tokio::test]
async fn a_waker_that_panics_hinders_neither_the_run_nor_the_shutdown_that_waits() {
    let (clock, end) = (ManualClock::new(), Arc::new(Notify::new()));
    let ends = Arc::clone(&end);
    let job = Job::every("waited_for", MINUTE, move || {
        let ends = Arc::clone(&ends);
        async move { ends.notified().await }
    });
    let store = TestStore::new(&clock, false);
    let builder = on(&clock).store(store.clone());
    let scheduler = builder.job(job).start().await.expect("started");
    clock.advance(MINUTE);
    wait_until_async("it runs", BOUND, async || scheduler.running() == 1).await;
    let mut stopped = Box::pin(scheduler.shutdown(MINUTE));
    let waker = Waker::from(Arc::new(BadWaker));
    for _ in 0..50 {
        // In the end it waits for the run, when the node has drained.
        let pending = stopped.as_mut().poll(&mut Context::from_waker(&waker));
        assert!(pending.is_pending());
        tokio::task::yield_now().await;
    }
    // The node has woken it, and goes on: it still notices what happens to its store.
    store.fail_over();
    wait_until_async("the node notices the failover", BOUND, async || {
        clock.advance(SECOND / 10);
        store.noticed_failovers() == 1
    })
    .await;
    end.notify_one();
    wait_until_async("the run ends", BOUND, async || scheduler.running() == 0).await;
    let report = tokio::time::timeout(BOUND, stopped)
        .await
        .expect("it stops");
    assert!(report.recorded, "{report:?}");
    let lines = lines(&clock, &scheduler, "waited_for", 1).await;
    assert_eq!(lines[0].outcome, Outcome::Ok, "{lines:?}");
}

/// A clock with which a task of a run panics where no part of the run expects it.
#[derive(Clone, Debug)]
struct BadClock {
    inner: ManualClock,
    panics_next: Arc<AtomicBool>,
}

impl Clock for BadClock {
    fn boottime(&self) -> Duration {
        self.inner.boottime()
    }

    fn wall(&self) -> Duration {
        self.inner.wall()
    }

    fn sleep(&self, time: Duration) -> BoxFuture<'static, ()> {
        let panics = self.panics_next.swap(false, Ordering::Relaxed);
        assert!(!panics, "in the clock");
        self.inner.sleep(time)
    }

    fn is_virtual(&self) -> bool {
        true
    }
}

#[tokio::test]
async fn a_task_that_ends_in_a_way_nobody_thought_of_is_a_panicked_line() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = test_support::subscribe(subscriber);
    let clock = BadClock {
        inner: ManualClock::new(),
        panics_next: Arc::default(),
    };
    let panics_next = Arc::clone(&clock.panics_next);
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let job = Job::every("unexpected", MINUTE, move || {
        let (panics_next, first) = (
            Arc::clone(&panics_next),
            counted.fetch_add(1, Ordering::Relaxed) == 0,
        );
        async move {
            // The next to sleep is the guard of this run, when this poll has returned.
            panics_next.store(first, Ordering::Relaxed);
            tokio::task::yield_now().await;
        }
    })
    .retries(2);
    let scheduler = on(&clock).job(job).start().await.expect("started");
    for (count, outcome) in [(1, Outcome::Panicked), (2, Outcome::Ok)] {
        clock.inner.advance(MINUTE);
        let lines = lines(&clock.inner, &scheduler, "unexpected", count).await;
        let line = &lines[count - 1];
        assert_eq!((line.outcome, line.retried), (outcome, false), "{lines:?}");
        assert!(line.fired_at.is_some(), "{lines:?}");
        wait_until_async("the run is over", BOUND, async || scheduler.running() == 0).await;
    }
    let lines = lines(&clock.inner, &scheduler, "unexpected", 2).await;
    assert_eq!(lines[0].error, "in the clock");
    let logged = log.lines_with("the task of the run panicked");
    assert_eq!(logged.len(), 1, "{}", log.text());
    assert!(logged[0].contains("in the clock") && logged[0].contains("unexpected"));
}

/// A subscriber that panics whenever something is logged.
struct BadSubscriber(Arc<AtomicUsize>);

impl Subscriber for BadSubscriber {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "scheduled_one"
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        self.0.fetch_add(1, Ordering::Relaxed);
        panic!("in new_span")
    }

    fn event(&self, _: &Event<'_>) {
        self.0.fetch_add(1, Ordering::Relaxed);
        panic!("in event")
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

#[tokio::test]
async fn a_subscriber_that_panics_loses_its_events_and_no_run() {
    let logged = Arc::new(AtomicUsize::new(0));
    let _guard = test_support::subscribe(BadSubscriber(Arc::clone(&logged)));
    let clock = ManualClock::new();
    let job = Job::every("logged", MINUTE, || async { Err::<(), _>("no luck") });
    let scheduler = on(&clock).job(job).start().await.expect("started");
    for count in 1..=3 {
        clock.advance(MINUTE);
        let lines = lines(&clock, &scheduler, "logged", count).await;
        assert_eq!(lines[count - 1].error, "no luck");
        assert_eq!(lines[count - 1].outcome, Outcome::Failed);
    }
    let stopped = tokio::time::timeout(BOUND, scheduler.shutdown(SECOND)).await;
    assert!(stopped.expect("it stops").recorded);
    let logged = logged.load(Ordering::Relaxed);
    assert!(logged >= 6, "{logged}");
}

/// A subscriber that hands out spans, and panics when one is entered, left or closed. Events are well.
#[derive(Default)]
struct BadSpans(Arc<[AtomicUsize; 3]>);

impl BadSpans {
    fn panic(&self, place: usize) -> ! {
        self.0[place].fetch_add(1, Ordering::Relaxed);
        panic!("in the span")
    }
}

impl Subscriber for BadSpans {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "scheduled_one"
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn event(&self, _: &Event<'_>) {}
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn enter(&self, _: &span::Id) {
        // The first poll of each run; later ones get further, to `exit`.
        if self.0[0].load(Ordering::Relaxed) <= self.0[1].load(Ordering::Relaxed) {
            self.panic(0);
        }
    }

    fn exit(&self, _: &span::Id) {
        self.panic(1);
    }

    fn try_close(&self, _: span::Id) -> bool {
        self.panic(2);
    }
}

#[tokio::test]
async fn a_subscriber_that_panics_around_spans_loses_no_run() {
    let panics = BadSpans::default();
    let counted = Arc::clone(&panics.0);
    let _guard = test_support::subscribe(panics);
    let clock = ManualClock::new();
    let job = Job::every("spanned", MINUTE, || async {
        tokio::task::yield_now().await
    });
    let scheduler = on(&clock).job(job).start().await.expect("started");
    for count in 1..=3 {
        clock.advance(MINUTE);
        let lines = lines(&clock, &scheduler, "spanned", count).await;
        assert_eq!(lines[0].outcome, Outcome::Ok, "{lines:?}");
    }
    let stopped = tokio::time::timeout(BOUND, scheduler.shutdown(SECOND)).await;
    assert!(stopped.expect("it stops").recorded);
    let counts = counted.each_ref().map(|it| it.load(Ordering::Relaxed));
    assert!(counts.iter().all(|count| *count > 0), "{counts:?}");
}

#[tokio::test]
async fn a_store_that_panics_is_one_that_does_not_reply() {
    let clock = ManualClock::new();
    let store = TestStore::new(&clock, false);
    let (of_job, time) = (store.clone(), clock.clone());
    // Longer than its lease: it needs renewals, which panic as well.
    let job = Job::every("stored", MINUTE, move || {
        of_job.panic(5);
        time.sleep(3 * SECOND)
    })
    .lease(SECOND);
    let builder = on(&clock).store(store.clone());
    let scheduler = builder.job(job).start().await.expect("started");
    for count in 1..=2 {
        clock.advance(MINUTE);
        wait_until_async("it runs", BOUND, async || scheduler.running() == 1).await;
        wait_until_async("it has run", BOUND, async || {
            clock.advance(Duration::from_millis(20));
            scheduler.running() == 0
        })
        .await;
        let lines = lines(&clock, &scheduler, "stored", count).await;
        assert_eq!(lines[count - 1].outcome, Outcome::Ok, "{lines:?}");
        assert_eq!(store.panics_left(), 0);
    }
}

#[tokio::test]
async fn a_store_whose_debug_panics_is_one_that_cannot_be_shown() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(move || writer.clone());
    let _guard = test_support::subscribe(subscriber.finish());
    let clock = ManualClock::new();
    let store = TestStore::new(&clock, false);
    store.cannot_be_shown();
    let job = Job::every("shown", MINUTE, || async {});
    let builder = on(&clock).store(store).job(job);
    let scheduler = builder.start().await.expect("started");
    assert_eq!(log.lines_with("a store that cannot be shown").len(), 1);
    clock.advance(MINUTE);
    lines(&clock, &scheduler, "shown", 1).await;
}
