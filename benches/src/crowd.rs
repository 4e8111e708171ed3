//! A crowd of nodes in virtual time, on the embedded store: what they send for each tick, and how late ticks are,
//! through a rolling restart, the death of a third of them, and a partition of half.
//!
//! No figure depends on the load of the machine: time passes only when nothing is left to do. A request takes no time
//! here, so lateness is what the nodes do not know of each other, and nothing else.

mod starts;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use scheduled_one_protocol::clock::Clock;
use scheduled_one_protocol::memory::MemoryStore;
use scheduled_one_runtime::{Job, JobContext, Scheduler};
use scheduled_one_testkit::TokioClock;

use crate::gate::{Gate, Items, Way};
use crate::options::Scale;
use crate::report::{Bound, Row, number};
use crate::task::{Found, Task};
use crate::{child, process};
use starts::Starts;

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

const PHASES: [&str; 4] = ["calm", "restart", "death", "partition"];

pub(crate) fn measure(scale: &Scale) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (nodes, jobs) in scale.crowds.iter().copied() {
        let found = run(nodes, 1, jobs, scale)?;
        let crowd = format!(
            "{} nodes, {} jobs",
            number(nodes as f64),
            number(jobs as f64)
        );
        rows.extend(of_crowd(&crowd, &found)?);
    }
    Ok(rows)
}

/// A namespace that several programs share: each has jobs of its own, and as many nodes as any other.
pub(crate) fn of_programs(scale: &Scale) -> Result<Vec<Row>> {
    let (nodes, programs, jobs) = scale.programs;
    let found = run(nodes, programs, jobs, scale)?;
    let crowd = format!(
        "{} nodes of {} programs with {} jobs each",
        number(nodes as f64),
        number(programs as f64),
        number(jobs as f64)
    );
    of_crowd(&crowd, &found)
}

fn run(nodes: usize, programs: usize, jobs: usize, scale: &Scale) -> Result<Found> {
    let mut task = Task::new("", jobs, scale);
    task.from_s = nodes as i64; // the number of nodes
    task.nodes = programs;
    child::run("crowd", &task)
}

fn of_crowd(crowd: &str, found: &Found) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for phase in PHASES {
        rows.extend(of_phase(crowd, phase, found)?);
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

struct Crowd {
    clock: TokioClock,
    store: MemoryStore,
    items: Arc<Items>,
    starts: Arc<Starts>,
    /// Of all programs.
    jobs: usize,
    programs: usize,
    lease: Duration,
    nodes: Vec<(Gate, Scheduler)>,
}

impl Crowd {
    fn now_ms(&self) -> i64 {
        self.clock.wall().as_millis() as i64
    }

    /// A node of the program that the node with this number has.
    async fn start(&self, nth: usize) -> Result<(Gate, Scheduler)> {
        let gate = Gate::new(Arc::new(self.store.clone()), Arc::clone(&self.items));
        let mut builder = Scheduler::builder("memory://")
            .clock(self.clock)
            .lease(self.lease)
            .store(gate.clone())
            .without_metrics();
        let of_program = self.jobs / self.programs;
        let first = nth % self.programs * of_program;
        for number in first..first + of_program {
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
            let new = self.start(nth).await?;
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

/// In a child process, on a runtime of one thread whose time is paused. `from_s` is the number of nodes, `nodes` that
/// programs, and each has the jobs of the task.
pub(crate) async fn ours(task: &Task) -> Result<Found> {
    let nodes = task.from_s as usize;
    let clock = TokioClock::new();
    let mut found = Found::default();
    let mut crowd = Crowd {
        store: MemoryStore::new(Arc::new(clock)),
        clock,
        items: Arc::default(),
        starts: Arc::new(Starts::new()),
        jobs: task.jobs * task.nodes,
        programs: task.nodes,
        lease: task.lease,
        nodes: Vec::new(),
    };
    let (began, memory) = (Instant::now(), process::resident_bytes()?);
    for nth in 0..nodes {
        let node = crowd.start(nth).await?;
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
