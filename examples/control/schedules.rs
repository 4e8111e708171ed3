//! What a schedule leaves out, and watermarks that a clock pushed ahead.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use scheduled_one_protocol::memory::MemoryStore;
use scheduled_one_protocol::message::{Caller, LowerBounds, Occasion, Register};
use scheduled_one_protocol::{Store, TickMs, UnitName};
use scheduled_one_runtime::clock::SystemClock;
use scheduled_one_runtime::control::{Control, NextTicks};
use scheduled_one_runtime::jiff::civil::Weekday;
use scheduled_one_runtime::jiff::{Timestamp, tz::TimeZone};
use scheduled_one_runtime::{Calendar, Job, JobContext, Scheduler};

use crate::world::{GRACE, Row, until};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3_600);

/// A node of its own, with jobs that are due at some times and not at others.
pub(crate) async fn windows_and_calendars() -> anyhow::Result<Row> {
    let mut row = Row::new("windows, exclusions, named calendars");
    let today = TimeZone::UTC.to_datetime(Timestamp::now()).date();
    let around = format!("{}..{}", today.yesterday()?, today.tomorrow()?);
    let each_second = |name: &str| Job::every(name, SECOND, |_: JobContext| async {});
    let office = Job::cron("office", "0 0 * * * *", |_: JobContext| async {});
    let node = Scheduler::builder("memory://")
        .calendar(Calendar::new("holidays", [around]))
        .job(each_second("open"))
        .job(each_second("closed").except(["holidays"]))
        .job(office.within("08:00-18:00").except(["SAT", "SUN"]))
        .only(["open", "closed", "office"]);
    let node = Box::pin(node.start()).await?;
    let control = node.control()?;
    row.asks(r#".calendar(Calendar::new("holidays", [dates])), Job::every("closed", …).except(["holidays"])"#);
    until("the job without a calendar runs", async || {
        Ok(control.history("open", 10).await?.len() > 1)
    })
    .await?;
    row.states(
        control.history("closed", 10).await?.is_empty(),
        "today is a holiday: no run, and no missed line, because excluded instants are no ticks",
    );
    row.asks(r#"Job::cron("office", each hour).within("08:00-18:00").except(["SAT", "SUN"])"#);
    let now = SystemTime::now();
    let week = control.matching("office", now..now + 7 * 24 * HOUR).await?;
    let is_open = |tick: &SystemTime| {
        let local = Timestamp::try_from(*tick).map(|tick| TimeZone::UTC.to_datetime(tick));
        local.is_ok_and(|local| {
            let is_free = matches!(local.weekday(), Weekday::Saturday | Weekday::Sunday);
            !is_free && (8..=18).contains(&local.hour())
        })
    };
    row.states(
        week.len() >= 45 && week.iter().all(is_open),
        format!(
            "{} ticks in a week, all of them in office hours",
            week.len()
        ),
    );
    node.shutdown(GRACE).await;
    Ok(row)
}

/// What a clock of the store that was an hour ahead leaves in the record of a job: its ticks of that hour are decided.
async fn push_ahead(store: &MemoryStore, job: &str) -> anyhow::Result<()> {
    let ahead = SystemTime::now() + HOUR;
    let ahead_ms = i64::try_from(ahead.duration_since(UNIX_EPOCH)?.as_millis())?;
    let caller = Caller {
        node: "wild".to_owned(),
        name: "wild".to_owned(),
        quarantine_ms: 0,
        margin_ms: 0,
        ledger_limit: 100,
        buckets: 1,
    };
    let marks = Register {
        unit: UnitName::new(job, 0),
        first_seen_ms: ahead_ms,
        lease_ms: 1_000,
        schedule: None,
        generation: 0,
        occasion: Occasion::Again,
        decides: None,
        bounds: LowerBounds {
            decided: Some(TickMs(ahead_ms)),
            ..LowerBounds::default()
        },
        next_due_ms: None,
        requests: Vec::new(),
    };
    store.register(&caller, &[marks]).await?;
    Ok(())
}

pub(crate) async fn take_back() -> anyhow::Result<Row> {
    let mut row = Row::new("watermarks that a wild clock pushed ahead");
    let store = MemoryStore::new(Arc::new(SystemClock));
    let control = Control::of_stores(vec![Arc::new(store.clone())])?;
    let start = async || {
        let job = Job::every("beat", SECOND, |_: JobContext| async {});
        let builder = Scheduler::builder("memory://").store(store.clone());
        let builder = builder.node_name("D").lease(SECOND).only(["beat"]);
        Box::pin(builder.job(job).start()).await
    };
    let lines = async || -> anyhow::Result<usize> { Ok(control.history("beat", 100).await?.len()) };
    let node = start().await?;
    until("the job runs", async || Ok(lines().await? > 0)).await?;
    push_ahead(&store, "beat").await?;
    let next = control.describe("beat").await?.next;
    let first = next.ticks().first().copied();
    row.states(
        first.is_some_and(|first| first > SystemTime::now() + HOUR / 2),
        "the store's clock was an hour ahead: the next tick that is not decided is in an hour",
    );
    row.asks(r#"control.take_back("beat").by("ann").note("NTP")"#);
    row.states(
        control.take_back("beat").await.is_err(),
        "refused while a node has the job, which would raise them again: D",
    );
    node.shutdown(GRACE).await;
    let taken = control.take_back("beat").by("ann").note("NTP").await?;
    let next: NextTicks = control.describe("beat").await?.next;
    let first = next.ticks().first().copied();
    row.states(
        taken == 1 && first.is_none_or(|first| first < SystemTime::now() + HOUR / 2),
        "without a node they come back to now",
    );
    let before = lines().await?;
    let node = start().await?;
    until("the job runs again", async || Ok(lines().await? > before)).await?;
    row.states(true, "a node with the job starts, and it runs at its times");
    node.shutdown(GRACE).await;
    Ok(row)
}
