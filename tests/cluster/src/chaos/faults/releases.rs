//! Deployments: nodes are replaced by those of another release, in which jobs have other schedules, are new, or are no
//! more; and a rollback.

use std::io;
use std::time::Duration;

use scheduled_one_testkit::checker::FaultKind;

use super::{ANY, Fault, Heals, Made, last};
use crate::chaos::seed::Seed;
use crate::chaos::world::{PULSE, World};
use crate::job::JobSpec;

/// The job that only a new release has.
const NEW: &str = "new";

/// The job without which it can be.
pub(super) const DROPPED: &str = "failing";

/// A job that nobody has had for two minutes is gone.
pub(super) const GONE_AFTER: Duration = Duration::from_secs(120);

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "rolling-restart",
        family: "deployment",
        on: ANY,
        heals: Heals::AtOnce,
        make: rolling_restart,
    },
    Fault {
        name: "rolling-deployment",
        family: "deployment and rollback",
        on: ANY,
        heals: Heals::AtOnce,
        make: deploy_and_roll_back,
    },
    Fault {
        name: "job-gone",
        family: "deployment and rollback",
        on: ANY,
        heals: Heals::AtOnce,
        make: drop_a_job,
    },
];

/// One node after the other is replaced by one with other schedules.
fn rolling_restart(world: &mut World, seed: &mut Seed) -> io::Result<Made> {
    world.audit()?;
    let jobs = with_other_schedules(&world.jobs, &[PULSE, "medium"], seed);
    world.roll_out("rolling restart", jobs, false)?;
    Ok(Made::now())
}

/// The same, with a release that lacks a job and has a new one; and then back, before the job is gone: the nodes that
/// return account for its ticks of the time without it.
fn deploy_and_roll_back(world: &mut World, seed: &mut Seed) -> io::Result<Made> {
    world.audit()?;
    let old = world.jobs.clone();
    let dropped = *seed.pick(&[DROPPED, "sharded"]);
    let mut jobs = with_other_schedules(&old, &[PULSE, "medium", "queue"], seed);
    jobs.retain(|job| job.name != dropped);
    jobs.push(JobSpec::new(NEW, 700, 200));
    world.roll_out("rolling deployment", jobs, seed.within(0..=1) == 0)?;
    world.wait_for_start_of(NEW)?;
    world.wait_for_starts(3)?;
    last(seed.millis(0..=2_000));
    world.roll_out("rollback", old, seed.within(0..=1) == 0)?;
    let made = Made::now();
    world.wait_for_start_of(dropped)?;
    Ok(made)
}

/// A release lacks a job, until that is gone: it has no ticks, and what waits in it ends. Then back.
fn drop_a_job(world: &mut World, seed: &mut Seed) -> io::Result<Made> {
    world.audit()?;
    let old = world.jobs.clone();
    let mut jobs = with_other_schedules(&old, &[PULSE], seed);
    jobs.retain(|job| job.name != DROPPED);
    world.roll_out("rolling deployment", jobs, true)?;
    world.window("nobody has the job", FaultKind::Other, None, |world| {
        let operator = world.operator()?;
        let id = format!("g-{:x}", seed.number());
        let waiting = world.request(&operator, DROPPED, &id)?;
        last(GONE_AFTER);
        world.wait_until_gone(&operator, DROPPED)?;
        world.wait_for_requests(&operator, &[waiting])
    })?;
    world.roll_out("rollback", old, true)?;
    let made = Made::now();
    world.wait_for_start_of(DROPPED)?;
    Ok(made)
}

pub(super) fn with_other_schedules(jobs: &[JobSpec], of: &[&str], seed: &mut Seed) -> Vec<JobSpec> {
    let mut jobs = jobs.to_vec();
    for job in jobs.iter_mut().filter(|job| of.contains(&&*job.name)) {
        let every = match job.name.as_str() {
            PULSE => seed.millis(300..=900),
            _ => seed.millis(700..=1_500),
        };
        let is_same = every == job.every;
        job.every = every + Duration::from_millis(u64::from(is_same));
    }
    jobs
}
