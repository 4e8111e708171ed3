//! What operators want, while something happens to the store, to requests, to runs, or to them.

use std::io;
use std::process::Child;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use scheduled_one_testkit::checker::FaultKind;
use test_support::FaultProxy;

use super::postgres::{postgres, truncate};
use super::{ANY, Fault, Heals, Made, PROXIED, last, sentinel, sqlite, standby, store};
use crate::chaos::deployment::{Deployment, Kind, meta_key};
use crate::chaos::seed::Seed;
use crate::chaos::world::{LEASE, World};
use crate::operator::Operator;

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "flushall-paused",
        family: "a pause is forgotten",
        on: ANY,
        heals: Heals::Quarantined,
        make: flush_paused,
    },
    Fault {
        name: "failover-paused",
        family: "a pause is forgotten by a failover",
        on: REPLICATED,
        heals: Heals::Quarantined,
        make: fail_over_paused,
    },
    Fault {
        name: "request-repeated",
        family: "requests for runs",
        on: PROXIED,
        heals: Heals::AtOnce,
        make: repeat_requests,
    },
    Fault {
        name: "cancel-races-finish",
        family: "cancels",
        on: ANY,
        heals: Heals::AtOnce,
        make: race_finish,
    },
    Fault {
        name: "operator-killed",
        family: "operators",
        on: ANY,
        heals: Heals::AtOnce,
        make: kill_operators,
    },
];

/// Where another server takes over.
const REPLICATED: &[Kind] = &[
    Kind::Sentinel,
    Kind::SentinelMin,
    Kind::SentinelWait,
    Kind::Cluster,
    Kind::PostgresSync,
    Kind::PostgresAsync,
];

/// The job that is controlled: short runs, one a second.
const JOB: &str = "medium";

/// The job whose runs follow each other at once: each tick waits for the run before.
const BACK_TO_BACK: &str = "queue";

/// How long a pause is known to the store before it forgets: nodes read it within a heartbeat.
const READ_AFTER: Duration = Duration::from_secs(3);

/// The same on a cluster, whose replica is marked as failing when it stands still for longer.
const READ_AFTER_IN_CLUSTER: Duration = Duration::from_millis(1_200);

/// How long a pause goes on after that, with its quarantine: ticks would start.
const GOES_ON: Duration = Duration::from_secs(5);

/// How many runs are asked for.
const REQUESTS: usize = 4;

/// How often each of them, at least.
const TIMES: usize = 3;

/// A job is paused, and the store forgets everything: nodes repeat the pause.
fn flush_paused(world: &mut World, seed: &mut Seed) -> io::Result<Made> {
    let operator = world.operator()?;
    world.direct(&operator, JOB, true)?;
    last(READ_AFTER);
    let made = match &world.deployment {
        Deployment::Postgres(_) => truncate(world, seed),
        Deployment::Sqlite(_) => sqlite::remove(world, seed),
        _ => store::flush(world, seed),
    }?;
    stay_paused(world, seed, made.healed_us)?;
    Ok(made)
}

/// The pause goes on after the quarantine, also for a node that has not seen it begin: those that have seen it would
/// keep it by themselves. Then it ends, and the job starts.
fn stay_paused(world: &mut World, seed: &mut Seed, healed_us: u64) -> io::Result<()> {
    world.wait_for_pulse(healed_us)?;
    store::replace_a_node(world, seed)?;
    last(LEASE + GOES_ON);
    let operator = world.operator()?;
    world.direct(&operator, JOB, false)?;
    world.wait_for_start_of(JOB).map(drop)
}

/// A job is paused, and another server takes over, which has not seen that: nodes repeat the pause. Where a server
/// acknowledges nothing that the other lacks, it has.
fn fail_over_paused(world: &mut World, seed: &mut Seed) -> io::Result<Made> {
    let operator = world.operator()?;
    let made = match world.kind() {
        Kind::SentinelMin | Kind::PostgresSync => {
            world.direct(&operator, JOB, true)?;
            last(READ_AFTER);
            match world.kind() {
                Kind::SentinelMin => sentinel::by_kill(world, seed),
                _ => standby::promote(world, seed),
            }
        }
        _ => lose_pause(world, &operator),
    }?;
    stay_paused(world, seed, made.healed_us)?;
    Ok(made)
}

fn lose_pause(world: &mut World, operator: &Operator) -> io::Result<Made> {
    let mut paused = None;
    let mut pause = |time| {
        paused = Some(operator.direct(JOB, true));
        last(time);
    };
    world.window(
        "the pause is lost",
        FaultKind::MemoryLoss,
        None,
        |world| match &world.deployment {
            Deployment::Sentinel(sentinel) => {
                let lost = sentinel.fail_over_losing_writes(|| pause(READ_AFTER));
                lost.map(drop)
            }
            Deployment::Cluster(cluster) => {
                let lost =
                    cluster.fail_over_losing_writes(&meta_key(), || pause(READ_AFTER_IN_CLUSTER));
                lost.map(drop)
            }
            _ => {
                let postgres = postgres(world)?;
                postgres.standby()?.freeze()?;
                pause(READ_AFTER);
                postgres.primary().kill()?;
                postgres.standby()?.thaw()?;
                postgres.promote()
            }
        },
    )?;
    let made = Made::now();
    let paused = paused.ok_or_else(|| io::Error::other("nobody paused the job"))?;
    world.operated.directed(paused.map_err(io::Error::other)?);
    Ok(made)
}

