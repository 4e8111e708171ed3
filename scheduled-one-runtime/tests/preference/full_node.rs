//! Ticks of a unit whose run is active on a node that has no other permit.

use std::time::Duration;

use scheduled_one_runtime::control::OnBusy;
use scheduled_one_runtime::{LedgerEntry, Outcome, Overlap, SchedulerBuilder};

use crate::cluster::{Cluster, LONG, SECOND, Start};

/// One node that runs one of these jobs at a time.
async fn one_at_a_time(
    jobs: &[usize],
    period: Duration,
    lasts: Duration,
    overlap: Overlap,
) -> Cluster {
    let mut cluster = Cluster::new(period);
    cluster.lasts = lasts;
    let start = |builder: SchedulerBuilder| builder.max_running(1);
    let jobs = jobs.iter().copied();
    cluster
        .start_as(jobs, start, |job| job.overlap(overlap).lease(5 * SECOND))
        .await;
    cluster
}

async fn lines(cluster: &Cluster, job: &str) -> Vec<LedgerEntry> {
    let lines = cluster.nodes[0].scheduler.ledger(job, 100).await;
    lines.expect("a ledger")
}

fn assert_one_at_a_time(starts: &[Start]) {
    assert!(
        starts.iter().all(|start| start.active.0 == 1),
        "{starts:#?}"
    );
}

/// A run that never ends is cancelled by the next tick, though the node has no other permit.
#[tokio::test(start_paused = true)]
async fn the_next_tick_cancels_a_run_on_a_full_node() {
    let cluster = one_at_a_time(&[LONG], 10 * SECOND, SECOND, Overlap::CancelRunning).await;
    tokio::time::sleep(65 * SECOND).await;
    let starts = cluster.starts();
    assert!(starts.len() >= 6, "{starts:#?}");
    assert!(starts.iter().all(|start| start.late_ms < 3_000));
    assert_one_at_a_time(&starts);
    let lines = lines(&cluster, "job-1000").await;
    assert!(lines.len() >= 5);
    assert!(lines.iter().all(|line| line.outcome == Outcome::Cancelled));
}

/// A tick may be held for want of a permit, when the tick before it gets one.
#[tokio::test(start_paused = true)]
async fn two_jobs_that_hang_take_turns_on_a_full_node() {
    let jobs = [LONG, LONG + 1];
    let cluster = one_at_a_time(&jobs, 10 * SECOND, SECOND, Overlap::CancelRunning).await;
    tokio::time::sleep(200 * SECOND).await;
    let starts = cluster.starts();
    assert_one_at_a_time(&starts);
    for job in jobs {
        let of_job = starts.iter().filter(|start| start.job == job);
        assert!(of_job.count() >= 5, "{starts:#?}");
    }
}

#[tokio::test(start_paused = true)]
async fn on_a_full_node_a_tick_that_overlaps_is_skipped() {
    let lasts = Duration::from_millis(1_400);
    let cluster = one_at_a_time(&[0], SECOND, lasts, Overlap::Skip).await;
    tokio::time::sleep(20 * SECOND).await;
    let starts = cluster.starts();
    assert!(starts.len() >= 9, "{starts:#?}");
    assert!(starts.iter().all(|start| start.late_ms == 0));
    let gaps = starts.windows(2).map(|two| two[1].tick_ms - two[0].tick_ms);
    assert!(gaps.into_iter().all(|gap| gap == 2_000), "{starts:#?}");
    assert_one_at_a_time(&starts);
    let lines = lines(&cluster, "job-000").await;
    let skipped = lines.iter().filter(|line| line.outcome != Outcome::Ok);
    let skipped: Vec<_> = skipped
        .map(|line| (line.outcome, &*line.reason, line.count))
        .collect();
    assert!(skipped.len() >= 9, "{skipped:?}");
    let overlap = (Outcome::Skipped, "overlap", 1);
    assert!(skipped.iter().all(|line| *line == overlap), "{skipped:?}");
}

#[tokio::test(start_paused = true)]
async fn on_a_full_node_a_tick_waits_in_the_queue() {
    let lasts = Duration::from_millis(1_400);
    let cluster = one_at_a_time(&[0], SECOND, lasts, Overlap::QueueOne).await;
    tokio::time::sleep(20 * SECOND).await;
    let starts = cluster.starts();
    assert_one_at_a_time(&starts);
    let lines = lines(&cluster, "job-000").await;
    let other = lines.iter().filter(|line| line.outcome != Outcome::Ok);
    let other: Vec<_> = other.map(|line| (line.outcome, &*line.reason)).collect();
    assert!(!other.is_empty(), "runs take longer than the period");
    let full = (Outcome::Skipped, "queue full");
    assert!(other.iter().all(|line| *line == full), "{other:?}");
}

/// A run that somebody asked for is one that ticks wait for.
#[tokio::test(start_paused = true)]
async fn the_next_tick_cancels_a_requested_run_on_a_full_node() {
    let cluster = one_at_a_time(&[LONG], 60 * SECOND, SECOND, Overlap::CancelRunning).await;
    let control = cluster.nodes[0].scheduler.control().expect("control");
    tokio::time::sleep(SECOND).await;
    let asked = control.run("job-1000").by("test").await;
    asked.expect("asked");
    tokio::time::sleep(70 * SECOND).await;
    let starts = cluster.starts();
    assert_one_at_a_time(&starts);
    assert_eq!(starts.len(), 2, "{starts:#?}");
    assert!(
        starts[0].tick_ms % 60_000 != 0,
        "the first one was asked for"
    );
    assert!(starts[1].late_ms < 3_000, "{starts:#?}");
}

/// Runs that may go on next to others of their job have a permit each.
#[tokio::test(start_paused = true)]
async fn runs_next_to_each_other_share_no_permit() {
    let cluster = one_at_a_time(&[LONG], 10 * SECOND, SECOND, Overlap::Allow(2)).await;
    tokio::time::sleep(65 * SECOND).await;
    assert_eq!(cluster.starts().len(), 1);
    let cluster = one_at_a_time(&[LONG], 10 * SECOND, SECOND, Overlap::Skip).await;
    let control = cluster.nodes[0].scheduler.control().expect("control");
    tokio::time::sleep(SECOND).await;
    let asked = control.run("job-1000").on_busy(OnBusy::Allow);
    asked.by("test").await.expect("asked");
    tokio::time::sleep(65 * SECOND).await;
    assert_eq!(cluster.starts().len(), 1);
}
