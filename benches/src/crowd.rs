//! A crowd of nodes in virtual time, on the embedded store: what they send for each tick, and how late ticks are,
//! through a rolling restart, the death of a third of them, and a partition of half.
//!
//! No figure depends on the load of the machine: time passes only when nothing is left to do. A request takes no time
//! here, so lateness is what the nodes do not know of each other, and nothing else.

mod gate;

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use scheduled_one_protocol::clock::Clock;
use scheduled_one_protocol::memory::MemoryStore;
use scheduled_one_runtime::{Job, JobContext, Scheduler};
use scheduled_one_testkit::TokioClock;

use crate::options::Scale;
use crate::report::{Bound, Row, number};
use crate::task::{Found, Task};
use crate::{child, process};
use gate::{Gate, Items, Way};

/// Of each job. Jobs are due in ten groups, one each second.
const PERIOD: Duration = Duration::from_secs(10);
const GROUPS: usize = 10;
/// Of each phase but the rolling restart.
const WINDOW: Duration = Duration::from_secs(60);
/// From one restarted node to the next.
const RESTART_EVERY: Duration = Duration::from_millis(100);
/// How long half of the nodes are cut off.
const PARTITION: Duration = Duration::from_secs(20);
/// After a phase, until the next one begins: then the lateness of its last ticks is known.
const REST: Duration = Duration::from_secs(15);
/// Lateness is counted by the millisecond up to this.
const LONGEST_MS: usize = 60_000;

const PHASES: [&str; 4] = ["calm", "restart", "death", "partition"];

pub(crate) fn measure(scale: &Scale) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (nodes, jobs) in scale.crowds.iter().copied() {
        let mut task = Task::new("", jobs, scale);
        task.from_s = nodes as i64; // the number of nodes
        let found = child::run("crowd", &task)?;
        rows.extend(of_crowd(nodes, jobs, &found)?);
    }
    Ok(rows)
}

fn of_crowd(nodes: usize, jobs: usize, found: &Found) -> Result<Vec<Row>> {
    let crowd = format!(
        "{} nodes, {} jobs",
        number(nodes as f64),
        number(jobs as f64)
    );
    let mut rows = Vec::new();
    for phase in PHASES {
        rows.extend(of_phase(&crowd, phase, found)?);
    }
    let mut row = |name: &str, text: &str, unit| -> Result<()> {
        rows.push(Row::new(
            format!("{crowd}: {text}"),
            unit,
            Bound::None,
            found.get(name)?,
        ));
        Ok(())
    };
    row(
        "beats",
        "heartbeats, renewals and other items, each second, calm",
        "/s",
    )?;
    row(
        "late_s",
        "from the death until all ticks are on time again",
        "s",
    )?;
    row("memory", "memory of a unit of a node", "B")?;
    row("cpu_s", "processor for all of it", "s")?;
    Ok(rows)
}

fn of_phase(crowd: &str, phase: &str, found: &Found) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    let what = match phase {
        "calm" => "calm",
        "restart" => "all nodes are restarted, one after the other",
        "death" => "a third of the nodes dies at once",
        _ => "half of the nodes is cut off for 20 s",
    };
    let mut row = |name: &str, text: &str, unit, bound| -> Result<()> {
        let measured = found.get(&format!("{phase}_{name}"))?;
        rows.push(Row::new(
            format!("{crowd}, {what}: {text}"),
            unit,
            bound,
            measured,
        ));
        Ok(())
    };
    let claims = match phase {
        "calm" => Bound::AtMost(1.05),
        _ => Bound::None,
    };
    row("claims", "claims sent for a tick", "", claims)?;
    row(
        "items",
        "claims, outcomes and registrations for a tick",
        "",
        Bound::None,
    )?;
    for (name, text) in [
        ("p50", "lateness p50"),
        ("p99", "p99"),
        ("p999", "p99.9"),
        ("max", "max"),
    ] {
        row(name, text, "ms", Bound::None)?;
    }
    let missing = "ticks that did not start, %";
    row("missing", missing, "", Bound::AtMost(0.0))?;
    row("twice", "ticks that started twice", "", Bound::AtMost(0.0))?;
    Ok(rows)
}

/// What started when.
struct Starts {
    /// The first tick of the window, and the number of starts of each tick of each job from there on.
    window: Mutex<Window>,
    /// How many starts were so many milliseconds late.
    late: Vec<AtomicU64>,
    /// The newest instant at which a late run started, in ms.
    last_late_ms: AtomicU64,
}

#[derive(Default)]
struct Window {
    from_ms: i64,
    to_ms: i64,
    counts: Vec<AtomicU32>,
}

impl Starts {
    fn new() -> Self {
        Starts {
            window: Mutex::default(),
            late: (0..=LONGEST_MS).map(|_| AtomicU64::new(0)).collect(),
            last_late_ms: AtomicU64::new(0),
        }
    }

