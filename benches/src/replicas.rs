//! What more replicas cost: lateness, Redis's work, and how the runs are shared, by number of nodes. Each node is a
//! process of its own, as in a deployment. Many processes wait for the cores of one machine, whatever they do, so many
//! nodes are also measured in one process.

mod beside;
pub(crate) mod node;

use std::collections::BTreeMap;
use std::process::Child;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use test_support::RedisServer;

use crate::child;
use crate::curves::Point;
use crate::options::Scale;
use crate::report::{Bound, Row, number};
use crate::task::{Found, Task};
use crate::ticks::now_us;
use node::{CLAIMS, LATE};

/// Seconds from one tick to the next of a job of a node that is killed. With shorter ones, a late tick would be missed,
/// and start nowhere.
const EVERY_S: u64 = 5;
/// How long before the window a node is killed, in seconds: all ticks of the window are those of the others.
pub(crate) const KILLED_BEFORE_S: f64 = 0.3;
/// How often one node alone is measured. What a node believes of the store's clock is some tenths of a millisecond
/// wrong, from its start on: of many nodes each has an error of its own, and one node has another one at each start.
const TIMES_ALONE: usize = 5;
/// Seconds that a cluster needs to start, at most, for each of its nodes.
const START_S: f64 = 0.25;

/// What the nodes of a cluster have in common, and what happens to them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cluster {
    /// All jobs.
    Shared,
    /// Only the server: each node has its part of the jobs in a namespace of its own. So many processes are as late
    /// without any coordination.
    Apart,
    /// Nothing, not even the runtime: each process sleeps until the tick, and notes when it was woken, once for each
    /// job of its part. No scheduler in as many processes is earlier.
    Bare,
    /// All jobs, and all nodes are in one process.
    Together,
    /// All jobs, and each node claims each tick.
    Uncoordinated,
    /// All jobs, which are due seldom.
    Seldom,
    /// The same, and one node is killed just before the window.
    Killed,
    /// The same, and each node claims each tick.
    UncoordinatedKilled,
    /// The same, and one node hangs from just before the window on.
    Hangs,
    /// Of jobs that are due seldom, some nodes have only a half, and two of those start in the window.
    Mixed,
}

impl Cluster {
    /// The measurement that a node runs, and its task.
    fn child(self, node: usize, nodes: usize, task: &Task) -> (&'static str, Task) {
        let mut task = task.clone();
        let name = match self {
            Cluster::Uncoordinated | Cluster::UncoordinatedKilled => "uncoordinated-replica",
            Cluster::Bare => "sleeping-replica",
            Cluster::Hangs if node == 0 => "hanging-replica",
            Cluster::Mixed if node + 2 >= nodes => "later-replica",
            _ => "replica",
        };
        match self {
            Cluster::Apart | Cluster::Bare => {
                task.jobs /= nodes;
                task.namespace = format!("bench-{node}");
            }
            Cluster::Mixed if node > 1 => task.jobs /= 2,
            Cluster::Together => task.nodes = nodes,
            _ => {}
        }
        (name, task)
    }

    fn is_seldom(self) -> bool {
        use Cluster::{Hangs, Mixed, Seldom};
        self.is_killed() || matches!(self, Seldom | Hangs | Mixed)
    }

    /// Whether one of its nodes is killed.
    fn is_killed(self) -> bool {
        matches!(self, Cluster::Killed | Cluster::UncoordinatedKilled)
    }
}

/// What a cluster did in its window.
#[derive(Default)]
pub(crate) struct Measured {
    /// Starts by lateness in µs.
    histogram: BTreeMap<i64, u64>,
    /// Runs of each node that lived to the end.
    runs: Vec<u64>,
    /// Part of a core that Redis used, in percent.
    redis_percent: f64,
    /// Records of units that Redis read for each tick: one for a claim, one for an outcome.
    reads_per_tick: f64,
    hmgets_per_s: f64,
    /// Claims of the window, as the nodes have counted their replies.
    claims: f64,
    claims_per_tick: f64,
    pub(crate) missing: f64,
}

