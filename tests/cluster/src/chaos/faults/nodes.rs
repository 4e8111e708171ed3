//! Nodes die, stop and hang.

use std::io;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, Signal, prlimit};
use scheduled_one_testkit::checker::FaultKind;

use super::{ANY, Fault, Heals, Made, ONE, last};
use crate::chaos::seed::Seed;
use crate::chaos::world::{LEASE, STEADY, Strike, World, now_us};
use crate::log::{Event, Kind as Sign};
use crate::node::Order;

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "node-kill-idle",
        family: "node death",
        on: ANY,
        heals: Heals::AtOnce,
        make: kill_idle,
    },
    Fault {
        name: "node-kill-running",
        family: "node death",
        on: ANY,
        heals: Heals::AtOnce,
        make: kill_running,
    },
    Fault {
        name: "node-kill-rerun",
        family: "node death",
        on: ANY,
        heals: Heals::AtOnce,
        make: kill_rerun,
    },
    Fault {
        name: "node-kill-claimed",
        family: "node death",
        on: ONE,
        heals: Heals::AtOnce,
        make: kill_claimed,
    },
    Fault {
        name: "node-stop",
        family: "node pause",
        on: ANY,
        heals: Heals::AtOnce,
        make: stop,
    },
    Fault {
        name: "node-stop-before-reply",
        family: "node pause",
        on: ONE,
        heals: Heals::AtOnce,
        make: stop_before_reply,
    },
    Fault {
        name: "node-blocked",
        family: "node pause",
        on: ANY,
        heals: Heals::AtOnce,
        make: block,
    },
    Fault {
        name: "node-no-files",
        family: "limits",
        on: ONE,
        heals: Heals::AtOnce,
        make: no_files,
    },
];

/// A node dies on which nothing runs, as far as one can see.
fn kill_idle(world: &mut World, seed: &mut Seed) -> io::Result<Made> {
    world.log.read_on();
    let recent = world.log.events.iter().rev();
    let recent = recent.take_while(|it| it.boot_us + 100_000 > now_us());
    let busy: Vec<String> = recent.map(|it| it.node.clone()).collect();
    let idle = |name: &str| !busy.iter().any(|node| node == name);
    let names: Vec<String> = world.nodes.iter().map(|it| it.name().to_owned()).collect();
    let idle: Vec<&String> = names.iter().filter(|name| idle(name)).collect();
    let node = match idle[..] {
        [] => seed.pick(&names).clone(),
        _ => (*seed.pick(&idle)).clone(),
    };
    kill(world, &node)
}

/// A node dies in the midst of a run.
fn kill_running(world: &mut World, seed: &mut Seed) -> io::Result<Made> {
    let job = *seed.pick(&["long", "medium", "queue", "sharded"]);
    let run = world.wait_for_run(job)?;
    kill(world, &run.node)
}

/// A node dies in the midst of a run that is to be taken over; it must be.
fn kill_rerun(world: &mut World, _seed: &mut Seed) -> io::Result<Made> {
    let run = world.wait_for_run("rerun")?;
    let made = kill(world, &run.node)?;
    world.must("the run is taken over, or had ended", |world| {
        let mut events = world.log.events.iter().rev();
        events.any(|it| {
            let next = it.attempt > run.attempt || it.kind == Sign::End;
            it.job == run.job && it.tick_ms == run.tick_ms && next
        })
    })?;
    Ok(made)
}

fn kill(world: &mut World, node: &str) -> io::Result<Made> {
    let index = world.index_of(node);
    world.nodes[index].kill();
    world.note("killed", FaultKind::Killed, Some(node));
    world.bury(index);
    Ok(Made::now())
}

/// A node dies when its claim was granted and its run has not started.
fn kill_claimed(world: &mut World, _seed: &mut Seed) -> io::Result<Made> {
    let grant = world.at_grant("medium", Strike::Signal(Signal::KILL))?;
    let index = world.index_of(&grant.node);
    world.nodes[index].kill(); // dead already: takes its status
    let what = "killed between claim and start";
    world.note(what, FaultKind::Killed, Some(&grant.node));
    world.bury(index);
    Ok(Made::now())
}

/// A node stops for longer than its leases, and goes on.
fn stop(world: &mut World, seed: &mut Seed) -> io::Result<Made> {
    let job = *seed.pick(&["long", "queue", "rerun"]);
    let run = world.wait_for_run(job)?;
    let index = world.index_of(&run.node);
    world.nodes[index].pause();
    let time = LEASE + seed.millis(200..=3_000);
    world.window("stopped", FaultKind::Paused, Some(&run.node), |_| {
        last(time);
        Ok(())
    })?;
    let index = world.index_of(&run.node);
    world.nodes[index].resume();
    Ok(Made::now())
}

/// A node stops when its claim was granted and it has not read the answer. When
/// it goes on, the lease is over: the run must not start.
fn stop_before_reply(world: &mut World, seed: &mut Seed) -> io::Result<Made> {
    let grant = world.at_grant("medium", Strike::Signal(Signal::STOP))?;
    let time = LEASE + seed.millis(200..=2_000);
    let what = "stopped before the reply";
    world.window(what, FaultKind::Paused, Some(&grant.node), |_| {
        last(time);
        Ok(())
    })?;
    let index = world.index_of(&grant.node);
    world.nodes[index].resume();
    Ok(Made {
        starts_not: Some(("medium", grant.token)),
        ..Made::now()
    })
}

/// The jobs of a node block all threads of its runtime for longer than a lease.
/// Its runs keep theirs: when the threads are free, they go on.
fn block(world: &mut World, seed: &mut Seed) -> io::Result<Made> {
    let run = world.wait_for_start_of(STEADY)?;
    let time = LEASE + seed.millis(200..=1_000);
    let index = world.index_of(&run.node);
    world.nodes[index].order(&Order::Block(time))?;
    world.window("runtime blocked", FaultKind::Other, Some(&run.node), |_| {
        last(time);
        Ok(())
    })?;
    let made = Made::now();
    world.must("the run goes on when the runtime is free", |world| {
        let mut signs = world.log.events.iter().rev();
        let goes_on = |it: &&Event| it.token == run.token && it.kind != Sign::Start;
        signs
            .find(goes_on)
            .is_some_and(|it| it.boot_us > made.healed_us)
    })?;
    Ok(made)
}

/// A node may open no more files, and its connections are cut.
fn no_files(world: &mut World, seed: &mut Seed) -> io::Result<Made> {
    let name = any_node(world, seed);
    let pid = world.nodes[world.index_of(&name)].pid();
    let limit = |current| Rlimit {
        current: Some(current),
        maximum: before_max(),
    };
    prlimit(Some(pid), Resource::Nofile, limit(3))?;
    world.cut_connections(&name);
    world.window("no files to open", FaultKind::Isolated, Some(&name), |_| {
        last(LEASE + Duration::from_millis(500));
        Ok(())
    })?;
    prlimit(Some(pid), Resource::Nofile, limit(1_024))?;
    Ok(Made::now())
}

/// The hard limit of this process is that of its children.
fn before_max() -> Option<u64> {
    rustix::process::getrlimit(Resource::Nofile).maximum
}

fn any_node(world: &World, seed: &mut Seed) -> String {
    let names: Vec<&str> = world.nodes.iter().map(|it| it.name()).collect();
    (*seed.pick(&names)).to_owned()
}
