//! Ticks of the past run once more: in the lane of their job, driven by the nodes. In virtual time, on the embedded
//! store.

mod schedules;
#[path = "../test_store/mod.rs"]
mod test_store;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use scheduled_one_control::{BackfillOnly, Control, Error};
use scheduled_one_protocol::memory::MemoryStore;
use scheduled_one_runtime::clock::Clock;
use scheduled_one_runtime::{Cause, Job, JobContext, Outcome, Overlap, Scheduler, ZoneData};
use scheduled_one_testkit::TokioClock;

const SECOND: Duration = Duration::from_secs(1);
const JOB: &str = "import";

/// A start: its tick, why it was made, how late it was.
#[derive(Clone, Copy, Debug)]
struct Start {
    tick_ms: i64,
    cause: Option<Cause>,
    late_ms: i64,
}

/// A job of every second that was down from one instant to another.
struct World {
    clock: TokioClock,
    store: MemoryStore,
    starts: Arc<Mutex<Vec<Start>>>,
    /// How long each run of a backfill takes.
    took: Duration,
    ledger_limit: usize,
    down: (SystemTime, SystemTime),
}

impl World {
    async fn down_for(missed: u32, took: Duration) -> (Self, Scheduler) {
        Self::with_lines(1_000, missed, took).await
    }

    /// With a ledger of so many lines.
    async fn with_lines(lines: usize, missed: u32, took: Duration) -> (Self, Scheduler) {
        let clock = TokioClock::new();
        let now = || UNIX_EPOCH + clock.wall();
        let mut world = World {
            store: MemoryStore::new(Arc::new(clock)),
            clock,
            starts: Arc::default(),
            took,
            ledger_limit: lines,
            down: (now(), now()),
        };
        let first = world.node("n1").await;
        tokio::time::sleep(3 * SECOND).await;
        first.shutdown(10 * SECOND).await;
        world.down.0 = now();
        tokio::time::sleep(missed * SECOND).await;
        world.down.1 = now();
        let node = world.node("n2").await;
        tokio::time::sleep(3 * SECOND).await;
        world.starts.lock().expect("lock").clear();
        (world, node)
    }

    async fn node(&self, name: &str) -> Scheduler {
        self.node_with(name, ZoneData::compiled_in()).await
    }

    async fn node_with(&self, name: &str, zones: ZoneData) -> Scheduler {
        let (starts, clock, took) = (Arc::clone(&self.starts), self.clock, self.took);
        let function = move |ctx: JobContext| {
            let tick_ms = ctx.scheduled_at().as_millisecond();
            starts.lock().expect("lock").push(Start {
                tick_ms,
                cause: ctx.cause(),
                late_ms: clock.wall().as_millis() as i64 - tick_ms,
            });
            let is_filled = ctx.cause() == Some(Cause::Backfill);
            tokio::time::sleep(if is_filled { took } else { SECOND / 50 })
        };
        let builder = Scheduler::builder("memory://").clock(self.clock);
        let builder = builder.store(self.store.clone()).node_name(name);
        let builder = builder.ledger_limit(self.ledger_limit).zone_data(zones);
        let job = Job::cron(JOB, "* * * * * *", function).overlap(Overlap::Skip);
        builder.job(job).only([JOB]).start().await.expect("started")
    }

    /// The starts of a backfill, in their order.
    fn filled(&self) -> Vec<i64> {
        let starts = self.starts.lock().expect("lock");
        let filled = starts
            .iter()
            .filter(|start| start.cause == Some(Cause::Backfill));
        filled.map(|start| start.tick_ms).collect()
    }

    /// Waits for a note of how far the backfill has come, before its end.
    async fn is_noted(&self, node: &Scheduler) {
        let control = node.control().expect("a handle");
        for _ in 0..100 {
            let state = control.backfill_state(JOB).await.expect("a reply");
            let state = state.expect("a backfill");
            assert!(!state.is_over(), "no note before its end: {state:?}");
            if state.asked > 0 {
                return;
            }
            tokio::time::sleep(SECOND / 50).await;
        }
        panic!("no note: {:?}", control.backfill_state(JOB).await);
    }

    async fn is_over(&self, control: &Control) {
        for _ in 0..10_000 {
            let state = control.backfill_state(JOB).await.expect("a reply");
            if state.expect("a backfill").is_over() {
                return;
            }
            tokio::time::sleep(SECOND / 5).await;
        }
        panic!("it goes on: {:?}", control.backfill_state(JOB).await);
    }
}

fn each_once(filled: &[i64]) -> bool {
    let mut times: BTreeMap<i64, u32> = BTreeMap::new();
    for tick_ms in filled {
        *times.entry(*tick_ms).or_default() += 1;
    }
    times.values().all(|times| *times == 1)
}

