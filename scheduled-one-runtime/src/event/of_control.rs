//! What operators want, what failures come to, and jobs that are gone.

use crate::job_schedules::Rescheduled;
use crate::user_code;
use scheduled_one_protocol::{StoreError, TickMs, UnitName};
use scheduled_one_schedule::Schedule;

use super::TARGET;

/// So many failed runs in a row have paused a job.
pub(crate) fn paused_after(job: &str, failures: u32) {
    warn!(target: TARGET, job, failures, "paused: so many runs in a row have failed; resume the job when that is put right");
}

/// The store did not reply when a job was to be paused.
pub(crate) fn not_paused_after(job: &str, failures: u32, error: &StoreError) {
    warn!(target: TARGET, job, failures, %error, "not paused, although perhaps so many runs in a row have failed; the next failure counts again");
}

/// What became of a schedule that operators want in place of that in the code.
pub(crate) fn rescheduled(job: &str, own: &Schedule, became: &Rescheduled) {
    match became {
        Rescheduled::To(schedule, wanted) => info!(
            target: TARGET,
            job,
            %schedule,
            in_the_code = %own,
            by = wanted.by,
            since_ms = wanted.since_ms,
            "rescheduled: this schedule is in force in place of that in the code"
        ),
        Rescheduled::Reset(schedule) => info!(
            target: TARGET,
            job,
            %schedule,
            "reset: the schedule in the code is in force again"
        ),
        Rescheduled::Void(wanted) => warn!(
            target: TARGET,
            job,
            schedule = %own,
            wanted = wanted.text,
            zone = wanted.zone,
            by = wanted.by,
            "override is void: the code has another schedule now than the one that it was to replace, and the code decides. \
             Ask for it again if it is still wanted"
        ),
        Rescheduled::Unusable(wanted, why) => warn!(
            target: TARGET,
            job,
            wanted = wanted.text,
            zone = wanted.zone,
            by = wanted.by,
            why,
            "override cannot be used by this node, which claims no tick of the job until it is reset"
        ),
    }
}

/// A job of the program that no living node has any more.
pub(crate) fn job_gone(job: &str, application: &str) {
    warn!(
        target: TARGET,
        job,
        application,
        "job gone: no living node has it, and this program has no such job. It has no ticks until a node with it starts \
         again, and what waits in it ends. If it belongs to another program, give each its own `application`"
    );
}

/// A shard of a job that no living node has any more, although nodes have the job.
pub(crate) fn shard_gone(unit: &UnitName) {
    warn!(
        target: TARGET,
        job = unit.as_str(),
        "shard gone: the nodes that live have the job without this shard, in which something waits. What waits in it \
         ends. It has no ticks until a node with it starts again"
    );
}

/// What waited in a job that is gone.
pub(crate) fn ended_gone(unit: &UnitName, tick: TickMs) {
    warn!(target: TARGET, job = unit.as_str(), tick_ms = tick.ms(), "ended: it waited in a job that is gone");
}
