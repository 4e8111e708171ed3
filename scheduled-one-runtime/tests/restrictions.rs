//! What `start`, `end`, `within` and `except` take is no tick for anybody: runs, ledger, audit, catching up, and what a
//! scheduler shows. In time that the test moves.

#![allow(clippy::unwrap_used)] // in the helpers of tests, too

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use scheduled_one_control::Control;
use scheduled_one_protocol::memory::MemoryStore;
use scheduled_one_runtime::clock::{Clock as _, ManualClock};
use scheduled_one_runtime::jiff::Timestamp;
use scheduled_one_runtime::testing::TestScheduler;
use scheduled_one_runtime::{
    AuditedTick, Calendar, Error, Job, JobContext, Misfire, Outcome, Scheduler, TickStatus,
};

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

/// New Year, Epiphany, and Christmas of each year.
fn holidays() -> Calendar {
    Calendar::new("de-holidays", ["01-01", "2026-01-06", "12-25..12-26"])
}

/// At nine in Berlin on working days: 08:00Z in winter.
fn report() -> Job {
    Job::cron("report", "0 0 9 * * *", |_: JobContext| async {})
        .tz("Europe/Berlin")
        .except(["SAT", "SUN"])
        .except(["de-holidays"])
}

fn instant(text: &str) -> Timestamp {
    text.parse().unwrap()
}

async fn audit(kit: &TestScheduler, job: &str) -> Vec<(String, TickStatus)> {
    let range = instant("2026-01-01T00:00:00Z")..kit.now();
    let ticks = kit.scheduler().audit(job, range).await.unwrap();
    let shown = |tick: &AuditedTick| (tick.tick.to_string(), tick.status);
    ticks.iter().map(shown).collect()
}

/// The store has the name of the calendar, and not its days: the scheduler of the program has them.
#[tokio::test]
async fn a_job_with_a_calendar_is_controlled_by_its_program_and_by_whoever_has_the_calendar() {
    let clock = ManualClock::new();
    let store = MemoryStore::new(Arc::new(clock.clone()));
    let builder = Scheduler::builder("memory://").clock(clock.clone());
    let builder = builder.store(store.clone());
    let node = builder.calendar(holidays()).job(report()).start().await;
    let node = node.unwrap();
    let without = Control::of_stores(vec![Arc::new(store)]).unwrap();
    let described = async {
        while without.jobs().await.unwrap().is_empty() {
            clock.advance(HOUR / 36_000);
            tokio::task::yield_now().await;
        }
    };
    let described = tokio::time::timeout(HOUR / 60, described).await;
    described.expect("the node describes its job");
    let refused = without.next("report", 3).await.unwrap_err().to_string();
    assert!(refused.contains("`de-holidays`"), "{refused}");
    let ticks = node.jobs()[0].next_ticks.clone();
    let instants = ticks
        .iter()
        .take(3)
        .map(|tick| tick.as_millisecond().unsigned_abs());
    let instants = instants.map(|ms| UNIX_EPOCH + Duration::from_millis(ms));
    let expected: Vec<SystemTime> = instants.collect();
    for control in [node.control().unwrap(), without.calendar(holidays())] {
        assert_eq!(control.next("report", 3).await.unwrap(), expected);
        let now = SystemTime::now();
        assert!(control.audit("report", now - DAY..now).await.is_ok());
        let later = control.reschedule("report", "0 0 10 * * *").preview().await;
        assert_eq!(later.unwrap().next.len(), 5);
        let listed = control.jobs().await.unwrap();
        assert_eq!(listed[0].next(now, 3).unwrap().len(), 3);
    }
    node.shutdown(HOUR).await;
}

