//! A cluster of nodes that share an embedded store and a virtual clock.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use scheduled_one_runtime::clock::Clock;
use scheduled_one_runtime::{Job, JobContext, Route, Scheduler, SchedulerBuilder};
use scheduled_one_testkit::TokioClock;

use crate::test_store::TestStore;

pub(crate) const SECOND: Duration = Duration::from_secs(1);
/// From the start of the last node until all know each other; between two ticks.
pub(crate) const MEETING: Duration = Duration::from_millis(3_300);

/// Functions of jobs from this number on take an hour.
pub(crate) const LONG: usize = 1_000;

/// A start of a function.
#[derive(Clone, Debug)]
pub(crate) struct Start {
    pub(crate) job: usize,
    pub(crate) node: String,
    pub(crate) tick_ms: i64,
    pub(crate) late_ms: i64,
    /// Active runs of the node, and of all nodes, with this one.
    pub(crate) active: (usize, usize),
}

/// Counts a run of a node until it has ended, or is dropped because it was cancelled.
struct Active {
    runs: Arc<Mutex<BTreeMap<String, usize>>>,
    node: String,
}

impl Drop for Active {
    fn drop(&mut self) {
        let mut runs = self.runs.lock().expect("lock");
        *runs.entry(self.node.clone()).or_default() -= 1;
    }
}

/// Nodes that share a store and a clock.
pub(crate) struct Cluster {
    pub(crate) clock: TokioClock,
    /// Of all jobs.
    pub(crate) period: Duration,
    pub(crate) route: Route,
    /// A job that is disabled on all nodes, in addition.
    pub(crate) disabled: Option<&'static str>,
    /// How long the functions of the other jobs take.
    pub(crate) lasts: Duration,
    /// Active runs by node.
    active: Arc<Mutex<BTreeMap<String, usize>>>,
    store: TestStore,
    pub(crate) nodes: Vec<Node>,
    starts: Arc<Mutex<Vec<Start>>>,
}

pub(crate) struct Node {
    pub(crate) store: TestStore,
    pub(crate) scheduler: Scheduler,
}

impl Cluster {
    pub(crate) fn new(period: Duration) -> Self {
        let clock = TokioClock::new();
        Cluster {
            period,
            route: Route::Sticky,
            disabled: None,
            lasts: Duration::ZERO,
            active: Arc::default(),
            store: TestStore::new(&clock, false),
            clock,
            nodes: Vec::new(),
            starts: Arc::default(),
        }
    }

    /// Starts a node with jobs of these numbers.
    pub(crate) async fn start(&mut self, jobs: impl IntoIterator<Item = usize>) {
        self.start_as(jobs, |builder| builder, |job| job).await;
    }

    /// The same with further settings of the node, and of each job.
    pub(crate) async fn start_as(
        &mut self,
        jobs: impl IntoIterator<Item = usize>,
        node: impl FnOnce(SchedulerBuilder) -> SchedulerBuilder,
        set: impl Fn(Job) -> Job,
    ) {
        let store = self.store.of_another_node();
        let number = self.nodes.len();
        let mut builder = Scheduler::builder("memory://")
            .clock(self.clock)
            .store(store.clone())
            .identity(format!("{number:016x}"))
            .node_name(format!("n{number}"));
        for job in jobs {
            let (starts, clock) = (Arc::clone(&self.starts), self.clock);
            let (active, lasts) = (Arc::clone(&self.active), self.lasts);
            let lasts = if job >= LONG { 3_600 * SECOND } else { lasts };
            let function = move |ctx: JobContext| {
                let tick_ms = ctx.scheduled_at().as_millisecond();
                let node = ctx.node().to_owned();
                let mut all = active.lock().expect("lock");
                *all.entry(node.clone()).or_default() += 1;
                let counts = (all[&node], all.values().sum());
                drop(all);
                starts.lock().expect("lock").push(Start {
                    job,
                    node: node.clone(),
                    active: counts,
                    tick_ms,
                    late_ms: clock.wall().as_millis() as i64 - tick_ms,
                });
                let active = Active {
                    runs: Arc::clone(&active),
                    node,
                };
                async move {
                    if lasts > Duration::ZERO {
                        tokio::time::sleep(lasts).await;
                    }
                    drop(active);
                }
            };
            let job = Job::every(format!("job-{job:03}"), self.period, function);
            // A job of every node has no route.
            let job = match self.route {
                Route::Sticky => job,
                route => job.route(route),
            };
            builder = builder.job(set(job));
        }
        if let Some(name) = self.disabled {
            let off = Job::every(name, self.period, || async {});
            builder = builder.job(off.enabled(false).route(self.route));
        }
        self.nodes.push(Node {
            store,
            scheduler: node(builder).start().await.expect("started"),
        });
    }

    /// A cluster of nodes that have the same jobs and know each other.
    pub(crate) async fn calm(nodes: usize, jobs: usize, period: Duration) -> Self {
        Cluster::routed(nodes, jobs, period, Route::Sticky).await
    }

    pub(crate) async fn routed(nodes: usize, jobs: usize, period: Duration, route: Route) -> Self {
        let mut cluster = Cluster::new(period);
        cluster.route = route;
        for _ in 0..nodes {
            cluster.start(0..jobs).await;
        }
        tokio::time::sleep(MEETING).await;
        cluster
    }

    pub(crate) fn now_ms(&self) -> i64 {
        self.clock.wall().as_millis() as i64
    }

    /// Lets time pass. Returns the starts of the ticks in it, each of which has one.
    pub(crate) async fn watch(&self, time: Duration, jobs: usize) -> Vec<Start> {
        let from_ms = self.now_ms();
        tokio::time::sleep(time).await;
        let to_ms = self.now_ms();
        // Long enough for the latest of them.
        tokio::time::sleep(3 * SECOND).await;
        let of_window = |start: &&Start| (from_ms..to_ms).contains(&start.tick_ms);
        let all = self.starts.lock().expect("lock");
        let starts: Vec<Start> = all.iter().filter(of_window).cloned().collect();
        let mut by_tick: BTreeMap<(usize, i64), usize> = BTreeMap::new();
        for start in &starts {
            *by_tick.entry((start.job, start.tick_ms)).or_default() += 1;
        }
        let period_ms = self.period.as_millis() as i64;
        let ticks = (to_ms - 1) / period_ms - (from_ms - 1) / period_ms;
        assert_eq!(
            by_tick.len(),
            jobs * ticks as usize,
            "every tick has a start"
        );
        assert!(by_tick.values().all(|starts| *starts == 1), "and only one");
        starts
    }

    /// All starts so far.
    pub(crate) fn starts(&self) -> Vec<Start> {
        self.starts.lock().expect("lock").clone()
    }

    pub(crate) fn claims_sent(&self) -> usize {
        self.nodes.iter().map(|node| node.store.claims_sent()).sum()
    }
}
