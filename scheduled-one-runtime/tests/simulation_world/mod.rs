//! A world of nodes, jobs and faults, made of a seed.

mod beliefs;
mod check;
mod faults;
mod jobs;
mod operator;
mod releases;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use scheduled_one_runtime::clock::Clock;
use scheduled_one_runtime::{Error, Scheduler};

use scheduled_one_testkit::checker::{Event, FaultKind};
use scheduled_one_testkit::{ForgetfulStore, TokioClock};

use beliefs::Decided;
pub(crate) use check::History;
use faults::{Network, NodeStore};
use jobs::{JobPlan, LABEL};
use operator::Operator;

/// Faults happen in the first part, then everything heals.
const FAULTS_FOR: Duration = Duration::from_secs(40);
/// After it, what was done to the nodes has no effect any more.
const CALM_FOR: Duration = Duration::from_secs(30);
/// After the time of wrong beliefs that follows, and after this, all that came due in the first part is decided.
const AT_THE_END: Duration = Duration::from_secs(20);
const NODES: usize = 3;

/// A small, fast random generator: SplitMix64.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0x5DEE_CE66)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// From `least` to `most`, both included.
    pub(crate) fn range(&mut self, least: u64, most: u64) -> u64 {
        least + self.next() % (most - least + 1)
    }

    pub(crate) fn ms(&mut self, least: u64, most: u64) -> Duration {
        Duration::from_millis(self.range(least, most))
    }

    pub(crate) fn chance(&mut self, percent: u64) -> bool {
        self.next() % 100 < percent
    }
}

/// What all nodes of a world share.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) clock: TokioClock,
    pub(crate) log: Arc<Mutex<Vec<Event>>>,
    /// The ticks that the store decided.
    pub(crate) decided: Arc<Mutex<Vec<Decided>>>,
}

impl World {
    fn new() -> Self {
        World {
            clock: TokioClock::new(),
            log: Arc::default(),
            decided: Arc::default(),
        }
    }

    /// The clock of the log minus the clock of ticks.
    pub(crate) fn tick_offset_us(&self) -> i64 {
        self.clock.boottime().as_micros() as i64 - self.clock.wall().as_micros() as i64
    }

    fn note(&self, event: Event) {
        self.log.lock().expect("lock").push(event);
    }
}

/// A node that lives until its flag is raised: then nothing it does is seen.
struct Node {
    dead: Arc<AtomicBool>,
    name: String,
    network: Arc<Network>,
    scheduler: Scheduler,
}

impl Node {
    async fn start(
        world: &World,
        store: &ForgetfulStore,
        jobs: &[JobPlan],
        serial: usize,
        random: &mut Random,
    ) -> Self {
        let dead = Arc::new(AtomicBool::new(false));
        let network = Arc::new(Network::new(random.next()));
        let node_store = NodeStore::new(store.clone(), world.clone(), Arc::clone(&network));
        let name = format!("n{serial}");
        let mut builder = Scheduler::builder("memory://")
            .clock(world.clock)
            .store(node_store)
            .identity(&name)
            .node_name(&name)
            .application("simulation");
        if serial.is_multiple_of(2) {
            builder = builder.label(LABEL);
        }
        for plan in jobs {
            builder = builder.job(plan.job(world.clone(), Arc::clone(&dead)));
        }
        Node {
            dead,
            name,
            network,
            scheduler: builder
                .start()
                .await
                .expect("a node starts in good weather"),
        }
    }

    fn die(&self) {
        self.dead.store(true, Ordering::Relaxed);
        self.network.die();
    }
}

/// Simulates the history of a seed.
pub(crate) fn simulate(seed: u64) -> History {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    runtime.block_on(live(seed))
}