    fn open(&self, from_ms: i64, to_ms: i64, jobs: usize) {
        self.late
            .iter()
            .for_each(|count| count.store(0, Ordering::Relaxed));
        let ticks = ((to_ms - from_ms) / PERIOD.as_millis() as i64) as usize;
        let counts = (0..jobs * ticks).map(|_| AtomicU32::new(0)).collect();
        self.last_late_ms.store(0, Ordering::Relaxed);
        *self.window.lock().expect("no panic") = Window {
            from_ms,
            to_ms,
            counts,
        };
    }

    fn started(&self, job: usize, tick_ms: i64, now_ms: i64) {
        let late_ms = (now_ms - tick_ms).max(0) as usize;
        let window = self.window.lock().expect("no panic");
        if !(window.from_ms..window.to_ms).contains(&tick_ms) {
            return;
        }
        let ticks = (window.to_ms - window.from_ms) / PERIOD.as_millis() as i64;
        let nth = (tick_ms - window.from_ms) / PERIOD.as_millis() as i64;
        window.counts[job * ticks as usize + nth as usize].fetch_add(1, Ordering::Relaxed);
        self.late[late_ms.min(LONGEST_MS)].fetch_add(1, Ordering::Relaxed);
        if late_ms > 0 {
            self.last_late_ms
                .fetch_max(now_ms as u64, Ordering::Relaxed);
        }
    }

    /// The lateness in ms below which this part of the starts is.
    fn percentile(&self, part: f64) -> f64 {
        let counts = self.late.iter().map(|count| count.load(Ordering::Relaxed));
        let all: u64 = counts.clone().sum();
        let wanted = (all as f64 * part).ceil() as u64;
        let mut seen = 0;
        let found = counts.enumerate().find(|(_, count)| {
            seen += count;
            seen >= wanted.max(1)
        });
        found.map_or(0.0, |(late_ms, _)| late_ms as f64)
    }

    /// The parts of a hundred that did not start, and the number of those that started twice.
    fn missing_and_twice(&self) -> (f64, f64) {
        let window = self.window.lock().expect("no panic");
        let counts = || {
            window
                .counts
                .iter()
                .map(|count| count.load(Ordering::Relaxed))
        };
        let missing = counts().filter(|count| *count == 0).count();
        let twice = counts().filter(|count| *count > 1).count();
        (
            100.0 * missing as f64 / window.counts.len().max(1) as f64,
            twice as f64,
        )
    }
}

struct Crowd {
    clock: TokioClock,
    store: MemoryStore,
    items: Arc<Items>,
    starts: Arc<Starts>,
    jobs: usize,
    lease: Duration,
    nodes: Vec<(Gate, Scheduler)>,
}

impl Crowd {
    fn now_ms(&self) -> i64 {
        self.clock.wall().as_millis() as i64
    }

    async fn start(&self) -> Result<(Gate, Scheduler)> {
        let gate = Gate::new(self.store.clone(), Arc::clone(&self.items));
        let mut builder = Scheduler::builder("memory://")
            .clock(self.clock)
            .lease(self.lease)
            .store(gate.clone())
            .without_metrics();
        for number in 0..self.jobs {
            let (starts, clock) = (Arc::clone(&self.starts), self.clock);
            let function = move |ctx: JobContext| {
                let tick_ms = ctx.scheduled_at().as_millisecond();
                starts.started(number, tick_ms, clock.wall().as_millis() as i64);
                async {}
            };
            let job = Job::every(format!("job-{number:06}"), PERIOD, function);
            let offset = Duration::from_secs((number % GROUPS) as u64);
            builder = builder.job(job.offset(offset));
        }
        Ok((gate, builder.start().await?))
    }

    /// Restarts all nodes, one after the other: the new one first.
    async fn roll(&mut self) -> Result<()> {
        for nth in 0..self.nodes.len() {
            let new = self.start().await?;
            let (_, old) = std::mem::replace(&mut self.nodes[nth], new);
            tokio::spawn(async move { old.shutdown(Duration::from_secs(5)).await });
            tokio::time::sleep(RESTART_EVERY).await;
        }
        Ok(())
    }

    /// What becomes of the requests of so many nodes.
    fn set_first(&self, nodes: usize, way: Way) {
        let first = self.nodes.iter().take(nodes);
        first.for_each(|(gate, _)| gate.set(way));
    }

    /// Waits until whole periods begin, and opens a window of so long.
    async fn open(&self, window: Duration) -> i64 {
        let period_ms = PERIOD.as_millis() as i64;
        let from_ms = (self.now_ms() / period_ms + 1) * period_ms;
        self.starts
            .open(from_ms, from_ms + window.as_millis() as i64, self.jobs);
        // Half a second before the first ticks.
        let wait_ms = (from_ms - self.now_ms() - 500).max(0);
        tokio::time::sleep(Duration::from_millis(wait_ms as u64)).await;
        from_ms
    }

