//! A job that a deployment has dropped is forgotten, while nodes come and go, and one that had it may come back.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use scheduled_one_testkit::checker::FaultKind;

use super::releases::{DROPPED, GONE_AFTER, with_other_schedules};
use super::{ANY, Fault, Heals, Made, last};
use crate::chaos::seed::Seed;
use crate::chaos::world::{PULSE, World};
use crate::job::JobSpec;
use crate::node::Node;
use crate::operator::Operator;

pub(super) const FAULTS: &[Fault] = &[Fault {
    name: "job-forgotten",
    family: "jobs are forgotten",
    on: ANY,
    heals: Heals::AtOnce,
    make: forget_a_job,
}];

/// How long somebody tries to forget a job that nodes may have again.
const TRIES_FOR: Duration = Duration::from_secs(5);

/// Between two tries.
const TRIES_EVERY: Duration = Duration::from_millis(50);

/// A release lacks a job, and an operator forgets what it left: while nodes without it are killed; while those of the
/// release before start; or while one that has it stands still, and then goes on. By chance, the job is gone before.
/// Then the release before is back, with the job.
fn forget_a_job(world: &mut World, seed: &mut Seed) -> io::Result<Made> {
    world.audit()?;
    let old = world.jobs.clone();
    let mut jobs = with_other_schedules(&old, &[PULSE], seed);
    jobs.retain(|job| job.name != DROPPED);
    let way = seed.within(0..=2);
    let sleeper = match way {
        2 => Some(stop_a_node(world, seed)),
        _ => None,
    };
    world.roll_out("rolling deployment", jobs, true)?;
    // Its ledger goes with the job.
    world.audit()?;
    let operator = world.operator()?;
    let id = format!("f-{:x}", seed.number());
    // It may wait, or be forgotten: it is asked for again.
    let _ = operator.run(DROPPED, &id);
    if sleeper.is_none() && seed.within(0..=3) == 0 {
        last(GONE_AFTER);
        world.wait_until_gone(&operator, DROPPED)?;
    }
    match sleeper {
        Some(node) => wake_after(world, &operator, node)?,
        None if way == 0 => forget_while_nodes_die(world, seed, &operator)?,
        None => forget_while_nodes_start(world, seed, old.clone())?,
    }
    if way != 1 {
        world.roll_out("rollback", old, true)?;
    }
    let made = Made::now();
    world.wait_for_start_of(DROPPED)?;
    let again = world.request(&operator, DROPPED, &id)?;
    world.wait_for_requests(&operator, &[again])?;
    Ok(made)
}

/// A node that has the job stands still, and so counts as gone.
fn stop_a_node(world: &mut World, seed: &mut Seed) -> Node {
    let index = seed.within(0..=world.nodes.len() as u64 - 1) as usize;
    let node = world.nodes.remove(index);
    node.pause();
    world.note("stopped", FaultKind::Other, Some(node.name()));
    node
}

/// The job is forgotten before the node goes on, which has it as it saw it.
fn wake_after(world: &mut World, operator: &Operator, node: Node) -> io::Result<()> {
    let name = node.name().to_owned();
    world.window("stopped", FaultKind::Paused, Some(&name), |world| {
        world.forget(operator, DROPPED)
    })?;
    node.resume();
    world.nodes.push(node);
    world.wait_for_start_of(DROPPED).map(drop)
}

fn forget_while_nodes_die(
    world: &mut World,
    seed: &mut Seed,
    operator: &Operator,
) -> io::Result<()> {
    let index = seed.within(0..=world.nodes.len() as u64 - 1) as usize;
    let name = world.nodes[index].name().to_owned();
    world.nodes[index].kill();
    world.note("killed", FaultKind::Killed, Some(&name));
    world.bury(index);
    world.start_node()?;
    world.forget(operator, DROPPED)?;
    world.wait_for_nodes()
}

/// It is forgotten before the first of them is seen, or not at all.
fn forget_while_nodes_start(
    world: &mut World,
    seed: &mut Seed,
    old: Vec<JobSpec>,
) -> io::Result<()> {
    let after = seed.millis(0..=2_000);
    let is_forgotten = thread::scope(|scope| {
        let other = world.operator()?;
        let forgetting = scope.spawn(move || {
            thread::sleep(after);
            let until = Instant::now() + TRIES_FOR;
            while Instant::now() < until {
                if other.forget(DROPPED).is_ok() {
                    return true;
                }
                thread::sleep(TRIES_EVERY);
            }
            false
        });
        world.roll_out("rollback", old, true)?;
        let forgotten = forgetting.join();
        forgotten.map_err(|_| io::Error::other("who forgets panicked"))
    })?;
    if is_forgotten {
        world.has_forgotten(DROPPED);
    }
    Ok(())
}
