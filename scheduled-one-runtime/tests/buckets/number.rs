//! The number of buckets: the first node stores it, and each node with another number is refused.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use scheduled_one_runtime::clock::ManualClock;
use scheduled_one_runtime::{Error, Finding, Job, Scheduler, SchedulerBuilder, Severity};
use test_support::{RedisServer, wait_until, wait_until_async};

use crate::{BOUND, BUCKETS, Starts, keys, meta, names, node, stored};

async fn refused(builder: SchedulerBuilder, found: &str, ours: &str) {
    let error = builder.start().await.unwrap_err();
    assert!(
        matches!(
            &error,
            Error::Setting {
                setting: "buckets",
                ..
            }
        ),
        "{error}"
    );
    for words in [
        format!("has {found} bucket(s), and this service says {ours}"),
        "the same `buckets`".to_owned(),
        "another namespace".to_owned(),
    ] {
        assert!(
            error.to_string().contains(&words),
            "{words} not in: {error}"
        );
    }
}

/// After it nothing is written any more: a node that is dropped may still have a
/// request under way.
async fn starts_and_stops(builder: SchedulerBuilder) {
    let scheduler = builder.start().await.unwrap();
    assert!(scheduler.shutdown(BOUND).await.recorded);
}

#[tokio::test]
async fn another_number_is_refused() {
    let redis = RedisServer::start().unwrap();
    let starts = Starts::default();
    let jobs = names().concat();
    for (stored, other) in [("1", "4"), ("4", "1"), ("4", "3")] {
        redis.flush().unwrap();
        let buckets = |number: &str| node(&redis, number.parse().unwrap(), &starts, &jobs);
        starts_and_stops(buckets(stored)).await;
        let before = keys(&redis, "*").into_iter().collect::<BTreeSet<_>>();
        refused(buckets(other), stored, other).await;
        assert_eq!(before, keys(&redis, "*").into_iter().collect());
        starts_and_stops(buckets(stored)).await;
    }
    // One that was used before the number was stored has one.
    redis.flush().unwrap();
    redis.command(&["HSET", &meta(0), "ver", "1"]).unwrap();
    refused(node(&redis, 4, &starts, &jobs), "1", "4").await;
    starts_and_stops(node(&redis, 1, &starts, &jobs)).await;
    assert_eq!(stored(&redis, 0), "1");
    for number in [0, 65] {
        let error = node(&redis, number, &starts, &jobs)
            .start()
            .await
            .unwrap_err();
        assert!(error.to_string().contains("1 to 64"), "{error}");
    }
}

/// What the doctor and a start say of a namespace that claims to have `found`
/// buckets; `None` from the start that nothing is wrong with.
async fn verdicts(redis: &RedisServer, found: &[&str], ours: u32) -> (Finding, Option<String>) {
    redis.flush().unwrap();
    let meta = meta(0);
    let set = [&["HSET", &meta], found].concat();
    redis.command(&set).unwrap();
    let (starts, jobs) = (Starts::default(), names().concat());
    let report = node(redis, ours, &starts, &jobs).doctor().await;
    let finding = report.finding("namespace").unwrap().clone();
    assert_eq!(report.is_usable(), finding.severity != Severity::Severe);
    let refused = match node(redis, ours, &starts, &jobs).start().await {
        Ok(scheduler) => {
            assert!(scheduler.shutdown(BOUND).await.recorded);
            None
        }
        Err(error) => Some(error.to_string()),
    };
    (finding, refused)
}