#[tokio::test(start_paused = true)]
async fn a_thousand_missed_ticks_run_while_ticks_of_the_schedule_stay_on_time() {
    let (world, node) = World::down_for(1_000, SECOND / 50).await;
    let control = node.control().expect("a handle");
    let backfill = control
        .backfill(JOB, world.down.0..world.down.1)
        .at_a_time(50);
    let dry = backfill.dry_run().await.expect("a plan");
    // The newest tick that was due ran when the node started.
    assert!(
        (998..=1_000).contains(&dry.ticks.len()),
        "{}",
        dry.ticks.len()
    );
    assert!(dry.ticks.is_sorted());
    tokio::time::sleep(2 * SECOND).await;
    assert!(world.filled().is_empty(), "a dry run changes nothing");

    let begun = backfill.by("ann").note("outage").await.expect("begun");
    assert_eq!(begun.ticks, dry.ticks);
    let from_ms = world.clock.wall().as_millis() as i64;
    world.is_over(&control).await;
    let to_ms = world.clock.wall().as_millis() as i64;

    let filled = world.filled();
    let wanted = begun.ticks.iter();
    let wanted =
        wanted.map(|(tick, _)| tick.duration_since(UNIX_EPOCH).expect("after").as_millis() as i64);
    assert_eq!(
        filled,
        wanted.collect::<Vec<_>>(),
        "each once, the oldest first"
    );
    let starts = world.starts.lock().expect("lock").clone();
    let live = starts.iter().filter(|start| start.cause.is_none());
    let live: Vec<&Start> = live
        .filter(|start| (from_ms..to_ms).contains(&start.tick_ms))
        .collect();
    let seconds = (to_ms - from_ms) / 1_000;
    assert!(
        live.len() as i64 >= seconds - 1,
        "{} in {seconds} s",
        live.len()
    );
    assert!(live.iter().all(|start| start.late_ms == 0), "{live:?}");
    let lines = node.ledger(JOB, 10_000).await.expect("a ledger");
    assert!(lines.iter().all(|line| line.outcome != Outcome::Skipped));

    // Nothing is left to do, and asking again runs nothing.
    let again = control
        .backfill(JOB, world.down.0..world.down.1)
        .await
        .expect("nothing");
    assert!(again.ticks.is_empty() && again.version == 0);
    let trail = control.trail().await.expect("a trail").entries;
    let actions: Vec<&str> = trail.iter().map(|entry| entry.action.as_str()).collect();
    assert_eq!(actions, ["backfill"], "one entry, not one for each request");
    assert_eq!(
        (trail[0].actor.as_str(), trail[0].note.as_str()),
        ("ann", "outage")
    );
    node.shutdown(10 * SECOND).await;
}

#[tokio::test(start_paused = true)]
async fn it_goes_on_when_its_node_dies_and_when_whoever_asked_is_gone() {
    let (world, node) = World::down_for(300, SECOND / 50).await;
    let control = node.control().expect("a handle");
    let begun = control
        .backfill(JOB, world.down.0..world.down.1)
        .newest_first();
    let begun = begun.await.expect("begun");
    drop(control);
    for _ in 0..1_000 {
        if world.filled().len() >= 100 {
            break;
        }
        tokio::time::sleep(SECOND / 10).await;
    }
    let before = world.filled().len();
    assert!((100..begun.ticks.len()).contains(&before), "{before}");
    world.is_noted(&node).await;
    drop(node); // its runs end with it
    let other = world.node("n3").await;
    let control = other.control().expect("a handle");
    world.is_over(&control).await;
    let filled = world.filled();
    assert_eq!(filled.len(), begun.ticks.len());
    assert!(each_once(&filled), "{filled:?}");
    assert!(
        filled.is_sorted_by(|newer, older| newer > older),
        "{filled:?}"
    );
    other.shutdown(10 * SECOND).await;
}

