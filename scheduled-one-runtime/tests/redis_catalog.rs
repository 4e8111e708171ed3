//! A process that runs no jobs knows what jobs there are, also those that no node has any more.

#![cfg(feature = "redis")]
#![allow(clippy::unwrap_used)] // in the helpers of tests, too

use std::time::{Duration, SystemTime};

use scheduled_one_runtime::control::{CatalogedJob, Control, JobSummary};
use scheduled_one_runtime::{Job, JobContext, Overlap, Scheduler, ZoneData};
use test_support::{RedisServer, wait_until_async};

const BOUND: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);

fn nightly() -> Job {
    Job::cron("nightly", "0 30 2 * * *", |_: JobContext| async {})
        .tz("Europe/Berlin")
        .except(["SAT", "12-25"])
        .overlap(Overlap::QueueAll(7))
        .description("Closes the day\nfor größere shops")
        .group("billing")
}

fn hourly() -> Job {
    Job::every("hourly", HOUR, |_: JobContext| async {}).group("billing")
}

async fn start(url: &str, jobs: Vec<Job>) -> Scheduler {
    let builder = Scheduler::builder(url).namespace("test");
    let builder = jobs.into_iter().fold(builder, |all, job| all.job(job));
    Box::pin(builder.start()).await.unwrap()
}

async fn jobs_once(control: &Control, what: &str, is_so: impl Fn(&[JobSummary]) -> bool) {
    wait_until_async(what, BOUND, async || {
        control.jobs().await.is_ok_and(|jobs| is_so(&jobs))
    })
    .await;
}

fn cataloged(jobs: &[JobSummary]) -> usize {
    jobs.iter().filter(|job| job.cataloged.is_some()).count()
}

fn is_nightly(job: &CatalogedJob) {
    assert_eq!(
        job.description.as_deref(),
        Some("Closes the day\nfor größere shops")
    );
    assert_eq!(job.descriptor.get("overlap"), Some("queue_all(7)"));
    assert_eq!(job.descriptor.get("cron"), Some("0 30 2 * * *"));
    assert!(job.schedule.contains("0 30 2 * * *"), "{}", job.schedule);
    let zones = ZoneData::current().unwrap();
    assert_eq!(job.descriptor.get("zone_data"), zones.version());
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_are_described_to_a_process_without_them_and_again_after_a_flush() {
    let redis = RedisServer::start().unwrap();
    let plain = Job::manual("by-hand", |_: JobContext| async {});
    let service = start(&redis.url(), vec![nightly(), hourly(), plain]).await;
    let control = Control::connect(redis.url())
        .namespace("test")
        .await
        .unwrap();
    jobs_once(&control, "all are described", |jobs| cataloged(jobs) == 3).await;

    is_nightly(
        &control
            .describe("nightly")
            .await
            .unwrap()
            .cataloged
            .unwrap(),
    );

    // The ticks are those of the node.
    let info = service.jobs().into_iter().find(|job| job.name == "nightly");
    let expected: Vec<SystemTime> = info
        .unwrap()
        .next_ticks
        .into_iter()
        .map(|tick| SystemTime::UNIX_EPOCH + Duration::from_millis(tick.as_millisecond() as u64))
        .collect();
    let next = control.next("nightly", expected.len()).await.unwrap();
    assert_eq!(next, expected);
    let range = expected[0]..expected[2];
    let matching = control.matching("nightly", range).await.unwrap();
    assert_eq!(matching, expected[..2], "the end is left out");
    assert_eq!(control.next("by-hand", 5).await.unwrap(), []);

    redis.flush().unwrap();
    jobs_once(&control, "all are described again", |jobs| {
        cataloged(jobs) == 3
    })
    .await;

    let paused = control
        .pause_group("billing")
        .note("audit")
        .by("ann")
        .await
        .unwrap();
    assert!(!paused.already);
    let is_paused =
        |jobs: Vec<JobSummary>| -> Vec<bool> { jobs.iter().map(|job| job.is_paused).collect() };
    // by-hand, hourly, nightly
    assert_eq!(
        is_paused(control.jobs().await.unwrap()),
        [false, true, true]
    );
    control.resume_group("billing").await.unwrap();
    assert_eq!(is_paused(control.jobs().await.unwrap()), [false; 3]);
    let none = control.pause_group("biling").await.unwrap_err();
    assert!(none.to_string().contains("biling"), "{none}");

    // A job that no node has any more keeps its entry.
    service.shutdown(Duration::from_secs(20)).await;
    let _other = start(&redis.url(), vec![hourly()]).await;
    jobs_once(&control, "one job has a node", |jobs| {
        jobs.iter().map(|job| job.nodes).collect::<Vec<_>>() == [0, 1, 0]
    })
    .await;
    assert_eq!(cataloged(&control.jobs().await.unwrap()), 3);
    assert_eq!(control.next("nightly", 1).await.unwrap(), expected[..1]);
}