/// The test kit's clock begins on Thursday, 2026-01-01.
#[tokio::test]
async fn a_job_has_no_tick_on_the_days_of_its_calendar() {
    let kit = TestScheduler::start(|builder| builder.calendar(holidays()).job(report()));
    let kit = kit.await.unwrap();
    let shown = &kit.scheduler().jobs()[0];
    assert_eq!(
        shown.schedule,
        r#"cron "0 0 9 * * *" in Europe/Berlin, except SAT, SUN, de-holidays"#
    );
    let days = ["02", "05", "07", "08", "09"].map(|day| format!("2026-01-{day}T08:00:00Z"));
    let next = shown.next_ticks.iter().map(Timestamp::to_string);
    assert_eq!(next.collect::<Vec<_>>(), days);
    for day in &days[..3] {
        let line = kit.run_next("report").await;
        assert_eq!(
            (line.tick.to_string(), line.outcome),
            (day.clone(), Outcome::Ok)
        );
    }
    // Each tick is accounted for, and the days in between have none.
    let ok = TickStatus::Decided(Outcome::Ok);
    let expected: Vec<_> = days[..3].iter().map(|day| (day.clone(), ok)).collect();
    kit.advance(HOUR);
    assert_eq!(audit(&kit, "report").await, expected);

    // Twelve days pass at once: two ticks before a weekend, five before the next one, and one after it.
    kit.advance(Duration::from_secs(12 * 86_400));
    let missed = kit
        .outcome_of("report", instant("2026-01-19T08:00:00Z"))
        .await;
    assert_eq!((missed.outcome, missed.count), (Outcome::Missed, 8));
    assert_eq!(missed.tick, instant("2026-01-08T08:00:00Z"));
    let later = audit(&kit, "report").await.split_off(3);
    let days = [8, 9, 12, 13, 14, 15, 16, 19].map(|day| format!("2026-01-{day:02}T08:00:00Z"));
    let missed = TickStatus::Decided(Outcome::Missed);
    assert_eq!(later, days.map(|day| (day, missed)));
}

#[tokio::test]
async fn only_ticks_within_the_times_are_caught_up_with() {
    let runs: Arc<Mutex<Vec<String>>> = Arc::default();
    let seen = Arc::clone(&runs);
    let function = move |ctx: JobContext| {
        seen.lock().unwrap().push(ctx.scheduled_at().to_string());
        async {}
    };
    let job = Job::every("sweep", HOUR, function)
        .tz("Asia/Tokyo")
        .within("22:00-00:00, 08:00-09:00")
        .end("2026-01-03T00:00")
        .misfire(Misfire::RunAll)
        .catch_up(7 * DAY);
    let kit = TestScheduler::start(|builder| builder.job(job))
        .await
        .unwrap();
    kit.advance(5 * DAY);
    // 08:00 in Tokyo on Friday; 22:00 and 23:00 on Thursday and Friday. Saturday is past the end.
    let ticks = ["01T13", "01T14", "01T23", "02T13", "02T14"];
    let ticks = ticks.map(|tick| format!("2026-01-{tick}:00:00Z"));
    kit.outcome_of("sweep", instant(&ticks[4])).await;
    assert_eq!(*runs.lock().unwrap(), ticks);
    let ok = TickStatus::Decided(Outcome::Ok);
    assert_eq!(audit(&kit, "sweep").await, ticks.map(|tick| (tick, ok)));
    assert_eq!(kit.scheduler().jobs()[0].next_ticks, []);
}

