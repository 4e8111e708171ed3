//! Nodes die, stop and hang.

use std::io;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, Signal, kill_process, prlimit};
use test_support::Verdict;

use super::{ANY, Fault, Heals, Made, ONE, last};
use crate::chaos::seed::Seed;
use crate::chaos::world::{LEASE, World, now_us};
use crate::checker::WindowKind;
use crate::log::Kind as Sign;
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
    world.wait("the run is taken over, or had ended", |world| {
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
    world.note("killed", WindowKind::Killed, Some(node));
    world.bury(index);
    Ok(Made::now())
}

/// A node dies when its claim was granted and its run has not started.
fn kill_claimed(world: &mut World, seed: &mut Seed) -> io::Result<Made> {
    let name = any_node(world, seed);
    signal_at_grant(world, &name, Signal::KILL)?;
    world.note(
        "killed between claim and start",
        WindowKind::Other,
        Some(&name),
    );
    let index = world.index_of(&name);
    world.nodes[index].kill(); // dead already: takes its status
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
    world.window("stopped", WindowKind::Stopped, Some(&run.node), |_| {
        last(time);
        Ok(())
    })?;
    let index = world.index_of(&run.node);
    world.nodes[index].resume();
    Ok(Made::now())
}

/// A node stops when its claim was granted and it has not read the answer.
fn stop_before_reply(world: &mut World, seed: &mut Seed) -> io::Result<Made> {
    let name = any_node(world, seed);
    signal_at_grant(world, &name, Signal::STOP)?;
    let time = LEASE + seed.millis(200..=2_000);
    world.window(
        "stopped before the reply",
        WindowKind::Stopped,
        Some(&name),
        |_| {
            last(time);
            Ok(())
        },
    )?;
    let index = world.index_of(&name);
    world.nodes[index].resume();
    Ok(Made::now())
}

/// The jobs of a node block all threads of its runtime.
fn block(world: &mut World, seed: &mut Seed) -> io::Result<Made> {
    let run = world.wait_for_run("long")?;
    let time = LEASE + seed.millis(500..=2_000);
    let index = world.index_of(&run.node);
    world.nodes[index].order(&Order::Block(time))?;
    world.window(
        "runtime blocked",
        WindowKind::Other,
        Some(&run.node),
        |_| {
            last(time);
            Ok(())
        },
    )?;
    Ok(Made::now())
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
    world.window("no files to open", WindowKind::Cut, Some(&name), |_| {
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

fn signal_at_grant(world: &mut World, node: &str, signal: Signal) -> io::Result<()> {
    let pid = world.nodes[world.index_of(node)].pid();
    world.at_grant(node, "medium", Verdict::Deliver, move || {
        // It lives: it has just sent something.
        let _ = kill_process(pid, signal);
    })
}

pub(super) fn any_node(world: &World, seed: &mut Seed) -> String {
    let names: Vec<&str> = world.nodes.iter().map(|it| it.name()).collect();
    (*seed.pick(&names)).to_owned()
}
