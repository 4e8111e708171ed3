//! Jobs that each node runs by itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::Timestamp;
use scheduled_one_runtime::clock::{Clock, ManualClock};
use scheduled_one_runtime::{Job, Outcome, Scheduler, Scope, State, TickStatus};
use test_support::wait_until_async;

use crate::{BOUND, HOUR, SECOND, ledger};

#[tokio::test]
async fn every_node_runs_each_tick_itself() {
    let clock = ManualClock::new();
    let runs = Arc::new(AtomicUsize::new(0));
    let node = async |name: &str| {
        Scheduler::builder("memory://every_node")
            .clock(clock.clone())
            .node_name(name)
            .state(Arc::clone(&runs))
            .job(
                Job::every(
                    "cache",
                    SECOND,
                    |State(runs): State<Arc<AtomicUsize>>| async move {
                        runs.fetch_add(1, Ordering::Relaxed);
                    },
                )
                .scope(Scope::EveryNode),
            )
            .start()
            .await
            .expect("started")
    };
    let (a, _b) = (node("a").await, node("b").await);
    for ticks in 1..=5 {
        clock.advance(SECOND);
        ledger(&a, "cache", 2 * ticks).await;
    }
    let lines = ledger(&a, "cache", 10).await;
    assert_eq!(lines.iter().filter(|line| line.node == "a").count(), 5);
    assert_eq!(lines.iter().filter(|line| line.node == "b").count(), 5);
    assert_eq!(runs.load(Ordering::Relaxed), 10);
}

#[tokio::test]
async fn nodes_of_one_name_are_two_in_the_audit() {
    // Each node has a clock of its own, so that one of them can stand still.
    let (store_clock, stopped) = (ManualClock::new(), ManualClock::new());
    let store = scheduled_one_protocol::memory::MemoryStore::new(Arc::new(store_clock.clone()));
    let node = async |clock: &ManualClock| {
        let job = Job::every("cache", SECOND, || async {}).scope(Scope::EveryNode);
        let builder = Scheduler::builder("memory://").clock(clock.clone());
        let builder = builder.node_name("replica").store(store.clone());
        builder.job(job).start().await.expect("started")
    };
    let (a, _b) = (node(&store_clock).await, node(&stopped).await);
    let start = Timestamp::from_nanosecond(store_clock.wall().as_nanos() as i128);
    let start = start.expect("an instant");
    for ticks in 1..=2 {
        store_clock.advance(SECOND);
        stopped.advance(SECOND);
        ledger(&a, "cache", 2 * ticks).await;
    }
    // One of them stands still for three minutes, longer than its start deadline, while the other one goes on.
    for ticks in 1..=180 {
        store_clock.advance(SECOND);
        wait_until_async("it has run", BOUND, async || {
            a.ledger("cache", 1_000).await.expect("a ledger").len() >= 4 + ticks
        })
        .await;
    }
    stopped.advance(180 * SECOND);
    wait_until_async("it has missed ticks", BOUND, async || {
        let lines = a.ledger("cache", 1_000).await.expect("a ledger");
        lines.iter().any(|line| line.outcome == Outcome::Missed)
            && lines
                .iter()
                .filter(|line| line.outcome == Outcome::Ok)
                .count()
                == 4 + 180 + 1
    })
    .await;
    let audited = a
        .audit("cache", start..start + HOUR)
        .await
        .expect("audited");
    let mut by_node = std::collections::BTreeMap::<_, Vec<_>>::new();
    for tick in &audited {
        assert_eq!(tick.node.as_deref(), Some("replica"));
        let identity = tick.identity.clone().expect("an identity");
        by_node.entry(identity).or_default().push(tick.status);
    }
    let mut counted: Vec<(usize, usize)> = by_node
        .values()
        .map(|statuses| {
            let count = |status| statuses.iter().filter(|one| **one == status).count();
            (
                count(TickStatus::Decided(Outcome::Ok)),
                count(TickStatus::Decided(Outcome::Missed)),
            )
        })
        .collect();
    counted.sort_unstable();
    // Two ticks, and the newest after the pause; all of them.
    assert_eq!(counted, [(3, 179), (182, 0)]);
}

/// Pauses of one job and of all jobs; some end by themselves, some are ended.
#[tokio::test]
async fn the_ticks_of_a_pause_are_skipped_with_one_line() {
    let clock = ManualClock::new();
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    let job = Job::every("cache", SECOND, move || {
        counted.fetch_add(1, Ordering::Relaxed);
        async {}
    });
    let builder = Scheduler::builder("memory://").clock(clock.clone());
    let node = builder.job(job.scope(Scope::EveryNode)).start().await;
    let node = node.expect("started");
    let control = node.control().expect("a control");
    let pass = async |seconds: usize| {
        for _ in 0..seconds {
            clock.advance(SECOND);
            for _ in 0..200 {
                tokio::task::yield_now().await;
            }
        }
    };
    pass(3).await;
    assert_eq!(runs.load(Ordering::Relaxed), 3);
    let mut ticks = 3;
    for (subject, ends_itself) in [("cache", false), ("*", false), ("cache", true)] {
        let pause = control.pause(subject);
        match ends_itself {
            false => pause.await.expect("paused"),
            true => {
                let until = std::time::UNIX_EPOCH + clock.wall() + 10 * SECOND;
                pause.until(until).await.expect("paused")
            }
        };
        // The node knows of it with its next heartbeat.
        pass(2).await;
        let before = runs.load(Ordering::Relaxed);
        pass(7).await;
        assert_eq!(runs.load(Ordering::Relaxed), before, "{subject}");
        if !ends_itself {
            control.resume(subject).await.expect("resumed");
        }
        pass(5).await;
        ticks += 14;
        assert!(runs.load(Ordering::Relaxed) > before, "{subject}");
    }
    let lines = node.ledger("cache", 100).await.expect("a ledger");
    let skipped: Vec<_> = lines
        .iter()
        .filter(|line| line.outcome == Outcome::Skipped)
        .collect();
    assert_eq!(skipped.len(), 3, "{lines:?}");
    assert!(skipped.iter().all(|line| line.reason == "paused"));
    let of_pauses: u64 = skipped.iter().map(|line| line.count).sum();
    assert!(of_pauses >= 3 * 7, "{lines:?}");
    // Until the node knows of the end of a pause, ticks behind it may pass.
    let decided: u64 = lines.iter().map(|line| line.count).sum();
    assert_eq!(decided, ticks, "each tick has one outcome: {lines:?}");
    node.shutdown(SECOND).await;
}