pub(crate) fn measure(scale: &Scale) -> Result<Vec<Row>> {
    let jobs = scale.replica_jobs;
    let mut rows = Vec::new();
    let mut alone = None;
    for nodes in scale.replicas {
        let mut found = cluster(*nodes, jobs, scale, Cluster::Shared)?;
        for _ in 1..if *nodes == 1 { TIMES_ALONE } else { 1 } {
            found.add_lateness(&cluster(*nodes, jobs, scale, Cluster::Shared)?);
        }
        let figure = |what: &str| format!("{nodes} nodes, {jobs} jobs each second, {what}");
        let (p50, p99) = (found.late_ms(0.5), found.late_ms(0.99));
        let reference = *alone.get_or_insert((p50, p99, found.redis_percent));
        let within = |alone: f64| match nodes {
            20 => Bound::AtMost(1.3 * alone),
            _ => Bound::None,
        };
        rows.push(
            Row::new(
                figure("start after the tick, p50"),
                "ms",
                within(reference.0),
                p50,
            )
            .beside(reference.0)
            .with_point(found.point(*nodes)),
        );
        rows.push(
            Row::new(
                figure("start after the tick, p99"),
                "ms",
                within(reference.1),
                p99,
            )
            .beside(reference.1),
        );
        rows.push(
            Row::new(
                figure("Redis"),
                "% of a core",
                Bound::None,
                found.redis_percent,
            )
            .beside(reference.2),
        );
        rows.extend(beside::rows(*nodes, scale, reference)?);
        let items = match nodes {
            50 => Bound::AtMost(2.2),
            _ => Bound::None,
        };
        rows.push(Row::new(
            figure("records read for a tick"),
            "",
            items,
            found.reads_per_tick,
        ));
        rows.push(Row::new(
            figure("claims for a tick"),
            "",
            Bound::AtMost(1.05),
            found.claims_per_tick,
        ));
        rows.push(Row::new(
            figure("ticks missing"),
            "",
            Bound::AtMost(0.0),
            found.missing,
        ));
    }
    Ok(rows)
}

/// How evenly the runs are shared, next to nodes that each claim each tick.
pub(crate) fn balance(scale: &Scale) -> Result<Vec<Row>> {
    let jobs = scale.jobs[0];
    let farthest = cluster(5, jobs, scale, Cluster::Shared)?.farthest_share();
    let uncoordinated = cluster(5, jobs, scale, Cluster::Uncoordinated)?.farthest_share();
    let figure = format!(
        "5 nodes, {} jobs, farthest share from the mean",
        number(jobs as f64)
    );
    let row = Row::new(figure, "%", Bound::AtMost(20.0), farthest);
    Ok(vec![row.beside(uncoordinated)])
}

/// Five processes that share a file.
pub(crate) fn on_sqlite(scale: &Scale) -> Result<Vec<Row>> {
    let folder = tempfile::tempdir()?;
    let url = format!("sqlite://{}", folder.path().join("jobs.db").display());
    let jobs = scale.replica_jobs;
    let (found, _) = window(&url, 5, jobs, scale, Cluster::Shared, || Ok(()))?;
    let figure = |what: &str| format!("SQLite, 5 processes, {jobs} jobs each second, {what}");
    let row = |what, bound, value| Row::new(figure(what), "ms", bound, value);
    let missing = figure("ticks missing");
    Ok(vec![
        row("start after the tick, p50", Bound::None, found.late_ms(0.5)),
        row(
            "start after the tick, p99",
            Bound::AtMost(100.0),
            found.late_ms(0.99),
        ),
        Row::new(missing, "", Bound::AtMost(0.0), found.missing),
    ])
}

/// A node is killed just before the window; next to nodes that each claim each tick: nobody waits for it.
pub(crate) fn after_a_kill(scale: &Scale) -> Result<Vec<Row>> {
    let of = |kind| cluster(5, scale.replica_jobs, scale, kind);
    let (found, uncoordinated) = (of(Cluster::Killed)?, of(Cluster::UncoordinatedKilled)?);
    let figure = |what: &str| format!("one of 5 nodes is killed, {what}");
    Ok(vec![
        Row::new(
            figure("latest start"),
            "ms",
            Bound::AtMost(1_500.0),
            found.late_ms(1.0),
        )
        .beside(uncoordinated.late_ms(1.0)),
        Row::new(
            figure("start after the tick, p99"),
            "ms",
            Bound::None,
            found.late_ms(0.99),
        )
        .beside(uncoordinated.late_ms(0.99)),
        Row::new(
            figure("ticks missing"),
            "",
            Bound::AtMost(0.0),
            found.missing,
        ),
    ])
}

pub(crate) fn cluster(nodes: usize, jobs: usize, scale: &Scale, kind: Cluster) -> Result<Measured> {
    let redis = RedisServer::start()?;
    let (mut measured, [before, after]) =
        window(&redis.url(), nodes, jobs, scale, kind, || work_of(&redis))?;
    let seconds = scale.seconds as f64;
    // A heartbeat reads the version of the membership, and what is known of its node.
    let of_beats = 2.0 * nodes as f64 * seconds;
    measured.redis_percent = (after.cpu_s - before.cpu_s) / seconds * 100.0;
    measured.hmgets_per_s = (after.hmgets - before.hmgets) / seconds;
    measured.reads_per_tick = (after.reads - before.reads - of_beats) / (jobs as f64 * seconds);
    Ok(measured)
}

