//! Requests and ticks in the way of each other.

use std::time::Duration;

use scheduled_one_protocol::message::{self, LowerBounds, OnBusy, Request, Take, Verdict};
use scheduled_one_protocol::{Store, UnitName};
use scheduled_one_runtime::{Outcome, Overlap};

use crate::test_store::TestStore;
use crate::{Cluster, JOB, SECOND, request};

#[tokio::test(start_paused = true)]
async fn a_run_beside_a_tick_does_not_take_its_lease() {
    let cluster = Cluster::start(10 * SECOND, 25 * SECOND, |job| job).await;
    while cluster.seen().is_empty() {
        tokio::time::sleep(SECOND).await;
    }
    let beside = Request {
        on_busy: Some(OnBusy::Allow),
        ..request("beside")
    };
    cluster.ask(beside).await;
    tokio::time::sleep(40 * SECOND).await;
    let lines = cluster.lines().await;
    let ended = lines
        .iter()
        .filter(|line| line.outcome != Outcome::Skipped)
        .collect::<Vec<_>>();
    assert!(ended.len() >= 2, "{lines:?}");
    assert!(
        ended.iter().all(|line| line.outcome == Outcome::Ok),
        "{ended:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_request_starts_in_the_short_gaps_between_ticks() {
    let gap = Duration::from_millis(30);
    let cluster = Cluster::start(2 * SECOND, 2 * SECOND - gap, |job| job).await;
    let waits = Request {
        on_busy: Some(OnBusy::Wait),
        ..request("waits")
    };
    cluster.ask(waits).await;
    tokio::time::sleep(10 * SECOND).await;
    let seen = cluster.seen();
    assert!(seen.iter().any(|run| run.request.is_some()), "{seen:?}");
}

#[tokio::test(start_paused = true)]
async fn nodes_do_not_ask_all_the_time_for_what_waits_behind_a_dead_run() {
    let cluster = Cluster::start(20 * SECOND, SECOND, |job| job.overlap(Overlap::QueueOne)).await;
    while cluster.seen().is_empty() {
        tokio::time::sleep(SECOND / 10).await;
    }
    tokio::time::sleep(15 * SECOND).await;
    cluster.ask(request("dies")).await;
    let take = Take {
        lane: UnitName::new(JOB, 0).lane(),
        nonce: "of-nobody".to_owned(),
        valid_until_ms: i64::MAX,
        lease_ms: 10_000,
        takeovers: 0,
        bounds: LowerBounds::default(),
        overlap: message::Overlap::Queue(1),
    };
    let taken = cluster.store.take(&Cluster::caller(), &[take]).await;
    let verdict = &taken.expect("a reply").body[0].claimed.verdict;
    assert!(matches!(verdict, Verdict::Granted(_)), "{verdict:?}");
    tokio::time::sleep(30 * SECOND).await;
    let claims = |store: &TestStore| store.claims_sent();
    let claims: usize = cluster.stores.iter().map(claims).sum();
    assert!(claims < 100, "{claims}");
    assert!(cluster.seen().len() >= 2, "{:?}", cluster.seen());
}

#[tokio::test(start_paused = true)]
async fn a_run_that_a_request_cancels_names_the_request() {
    let cluster = Cluster::start(3_600 * SECOND, 60 * SECOND, |job| job).await;
    while cluster.seen().is_empty() {
        tokio::time::sleep(SECOND).await;
    }
    let cancels = Request {
        on_busy: Some(OnBusy::Cancel),
        ..request("urgent")
    };
    cluster.ask(cancels).await;
    tokio::time::sleep(30 * SECOND).await;
    let lines = cluster.lines().await;
    let cancelled = lines.iter().find(|line| line.outcome == Outcome::Cancelled);
    let reason = &cancelled.expect("the run in its way").reason;
    let by = request("urgent").actor;
    assert_eq!(*reason, format!("by request urgent of {by}; returned"));
    let starts = cluster.seen();
    assert!(starts.iter().any(|run| run.request.is_some()), "{starts:?}");
}