    /// Lets the window pass while `what` happens, and notes what was found.
    async fn phase(
        &mut self,
        name: &str,
        window: Duration,
        found: &mut Found,
        what: impl AsyncFnOnce(&mut Self) -> Result<()>,
    ) -> Result<()> {
        let from_ms = self.open(window).await;
        let before = self.items.so_far();
        let (began_ms, end_ms) = (self.now_ms(), from_ms + window.as_millis() as i64);
        what(self).await?;
        let left_ms = (end_ms - 500 - self.now_ms()).max(0);
        tokio::time::sleep(Duration::from_millis(left_ms as u64)).await;
        let after = self.items.so_far();
        let seconds = (self.now_ms() - began_ms) as f64 / 1000.0;
        let sent = |nth: usize| (after[nth] - before[nth]) as f64;
        tokio::time::sleep(REST).await;
        let ticks = (self.jobs as u64 * (window.as_secs() / PERIOD.as_secs())) as f64;
        let mut set = |what: &str, value: f64| found.set(&format!("{name}_{what}"), value);
        set("claims", sent(0) / ticks);
        set("items", (sent(0) + sent(1) + sent(2)) / ticks);
        for (what, part) in [("p50", 0.5), ("p99", 0.99), ("p999", 0.999), ("max", 1.0)] {
            set(what, self.starts.percentile(part));
        }
        let (missing, twice) = self.starts.missing_and_twice();
        set("missing", missing);
        set("twice", twice);
        set("others", sent(3) / seconds);
        Ok(())
    }
}

/// In a child process, on a runtime of one thread whose time is paused. `from_s` is the number of nodes.
pub(crate) async fn ours(task: &Task) -> Result<Found> {
    let nodes = task.from_s as usize;
    let clock = TokioClock::new();
    let mut found = Found::default();
    let mut crowd = Crowd {
        store: MemoryStore::new(Arc::new(clock)),
        clock,
        items: Arc::default(),
        starts: Arc::new(Starts::new()),
        jobs: task.jobs,
        lease: task.lease,
        nodes: Vec::new(),
    };
    let (began, memory) = (Instant::now(), process::resident_bytes()?);
    for _ in 0..nodes {
        let node = crowd.start().await?;
        crowd.nodes.push(node);
    }
    let memory = process::resident_bytes()?.saturating_sub(memory) as f64;
    found.set("memory", memory / (nodes * task.jobs) as f64);
    progress("started", began);
    tokio::time::sleep(REST).await;
    progress("settled", began);
    crowd
        .phase("calm", WINDOW, &mut found, async |_| Ok(()))
        .await?;
    found.set("beats", found.get("calm_others")?);
    progress("calm", began);
    // Whole periods, so that the ticks of the window are those of the restart.
    let restart = RESTART_EVERY * nodes as u32;
    let window = PERIOD * (restart.as_secs() / PERIOD.as_secs() + 1) as u32;
    let roll = async |crowd: &mut Crowd| crowd.roll().await;
    crowd.phase("restart", window, &mut found, roll).await?;
    progress("restarted", began);
    let mut died_ms = 0;
    let die = async |crowd: &mut Crowd| {
        died_ms = crowd.now_ms();
        crowd.set_first(crowd.nodes.len() / 3, Way::Dead);
        Ok(())
    };
    crowd.phase("death", WINDOW, &mut found, die).await?;
    let last_ms = crowd.starts.last_late_ms.load(Ordering::Relaxed) as i64;
    found.set("late_s", (last_ms - died_ms).max(0) as f64 / 1000.0);
    // Kept, so that they do not leave in order.
    let dead: Vec<_> = crowd.nodes.drain(..nodes / 3).collect();
    progress("a third is dead", began);
    let cut = async |crowd: &mut Crowd| {
        let half = crowd.nodes.len() / 2;
        crowd.set_first(half, Way::Cut);
        tokio::time::sleep(PARTITION).await;
        crowd.set_first(half, Way::Open);
        Ok(())
    };
    crowd.phase("partition", WINDOW, &mut found, cut).await?;
    progress("half was cut off", began);
    drop(dead);
    found.set("cpu_s", process::cpu_time()?.as_secs_f64());
    Ok(found)
}

fn progress(what: &str, began: Instant) {
    eprintln!("  {what}: {:.0} s", began.elapsed().as_secs_f64());
}

/// Runs the measurement on a runtime whose time is paused.
pub(crate) fn serve(task: &Task) -> Result<Found> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build();
    let runtime = runtime.map_err(|error| anyhow!("no runtime: {error}"))?;
    let found = runtime.block_on(ours(task));
    // Dead nodes wait for replies that never come.
    runtime.shutdown_background();
    found
}