async fn live(seed: u64) -> History {
    let mut random = Random::new(seed);
    let world = World::new();
    let store = ForgetfulStore::new(Arc::new(world.clock));
    let jobs: Vec<JobPlan> = (0..3).map(|n| JobPlan::random(n, &mut random)).collect();
    let mut history = History::new(jobs.clone());
    let mut nodes = Vec::new();
    for serial in 0..NODES {
        nodes.push(Node::start(&world, &store, &jobs, serial, &mut random).await);
    }
    // A store that forgets recovers the decisions from nodes that saw them and reach it: with such a store, no node
    // has a fault.
    let forgets = random.chance(20);
    let mut operator = random
        .chance(50)
        .then(|| Operator::new(&store, &jobs, &mut random));
    history.nodes = NODES - 1;
    history.from_ms = world.clock.wall().as_millis() as i64;
    let until = world.clock.boottime() + FAULTS_FOR;
    while world.clock.boottime() < until {
        world.clock.sleep(random.ms(200, 6_000)).await;
        if let Some(operator) = operator.as_mut().filter(|_| random.chance(60)) {
            operator.act(&world, forgets).await;
        }
        let which = random.range(0, NODES as u64 - 1) as usize;
        match random.range(0, 9) {
            fault if forgets => {
                lose_memory(&world, &store, fault, &mut random, &mut history).await;
            }
            0 | 1 => {
                nodes[which].die();
                let name = nodes[which].name.clone();
                history.fault(FaultKind::Killed, Some(&name), world.clock.boottime());
                world.clock.sleep(random.ms(0, 8_000)).await;
                history.nodes += 1;
                let serial = history.nodes;
                nodes[which] = Node::start(&world, &store, &jobs, serial, &mut random).await;
            }
            2..=4 => {
                nodes[which]
                    .network
                    .cut_for(world.clock.boottime() + random.ms(100, 9_000));
                history.partitions += 1;
            }
            7 => {
                // It sends heartbeats, and claims nothing.
                let until = world.clock.boottime() + random.ms(1_000, 15_000);
                nodes[which].network.hold_claims_for(until);
                history.hangs += 1;
            }
            5 | 6 => {
                let until = world.clock.boottime() + random.ms(100, 15_000);
                nodes.iter().for_each(|node| node.network.cut_for(until));
                history.outages += 1;
            }
            _ => {}
        }
    }
    if !forgets && random.chance(10) {
        nodes.iter().for_each(|node| node.network.heal());
        let operator = operator.as_ref();
        let (random, history) = (&mut random, &mut history);
        releases::drop_a_job(&world, &store, &mut nodes, &jobs, operator, random, history).await;
    }
    conclude(&world, &nodes, &jobs, operator, &mut random, &mut history).await;
    history
}

/// Makes the store lose its memory: by a restart without persistence, a flush, or a failover that loses the last
/// moments.
async fn lose_memory(
    world: &World,
    store: &ForgetfulStore,
    fault: u64,
    random: &mut Random,
    history: &mut History,
) {
    match fault {
        0 | 1 => store.restart_empty(),
        2 | 3 => store.flush(),
        _ => {
            let snapshot = store.snapshot();
            world.clock.sleep(random.ms(10, 1_500)).await;
            store.fail_over(snapshot);
            history.rollbacks += 1;
        }
    }
    history.fault(FaultKind::MemoryLoss, None, world.clock.boottime());
}

/// Ends the faults, waits until the nodes have recovered, and adds audits, ledgers and notes to the history.
async fn conclude(
    world: &World,
    nodes: &[Node],
    jobs: &[JobPlan],
    operator: Option<Operator>,
    random: &mut Random,
    history: &mut History,
) {
    let healed_ms = world.clock.wall().as_millis() as i64;
    nodes.iter().for_each(|node| node.network.heal());
    if let Some(mut operator) = operator {
        operator.conclude(world).await;
        history.in_force.append(&mut operator.in_force);
        history.in_force.sort_by_key(|it| *it.since_ms.start());
        history.directives = operator.directives;
        history.requests = operator.requests;
        history.cancels = operator.cancels;
        history.cancelled = operator.cancelled;
        history.rescheduled = operator.rescheduled;
    }
    world.clock.sleep(CALM_FOR).await;
    history.believed = beliefs::believe(world, nodes, random).await;
    history.believed.decided = world.decided.lock().expect("lock").clone();
    world.clock.sleep(AT_THE_END).await;
    for (job, plan) in jobs.iter().enumerate() {
        let scheduler = &nodes[0].scheduler;
        let audited = answered(async || scheduler.audit(&plan.name, all_until(healed_ms)).await);
        history.audits.push((job, audited.await));
        let ledger = answered(async || scheduler.ledger(&plan.name, 1_000).await);
        history.ledgers.push(ledger.await);
    }
    history.healed_ms = healed_ms;
    history.tick_offset_us = world.tick_offset_us();
    history.log = world.log.lock().expect("lock").clone();
}

/// Asks until the reply is in time: now and then one is slow in each direction.
async fn answered<T>(ask: impl AsyncFn() -> Result<T, Error>) -> T {
    for _ in 0..3 {
        if let Ok(answer) = ask().await {
            return answer;
        }
    }
    ask().await.expect("the store answers")
}

fn all_until(ms: i64) -> std::ops::Range<jiff::Timestamp> {
    let instant = |ms| jiff::Timestamp::from_millisecond(ms).expect("an instant");
    instant(0)..instant(ms)
}
