//! What happened to ends of runs, by name.

use scheduled_one_protocol::machine::Record;
use scheduled_one_protocol::message::{Finish, Finished};

use super::workload::Workload;

/// An outcome that was reported.
pub(super) fn finished(workload: &mut Workload, finish: &Finish, before: &Record, reply: Finished) {
    let after = workload.record(&finish.run.unit);
    let tells = before.run.nonce == finish.run.nonce && before.run.attempt < finish.run.attempt;
    let tells = tells && before.running && before.done != finish.run.nonce;
    if !reply.recorded {
        workload.count("finish refused");
        workload.count_if(tells, "finish refused, tells of an attempt");
        return;
    }
    let repeated = before.done == finish.run.nonce && before.run.nonce != before.done;
    workload.count_if(repeated, "finish recorded before, another has its place");
    let known = repeated || before.run.nonce == finish.run.nonce;
    workload.count("finish recorded");
    workload.count_if(tells, "finish recorded, tells of an attempt");
    workload.count_if(*before == after, "finish recorded before");
    workload.count_if(
        known && after.running && *before != after,
        "finish recorded, retried",
    );
    workload.count_if(!known, "finish recorded, forgotten");
    workload.count_if(
        !known && after.running,
        "finish recorded, forgotten and retried",
    );
    workload.count_if(reply.ready, "finish recorded, ready");
}