/// Several people ask for the same runs, each several times, while their connections break. Then somebody asks once
/// more, and waits.
fn repeat_requests(world: &mut World, seed: &mut Seed) -> io::Result<Made> {
    let own = match &world.deployment {
        Deployment::One(server, _) => Some(FaultProxy::options().start(server.port())?),
        Deployment::Postgres(postgres) if world.kind() == Kind::Postgres => {
            let port = postgres.primary().port();
            Some(FaultProxy::options().raw().start(port)?)
        }
        _ => None,
    };
    let url = world.operator_url(own.as_ref().map(FaultProxy::port))?;
    let name = seed.number();
    let ids: Vec<String> = (0..REQUESTS).map(|n| format!("r-{name:x}-{n}")).collect();
    for id in &ids {
        world.operated.asks(JOB, id);
    }
    let every = seed.millis(2..=60);
    // The connections of sentinels and replicas are cut, too: another server may take over.
    let kind = match world.deployment {
        Deployment::Sentinel(_) | Deployment::Cluster(_) => FaultKind::SplitBrain,
        _ => FaultKind::Flaky,
    };
    world.window("requests are repeated", kind, None, |world| {
        let proxies: Vec<&FaultProxy> = match &own {
            Some(proxy) => vec![proxy],
            None => world.deployment.proxies().iter().collect(),
        };
        let is_over = AtomicBool::new(false);
        thread::scope(|scope| {
            let cutter = scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    proxies.iter().for_each(|proxy| proxy.cut());
                    thread::sleep(every);
                }
            });
            let askers: Vec<_> = (0..2)
                .map(|_| scope.spawn(|| ask_in_vain(&url, &ids)))
                .collect();
            for asker in askers {
                asker
                    .join()
                    .map_err(|_| io::Error::other("who asks panicked"))?;
            }
            is_over.store(true, Ordering::Relaxed);
            cutter
                .join()
                .map_err(|_| io::Error::other("the cutter panicked"))
        })
    })?;
    let made = Made::now();
    let operator = world.operator()?;
    let handles = ids.iter().map(|id| world.request(&operator, JOB, id));
    let handles = handles.collect::<io::Result<Vec<_>>>()?;
    world.wait_for_requests(&operator, &handles)?;
    Ok(made)
}

/// Whether a reply comes does not matter: that is asked for again.
fn ask_in_vain(url: &str, ids: &[String]) {
    for _ in 0..TIMES {
        if let Ok(operator) = Operator::connect(url) {
            for id in ids {
                let _ = operator.run(JOB, id);
            }
        }
    }
}

/// Runs that follow each other at once are cancelled about when they end: a cancel that comes too late must not stop
/// the next one. First those of requests, then those of ticks.
fn race_finish(world: &mut World, seed: &mut Seed) -> io::Result<Made> {
    let operator = world.operator()?;
    let name = seed.number();
    let ids: Vec<String> = (0..REQUESTS).map(|n| format!("c-{name:x}-{n}")).collect();
    let handles = ids.iter().map(|id| world.request(&operator, JOB, id));
    let handles = handles.collect::<io::Result<Vec<_>>>()?;
    for id in &ids {
        let run = world.wait_for_start_of_request(id)?;
        last(seed.millis(200..=400));
        world.cancel(&operator, &run)?;
    }
    for _ in 0..REQUESTS {
        let run = world.wait_for_start_of(BACK_TO_BACK)?;
        // Before its end, or as soon as the next one has started.
        match seed.within(0..=2) {
            0 => last(seed.millis(1_000..=1_400)),
            _ => drop(world.wait_for_start_of(BACK_TO_BACK)?),
        }
        world.cancel(&operator, &run)?;
    }
    let made = Made::now();
    world.wait_for_requests(&operator, &handles)?;
    Ok(made)
}

/// Operators are killed in the midst of a pause, a resume, or a request. Somebody else goes on.
fn kill_operators(world: &mut World, seed: &mut Seed) -> io::Result<Made> {
    let mut asked = Vec::new();
    for _ in 0..3 {
        let id = format!("k-{:x}", seed.number());
        let (mut child, log) = world.start_operator(JOB, &id)?;
        let begun = world.wait("the operator begins", |_| log.exists());
        last(seed.millis(20..=1_500));
        end(&mut child)?;
        begun?;
        let before = world.operated.requests.len();
        world.operated.read(&log)?;
        let new = &world.operated.requests[before..];
        asked.extend(new.last().map(|request| request.id.clone()));
    }
    let made = Made::now();
    let operator = world.operator()?;
    world.direct(&operator, JOB, false)?;
    let handles = asked.iter().map(|id| world.request(&operator, JOB, id));
    let handles = handles.collect::<io::Result<Vec<_>>>()?;
    world.wait_for_requests(&operator, &handles)?;
    world.wait_for_start_of(JOB)?;
    Ok(made)
}

fn end(child: &mut Child) -> io::Result<()> {
    child.kill()?;
    child.wait().map(drop)
}
