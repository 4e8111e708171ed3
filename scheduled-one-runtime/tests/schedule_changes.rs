//! A schedule has an identity and a beginning: of two releases, the one that was registered last decides, and nothing
//! from before its registration is run or reported. On the embedded store, in time that the test moves.

#![allow(clippy::unwrap_used)] // in the helpers of tests, too

mod embedded;

use std::ops::Deref;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use embedded::{BOUND, Embedded, HOUR, MINUTE, SECOND, settle};
use jiff::Timestamp;
use scheduled_one_runtime::clock::Clock;
use scheduled_one_runtime::{
    Job, JobContext, LedgerEntry, Misfire, Outcome, Scheduler, SchedulerBuilder, ZoneData,
};
use test_support::Log;
use tracing::subscriber::DefaultGuard;

/// The ticks that were run.
struct World {
    embedded: Embedded,
    runs: Arc<Mutex<Vec<String>>>,
}

impl Deref for World {
    type Target = Embedded;

    fn deref(&self) -> &Embedded {
        &self.embedded
    }
}

impl World {
    fn new() -> Self {
        World {
            embedded: Embedded::new(),
            runs: Arc::default(),
        }
    }

    fn job(&self, cron: &str) -> Job {
        let runs = Arc::clone(&self.runs);
        Job::cron("job", cron, move |ctx: JobContext| {
            let run = format!("{} by {}", time_of(ctx.scheduled_at()), ctx.node());
            runs.lock().unwrap().push(run);
            async {}
        })
    }

    async fn start(&self, node: &str, job: Job) -> Scheduler {
        self.start_with(node, job, None).await
    }

    async fn start_with(&self, node: &str, job: Job, zones: Option<ZoneData>) -> Scheduler {
        let mut builder = self.named(node);
        if let Some(zones) = zones {
            builder = builder.zone_data(zones);
        }
        builder.job(job).start().await.unwrap()
    }

    fn named(&self, node: &str) -> SchedulerBuilder {
        // Fixed, so that the job prefers the same node each time.
        self.builder().node_name(node).identity(node)
    }

    /// A node of a release with this generation.
    async fn release(&self, node: &str, generation: u32, cron: &str) -> Scheduler {
        let builder = self.named(node).generation(generation);
        builder.job(self.job(cron)).start().await.unwrap()
    }

    fn runs(&self) -> Vec<String> {
        self.runs.lock().unwrap().clone()
    }

    /// Lets seconds pass until the newest run is this one.
    async fn until_run(&self, run: &str) {
        let is_newest = async || self.runs().last().map(String::as_str) == Some(run);
        self.until(run, is_newest).await;
    }

    /// Release A at midnight, which runs at 03:00 and ends before 10:00, when release B starts.
    async fn release_b_at_ten(&self, seconds_late: u64, b: Job) -> Scheduler {
        let a = self.start("a", self.job("0 0 3 * * *")).await;
        self.pass_by(3 * HOUR, MINUTE).await;
        self.until_run("03:00:00 by a").await;
        let now_s = self.clock.wall().as_secs() % 86_400;
        self.pass_by(
            Duration::from_secs(36_000 - now_s + seconds_late),
            10 * MINUTE,
        )
        .await;
        assert!(a.shutdown(BOUND).await.recorded);
        let b = self.start("b", b).await;
        settle().await;
        b
    }
}

/// What this thread logs goes there, as long as the guard lives.
fn logged(log: &Log) -> DefaultGuard {
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone());
    test_support::subscribe(subscriber.finish())
}

fn time_of(instant: Timestamp) -> String {
    instant.to_string()[11..19].to_owned()
}

async fn lines(scheduler: &Scheduler) -> Vec<(String, Outcome)> {
    let ledger = scheduler.ledger("job", 100).await.unwrap();
    let line = |line: &LedgerEntry| (time_of(line.tick), line.outcome);
    ledger.iter().rev().map(line).collect()
}

fn only_a() -> Vec<(String, Outcome)> {
    vec![("03:00:00".to_owned(), Outcome::Ok)]
}

