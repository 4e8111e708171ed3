//! Which rules of time zones a scheduler reads schedules with.

use std::time::Duration;

use scheduled_one_runtime::jiff::Timestamp;
use scheduled_one_runtime::testing::TestScheduler;
use scheduled_one_runtime::{Error, Job, JobContext, Scheduler, ZoneData};

/// Zones whose rules changed after the version 2025b: British Columbia and Alberta stay on summer time from 2026 on,
/// Morocco on UTC, and Moldova changes its clocks at the hour of the European Union.
const CHANGED: [(&str, &str, &str, &str); 4] = [
    (
        "0 0 9 * * *",
        "America/Vancouver",
        "2026-12-01T00:00:00Z",
        "2026-12-01T16:00:00Z",
    ),
    (
        "0 0 9 * * *",
        "America/Edmonton",
        "2026-12-01T00:00:00Z",
        "2026-12-01T15:00:00Z",
    ),
    (
        "0 0 9 * * *",
        "Africa/Casablanca",
        "2026-12-01T00:00:00Z",
        "2026-12-01T09:00:00Z",
    ),
    (
        "0 30 3 * * *",
        "Europe/Chisinau",
        "2027-03-27T12:00:00Z",
        "2027-03-28T01:00:00Z",
    ),
];

/// The folder with data of 2025b that the tests of schedules use.
fn data_of_2025b() -> ZoneData {
    let folder = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../scheduled-one-schedule/tests/zoneinfo"
    );
    ZoneData::from_folder(folder).expect("zone data")
}

fn job(expression: &str, zone: &str) -> Job {
    Job::cron("report", expression, |_: JobContext| async {}).tz(zone)
}

/// The next tick at an instant, as the scheduler shows it.
async fn next_tick(kit: &TestScheduler, at: &str) -> String {
    let at: Timestamp = at.parse().expect("an instant");
    let ahead = Duration::try_from(at - kit.now()).expect("ahead");
    kit.advance(ahead);
    kit.scheduler().jobs()[0].next_ticks[0].to_string()
}

#[tokio::test]
async fn ticks_follow_the_newest_zone_data() {
    for (expression, zone, at, expected) in CHANGED {
        let kit = TestScheduler::start(|builder| builder.job(job(expression, zone)));
        let kit = kit.await.expect("started");
        assert_eq!(next_tick(&kit, at).await, expected, "{zone}");
    }
}

#[tokio::test]
async fn a_folder_of_zone_data_takes_their_place() {
    let (expression, zone, at, _) = CHANGED[0];
    let kit = TestScheduler::start(|builder| {
        builder
            .zone_data(data_of_2025b())
            .job(job(expression, zone))
    });
    let kit = kit.await.expect("started");
    assert_eq!(next_tick(&kit, at).await, "2026-12-01T17:00:00Z");
    let report = kit.scheduler().doctor().await;
    let found = &report.finding("zone data").expect("a finding").found;
    assert!(found.starts_with("2025b (/"), "{found}");
}

#[tokio::test]
async fn a_zone_that_the_folder_lacks_prevents_the_start() {
    let builder = Scheduler::builder("memory://")
        .zone_data(data_of_2025b())
        .job(job("0 0 9 * * *", "Asia/Tokyo"));
    let error = builder.start().await.expect_err("no such zone");
    assert!(matches!(error, Error::Job { .. }), "{error:?}");
    let text = error.to_string();
    assert!(
        text.contains("report") && text.contains("Asia/Tokyo"),
        "{text}"
    );
}