/// Lets an hour pass at a time, until there is an outcome of each tick up to then.
async fn pass(clock: &ManualClock, hours: u32) {
    for _ in 0..hours {
        clock.advance(HOUR);
        for _ in 0..200 {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn a_node_with_another_calendar_has_another_schedule() {
    let clock = ManualClock::new();
    let store = MemoryStore::new(Arc::new(clock.clone()));
    let runs: Arc<Mutex<Vec<String>>> = Arc::default();
    let start = async |node: &str, days: &[&str]| {
        let seen = Arc::clone(&runs);
        let job = Job::cron("report", "0 0 9 * * *", move |ctx: JobContext| {
            let tick = ctx.scheduled_at().to_string();
            seen.lock()
                .unwrap()
                .push(format!("{} by {}", &tick[..10], ctx.node()));
            async {}
        });
        let builder = Scheduler::builder("memory://")
            .clock(clock.clone())
            .store(store.clone());
        let builder = builder
            .node_name(node)
            .calendar(Calendar::new("holidays", days));
        builder.job(job.except(["holidays"])).start().await.unwrap()
    };
    let _old = start("old", &["12-25"]).await;
    pass(&clock, 12).await;
    let _new = start("new", &["12-25", "2026-01-02"]).await;
    pass(&clock, 48).await;
    // The node that started last decides: no run on its new holiday, by no node.
    assert_eq!(
        *runs.lock().unwrap(),
        ["2026-01-01 by old", "2026-01-03 by new"]
    );
    assert_eq!(clock.wall().as_secs() % 86_400, 12 * 3600);
}

/// The error of a start with this job and these calendars.
async fn refused(job: Job, calendars: &[Calendar]) -> String {
    let start = TestScheduler::start(|builder| {
        let builder = builder.job(job);
        calendars
            .iter()
            .cloned()
            .fold(builder, |builder, calendar| builder.calendar(calendar))
    });
    match start.await {
        Err(error @ (Error::Job { .. } | Error::Setting { .. })) => error.to_string(),
        Err(other) => panic!("{other}"),
        Ok(kit) => panic!("started: {kit:?}"),
    }
}

#[tokio::test]
async fn what_cannot_be_used_is_an_error_at_start() {
    let hourly = || Job::cron("j", "@hourly", |_: JobContext| async {});
    let every = || Job::every("j", HOUR, |_: JobContext| async {});
    let none: [&str; 0] = [];
    let known = [holidays()];
    for (job, parts) in [
        (
            hourly().except(["de-holiday"]),
            &["`de-holiday`", "did you mean `de-holidays`?"][..],
        ),
        (
            hourly().except(["closed"]),
            &["`closed`", "`.calendar(Calendar::new(\"closed\", dates))`"],
        ),
        (hourly().except(none), &["`except` names nothing"]),
        (hourly().except(["SAT"]).except(["SAT"]), &["`SAT` twice"]),
        (
            hourly().except(["2026-02-30"]),
            &["`2026-02-30`", "28 days"],
        ),
        (hourly().within("08:00-25:00"), &["`08:00-25:00`"]),
        (hourly().start("soon"), &["`soon` of `start`"]),
        (
            hourly().tz("Europe/Berlin").end("2026-03-29T02:30"),
            &["skip", "write `2026-03-29T03:00+02:00`"],
        ),
        (
            hourly().start("2026-03-01T00:00 Europe/Berlim"),
            &["`Europe/Berlin`"],
        ),
        (
            hourly().within("10:01-10:59"),
            &["never due", "widen `within`"],
        ),
        (
            every().tz("Europe/Berlin"),
            &["`tz` has no effect on `every`", "leave `tz` out"],
        ),
        (
            every().cron_env("SOME_CRON").within("08:00-09:00"),
            &["`cron_env` goes only with `cron`"],
        ),
        (
            hourly().offset(Duration::ZERO),
            &["`offset` goes only with `every`"],
        ),
    ] {
        let text = refused(job, &known).await;
        for part in parts {
            assert!(text.contains(part), "`{part}` is missing in:\n{text}");
        }
    }
}

/// Whether a job names it or not.
#[tokio::test]
async fn a_calendar_that_cannot_be_used_is_an_error_at_start() {
    let none: [&str; 0] = [];
    for (calendars, part) in [
        (
            &[Calendar::new("c", ["2026-02-30"])][..],
            "`2026-02-30` of the calendar `c`",
        ),
        (&[Calendar::new("c", none)], "the calendar `c` has no day"),
        (
            &[Calendar::new("c", ["12-25"]), Calendar::new("c", ["12-26"])],
            "two calendars are named `c`",
        ),
    ] {
        let text = refused(report(), calendars).await;
        assert!(
            text.contains("setting `calendar`") && text.contains(part),
            "{text}"
        );
    }
}