#[tokio::test]
async fn a_tick_from_before_the_release_does_not_run_late() {
    let world = World::new();
    let job = world.job("0 0 9 * * *").misfire(Misfire::RunOnce);
    let b = world.release_b_at_ten(0, job.catch_up(12 * HOUR)).await;
    world.pass_by(MINUTE, SECOND).await;
    assert_eq!(world.runs(), ["03:00:00 by a"]);
    assert_eq!(lines(&b).await, only_a());
    world.pass_by(23 * HOUR, MINUTE).await;
    assert_eq!(world.runs(), ["03:00:00 by a", "09:00:00 by b"]);
    b.shutdown(BOUND).await;
}

#[tokio::test]
async fn a_tick_of_a_moment_before_the_release_does_not_run() {
    let world = World::new();
    let b = world.release_b_at_ten(30, world.job("0 0 10 * * *")).await;
    world.pass_by(MINUTE, SECOND).await;
    assert_eq!(world.runs(), ["03:00:00 by a"]);
    assert_eq!(lines(&b).await, only_a());
    b.shutdown(BOUND).await;
}

#[tokio::test]
async fn ticks_that_no_schedule_ever_had_are_not_missed() {
    let world = World::new();
    let b = world.release_b_at_ten(0, world.job("0 * * * * *")).await;
    // From daily to each minute: within the first minute.
    world.until_run("10:01:00 by b").await;
    assert_eq!(world.runs(), ["03:00:00 by a", "10:01:00 by b"]);
    world.until_run("10:02:00 by b").await;
    let expected = [("03:00:00", Outcome::Ok), ("10:01:00", Outcome::Ok)];
    let expected = expected.map(|(tick, outcome)| (tick.to_owned(), outcome));
    assert_eq!(lines(&b).await[..2], expected);
    // Nor does the audit list them.
    let instant = |s: i64| Timestamp::from_second(s).unwrap();
    let now_s = world.clock.wall().as_secs() as i64;
    let range = instant(now_s - 3600)..instant(now_s + 1);
    let audit = b.audit_in_full("job", range).await.unwrap();
    assert!(audit.complete_since.is_some(), "{audit:?}");
    let ticks: Vec<String> = audit.ticks.iter().map(|it| time_of(it.tick)).collect();
    assert_eq!(ticks, ["10:01:00", "10:02:00"]);
    b.shutdown(BOUND).await;
}

#[tokio::test]
async fn ticks_that_no_schedule_ever_had_are_not_caught_up_with() {
    let world = World::new();
    let job = world.job("0 * * * * *").misfire(Misfire::RunAll);
    let b = world.release_b_at_ten(0, job.catch_up(12 * HOUR)).await;
    world.until_run("10:01:00 by b").await;
    assert_eq!(world.runs(), ["03:00:00 by a", "10:01:00 by b"]);
    b.shutdown(BOUND).await;
}

/// What nobody was up for is reported as before: the schedule is the same.
#[tokio::test]
async fn a_restart_without_a_change_loses_nothing() {
    let world = World::new();
    let a = world.start("a", world.job("0 * * * * *")).await;
    world.until_run("00:01:00 by a").await;
    assert!(a.shutdown(BOUND).await.recorded);
    world.pass_by(10 * MINUTE, MINUTE).await;
    let job = world.job("0 * * * * *").misfire(Misfire::RunAll);
    let again = world.start("a2", job.catch_up(HOUR)).await;
    world.until_run("00:12:00 by a2").await;
    assert_eq!(world.runs().len(), 12);
    again.shutdown(BOUND).await;
}