#[tokio::test(start_paused = true)]
async fn it_is_paused_and_stopped_and_there_is_one_at_a_time() {
    let (world, node) = World::down_for(200, SECOND / 50).await;
    let control = node.control().expect("a handle");
    let backfill = || {
        control
            .backfill(JOB, world.down.0..world.down.1)
            .at_a_time(5)
    };
    let begun = backfill().await.expect("begun");
    let twice = backfill()
        .only(BackfillOnly::All)
        .await
        .expect_err("one goes on");
    assert!(matches!(twice, Error::Conflict { .. }), "{twice}");
    while world.filled().len() < 20 {
        tokio::time::sleep(SECOND / 10).await;
    }
    assert!(
        control
            .pause_backfill(JOB, true, "ann")
            .await
            .expect("paused")
    );
    tokio::time::sleep(10 * SECOND).await;
    let paused = world.filled().len();
    assert!(paused < 40 && paused < begun.ticks.len(), "{paused}");
    tokio::time::sleep(10 * SECOND).await;
    assert_eq!(world.filled().len(), paused);
    let state = control
        .backfill_state(JOB)
        .await
        .expect("a reply")
        .expect("a backfill");
    assert!(state.is_paused && !state.is_over(), "{state:?}");
    // The job itself is not paused.
    let ticks = world.starts.lock().expect("lock").len();
    tokio::time::sleep(5 * SECOND).await;
    assert!(world.starts.lock().expect("lock").len() >= ticks + 4);

    assert!(
        control
            .pause_backfill(JOB, false, "ann")
            .await
            .expect("resumed")
    );
    while world.filled().len() < paused + 20 {
        tokio::time::sleep(SECOND / 10).await;
    }
    assert!(
        control
            .stop_backfill(JOB, "bob", "enough")
            .await
            .expect("stopped")
    );
    assert!(
        !control
            .stop_backfill(JOB, "bob", "enough")
            .await
            .expect("over")
    );
    tokio::time::sleep(2 * SECOND).await; // its node may ask once more before it sees that
    world.is_over(&control).await;
    let stopped = world.filled().len();
    tokio::time::sleep(10 * SECOND).await;
    assert_eq!(world.filled().len(), stopped);
    the_rest_runs(&world, &control, begun.ticks.len(), stopped).await;
    node.shutdown(10 * SECOND).await;
}

/// What was stopped is begun again: of so many ticks, so many have run.
async fn the_rest_runs(world: &World, control: &Control, all: usize, stopped: usize) {
    // What was not asked for is what the next one runs.
    let rest = control
        .backfill(JOB, world.down.0..world.down.1)
        .at_a_time(5)
        .await
        .expect("begun");
    assert_eq!(rest.ticks.len(), all - stopped);
    world.is_over(control).await;
    let filled = world.filled();
    assert_eq!(filled.len(), all);
    assert!(each_once(&filled), "{filled:?}");
    let trail = control.trail().await.expect("a trail").entries;
    let actions: Vec<&str> = trail.iter().map(|entry| entry.action.as_str()).collect();
    assert_eq!(
        actions,
        [
            "backfill",
            "pause backfill",
            "resume backfill",
            "stop backfill",
            "backfill"
        ]
    );
}

/// The right to pause a job is none to pause its backfill.
#[tokio::test(start_paused = true)]
async fn a_backfill_is_not_paused_as_if_it_were_a_job() {
    let (world, node) = World::down_for(200, SECOND / 50).await;
    let control = node.control().expect("a handle");
    let (from, to) = world.down;
    let backfill = control.backfill(JOB, from..to).at_a_time(5);
    backfill.await.expect("begun");
    for change in [control.pause("import!"), control.resume("import!")] {
        let error = change.by("ann").await.expect_err("no job");
        assert!(matches!(error, Error::UnknownJob { .. }), "{error}");
    }
    node.shutdown(10 * SECOND).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_asked_for_wrongly_is_refused_by_name() {
    let (world, node) = World::down_for(20, SECOND / 50).await;
    let control = node.control().expect("a handle");
    let (from, to) = world.down;
    let hour = Duration::from_secs(3_600);
    let cases = [
        (control.backfill(JOB, to..from), "the range is empty"),
        (control.backfill(JOB, from..to).at_a_time(0), "1 to 200"),
        (
            control.backfill(JOB, from - 24 * hour..to),
            "more than 10000 ticks",
        ),
        (
            control
                .backfill(JOB, from - 2 * hour..to)
                .only(BackfillOnly::Never),
            "at most 5000",
        ),
        (control.backfill("imort", from..to), "import"),
        (control.backfill(JOB, from..to).by("ann\nops"), "`by`"),
    ];
    for (backfill, expected) in cases {
        let error = backfill.await.expect_err("refused").to_string();
        assert!(error.contains(expected), "{error}");
    }
    // Ticks from before the job was first seen.
    let unseen = control.backfill(JOB, from - hour..from - hour + 10 * SECOND);
    assert!(unseen.dry_run().await.expect("a plan").ticks.is_empty());
    let unseen = unseen
        .only(BackfillOnly::Never)
        .dry_run()
        .await
        .expect("a plan");
    assert_eq!(unseen.ticks.len(), 10);
    assert!(
        control
            .backfill_state(JOB)
            .await
            .expect("a reply")
            .is_none()
    );
    node.shutdown(10 * SECOND).await;
}