#[tokio::test]
async fn the_doctor_refuses_what_a_start_refuses() {
    let redis = RedisServer::start().unwrap();
    let first = ["ver", "1"]; // used before the number was stored
    for (found, ours) in [
        (&["ver", "1", "buckets", "4"][..], 1),
        (&["ver", "1", "buckets", "1"], 4),
        (&["buckets", "9"], 4),
        (&["ver", "1", "buckets", "-3"], 4),
        (&first, 4),
    ] {
        let (finding, error) = verdicts(&redis, found, ours).await;
        assert_eq!(finding.severity, Severity::Severe, "{found:?}");
        let error = error.expect("a start refuses it");
        let words = format!("{} {}", finding.found, finding.remedy);
        assert!(error.ends_with(&words), "{words} is not: {error}");
        assert!(finding.remedy.contains("same `buckets`"), "{finding:?}");
    }
    for (found, ours) in [
        (&["ver", "1", "buckets", "4"][..], 4),
        (&["ver", "1", "buckets", "four"], 4),
        (&["ver", "1", "buckets", "0"], 1),
        (&first, 1),
    ] {
        let (finding, error) = verdicts(&redis, found, ours).await;
        assert_eq!(finding.severity, Severity::Ok, "{found:?}");
        assert_eq!(error, None, "{found:?}");
    }
}

#[tokio::test]
async fn the_embedded_store_refuses_it_too() {
    let clock = ManualClock::new();
    let runs = Arc::new(AtomicUsize::new(0));
    let embedded = |buckets| {
        let runs = Arc::clone(&runs);
        let job = Job::every("hourly", Duration::from_secs(3600), move || {
            let runs = Arc::clone(&runs);
            async move {
                runs.fetch_add(1, Ordering::SeqCst);
            }
        });
        let builder = Scheduler::builder("memory://buckets-refused");
        builder.clock(clock.clone()).buckets(buckets).job(job)
    };
    let scheduler = embedded(64).start().await.unwrap();
    refused(embedded(1), "64", "1").await;
    let other = embedded(64).start().await.unwrap();
    clock.advance(Duration::from_secs(3600));
    wait_until_async("the tick has run", BOUND, async || {
        scheduler.ledger("hourly", 9).await.unwrap().len() == 1
    })
    .await;
    assert!(scheduler.shutdown(BOUND).await.recorded);
    assert!(other.shutdown(BOUND).await.recorded);
    assert_eq!(runs.load(Ordering::SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_that_race_for_a_new_namespace_one_starts() {
    let redis = RedisServer::start().unwrap();
    let starts = Starts::default();
    let jobs = names().concat();
    for round in 0..30 {
        redis.flush().unwrap();
        let race =
            [1, 2, 4].map(|buckets| tokio::spawn(node(&redis, buckets, &starts, &jobs).start()));
        let mut started = Vec::new();
        for (buckets, racing) in [1, 2, 4].into_iter().zip(race) {
            match racing.await.unwrap() {
                Ok(scheduler) => started.push((buckets, scheduler)),
                Err(Error::Setting {
                    setting: "buckets", ..
                }) => {}
                Err(error) => panic!("{error}"),
            }
        }
        assert_eq!(started.len(), 1, "round {round}: {started:?}");
        assert_eq!(stored(&redis, 0), started[0].0.to_string());
        started[0].1.shutdown(BOUND).await;
    }
}

/// A node that finds another number where it has long been claims nothing in
/// any bucket, because jobs may be run from elsewhere; when it is gone, it does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disputed_number_holds_up_all_buckets_until_it_is_settled() {
    let redis = RedisServer::start().unwrap();
    let starts = Starts::default();
    let jobs = names().concat();
    let one = node(&redis, BUCKETS, &starts, &jobs).start().await.unwrap();
    starts.more(&jobs, 2).await;
    redis.command(&["HSET", &meta(0), "buckets", "9"]).unwrap();
    wait_until(
        "no job of any bucket has started for a second",
        BOUND,
        || {
            let starts = starts.0.lock().unwrap();
            let newest = starts.keys().map(|(_, tick)| *tick).max().unwrap();
            newest < Timestamp::now() - SignedDuration::from_secs(1)
        },
    );
    redis
        .command(&["HDEL", &meta(0), "buckets", "ver"])
        .unwrap();
    starts.more(&jobs, 2).await;
    assert_eq!(stored(&redis, 0), "4");
    assert!(one.shutdown(BOUND).await.recorded);
    starts.assert_once();
}