/// While nodes of two releases live, the one that was registered last decides. When its node is gone, the other does;
/// and a rollback is a registration like any other.
#[tokio::test]
async fn one_schedule_at_a_time_decides() {
    let world = World::new();
    let [a, b] = ["0 * * * * *", "30 * * * * *"].map(|cron| world.job(cron));
    let a = world.start("a", a).await;
    world.until_run("00:01:00 by a").await;
    let b = world.start("b", b).await;
    world.until_run("00:01:30 by b").await;
    world.until_run("00:02:30 by b").await;
    assert_eq!(world.runs().len(), 3, "a stood aside");

    assert!(b.shutdown(BOUND).await.recorded);
    world.until_run("00:03:00 by a").await;
    assert_eq!(world.runs().len(), 4);

    let b = world.start("b", world.job("30 * * * * *")).await;
    world.until_run("00:03:30 by b").await;
    // The rollback: another node of release A starts, and the first one goes on with it.
    let again = world.start("a", world.job("0 * * * * *")).await;
    world.until_run("00:04:00 by a").await;
    world.until_run("00:05:00 by a").await;
    assert_eq!(world.runs().len(), 7, "b stood aside: {:?}", world.runs());
    let outcomes = lines(&a).await;
    assert!(outcomes.iter().all(|(_, outcome)| *outcome == Outcome::Ok));
    for node in [a, b, again] {
        node.shutdown(BOUND).await;
    }
}

/// The same text in the same zone, and the rules of the zone are of two versions: British Columbia stays on summer time
/// from 2026 on, and 2025b does not know that. The node that started last decides, and the day has one run.
#[tokio::test]
async fn nodes_with_other_zone_data_do_not_both_run() {
    let folder = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../scheduled-one-schedule/tests/zoneinfo"
    );
    let of_2025b = || Some(ZoneData::from_folder(folder).unwrap());
    // After the run, time passes until the tick of the other is over.
    let orders = [
        (
            [("old", of_2025b()), ("new", None)],
            "16:00:00 by new",
            HOUR,
        ),
        (
            [("new", None), ("old", of_2025b())],
            "17:00:00 by old",
            MINUTE,
        ),
    ];
    for (nodes, run, rest) in orders {
        let log = Log::default();
        let _guard = logged(&log);
        let world = World::new();
        let morning: Timestamp = "2026-12-01T15:59:50Z".parse().unwrap();
        let ahead_s = morning.as_second() as u64 - world.clock.wall().as_secs();
        world.clock.advance(Duration::from_secs(ahead_s));
        let mut started = Vec::new();
        for (node, zones) in nodes {
            let job = world.job("0 0 9 * * *").tz("America/Vancouver");
            started.push(world.start_with(node, job, zones).await);
        }
        world.until_run(run).await;
        world.pass_by(rest + MINUTE, SECOND * 2).await;
        assert_eq!(world.runs(), [run]);
        let aside = log.lines_with("stands aside");
        assert_eq!(aside.len(), 1, "{aside:?}");
        for node in started {
            node.shutdown(BOUND).await;
        }
    }
}

/// A node of the release before restarts in the middle of a deployment.
#[tokio::test]
async fn a_higher_generation_decides_whichever_started_last() {
    let world = World::new();
    let new = world.release("b", 2, "30 * * * * *").await;
    world.until_run("00:00:30 by b").await;
    let old = world.release("a", 1, "0 * * * * *").await;
    world.until_run("00:01:30 by b").await;
    world.until_run("00:02:30 by b").await;
    assert!(
        world.runs().iter().all(|run| run.ends_with("by b")),
        "{:?}",
        world.runs()
    );
    // The same number: as without one.
    let newer = world.release("c", 2, "15 * * * * *").await;
    world.until_run("00:03:15 by c").await;
    // A rollback: nobody has the higher generation any more.
    assert!(new.shutdown(BOUND).await.recorded);
    assert!(newer.shutdown(BOUND).await.recorded);
    world.until_run("00:05:00 by a").await;
    let again = world.release("d", 2, "45 * * * * *").await;
    world.until_run("00:05:45 by d").await;
    for node in [old, again] {
        node.shutdown(BOUND).await;
    }
    let refused = world
        .named("e")
        .generation(u32::MAX)
        .job(world.job("0 * * * * *"));
    let refused = refused.start().await.unwrap_err().to_string();
    assert!(
        refused.contains("generation") && refused.contains("1000000000"),
        "{refused}"
    );
}