/// Runs nodes for a window, and looks at their store at its begin and its end.
fn window<T>(
    url: &str,
    nodes: usize,
    jobs: usize,
    scale: &Scale,
    kind: Cluster,
    look: impl Fn() -> Result<T>,
) -> Result<(Measured, [T; 2])> {
    let mut task = Task::new(url, jobs, scale);
    if kind.is_seldom() {
        task.every_s = EVERY_S;
    }
    let starts = task.lease + Duration::from_secs(1) + task.settle;
    let starts_s = starts.as_secs_f64() + START_S * nodes as f64;
    task.from_s = now_us() / 1_000_000 + starts_s.ceil() as i64 + 1;
    let processes = match kind {
        Cluster::Together => 1,
        _ => nodes,
    };
    let children = (0..processes).map(|node| {
        let (name, task) = kind.child(node, nodes, &task);
        child::start(name, &task)
    });
    let mut children = children.collect::<Result<Vec<Child>>>()?;
    if kind.is_killed() {
        sleep_until(task.from_s as f64 - KILLED_BEFORE_S);
        let mut victim = children.remove(0);
        let killed = victim.kill();
        victim.wait()?;
        killed.context("kill a node")?;
    }
    sleep_until(task.from_s as f64);
    let before = look()?;
    sleep_until((task.from_s + task.seconds as i64) as f64);
    let after = look()?;
    let ticks = (jobs as u64 * task.seconds / task.every_s) as f64;
    let mut measured = Measured::default();
    for child in children {
        measured.add(&child::found("replica", child)?)?;
    }
    let runs: u64 = measured.runs.iter().sum();
    ensure!(
        runs as f64 <= ticks,
        "{runs} runs of {ticks} ticks: some ran twice"
    );
    measured.missing = ticks - runs as f64;
    measured.claims_per_tick = measured.claims / ticks;
    Ok((measured, [before, after]))
}

impl Measured {
    fn add(&mut self, found: &Found) -> Result<()> {
        let mut runs = 0;
        for (name, count) in found.iter() {
            if let Some(late_us) = name.strip_prefix(LATE) {
                *self.histogram.entry(late_us.parse()?).or_default() += count as u64;
                runs += count as u64;
            }
        }
        self.runs.push(runs);
        self.claims += found.get(CLAIMS)?;
        Ok(())
    }

    /// How far the share of a node is from the mean, at most, in percent.
    fn farthest_share(&self) -> f64 {
        let mean = self.runs.iter().sum::<u64>() as f64 / self.runs.len() as f64;
        let far = self.runs.iter();
        far.map(|runs| (*runs as f64 / mean - 1.0).abs() * 100.0)
            .fold(0.0, f64::max)
    }

    fn point(&self, nodes: usize) -> Point {
        Point {
            nodes,
            p50_ms: self.late_ms(0.5),
            p99_ms: self.late_ms(0.99),
            redis_percent: self.redis_percent,
            hmgets_per_s: self.hmgets_per_s,
            nodes_with_runs: self.runs.iter().filter(|runs| **runs > 0).count(),
        }
    }

    fn add_lateness(&mut self, of: &Measured) {
        for (late_us, count) in &of.histogram {
            *self.histogram.entry(*late_us).or_default() += count;
        }
    }

    /// The lateness that this part of the starts does not exceed.
    pub(crate) fn late_ms(&self, part: f64) -> f64 {
        let all: u64 = self.histogram.values().sum();
        let mut left = ((all.saturating_sub(1)) as f64 * part) as u64;
        for (late_us, count) in &self.histogram {
            if left < *count {
                return *late_us as f64 / 1_000.0;
            }
            left -= count;
        }
        f64::NAN
    }
}

/// What Redis has done so far.
struct Work {
    cpu_s: f64,
    hmgets: f64,
    reads: f64,
}

fn work_of(redis: &RedisServer) -> Result<Work> {
    let cpu = redis.command(&["INFO", "cpu"])?;
    let calls = redis.command(&["INFO", "commandstats"])?;
    let after = |text: &str, name: &str| -> f64 {
        let value = text.split_once(name).map_or("", |(_, rest)| rest);
        let end = value.find(|c: char| !c.is_ascii_digit() && c != '.');
        value[..end.unwrap_or(value.len())].parse().unwrap_or(0.0)
    };
    let hmgets = after(&calls, "cmdstat_hmget:calls=");
    Ok(Work {
        hmgets,
        cpu_s: after(&cpu, "used_cpu_user:") + after(&cpu, "used_cpu_sys:"),
        // Each script begins with a read of `meta`.
        reads: hmgets - after(&calls, "cmdstat_evalsha:calls="),
    })
}

fn sleep_until(instant_s: f64) {
    let left_s = instant_s - now_us() as f64 / 1e6;
    std::thread::sleep(Duration::from_secs_f64(left_s.max(0.0)));
}
