//! The requests of a trial: every script once, and the deletion of their keys.

use deadpool_redis::redis::{Cmd, Value, cmd};
use scheduled_one_protocol::message::{
    Caller, Checkpoint, CheckpointRequest, Claim, Forget, ForgetRequest, Heartbeat, JobList, Renew,
    Reply, Target,
};
use scheduled_one_protocol::{Directive, FencingToken, StoreError, UnitName};

use super::messages::{
    FAR_MS, HELD, IDLE, LEASE_MS, LOST, TICK, ask, cancel, claim, control, finish, line,
    overdue_run, register, run_of, take,
};
use crate::keys::Keys;
use crate::script::{self, Operation};
use crate::{decode, encode};

/// A call of the trial.
pub(super) struct Step {
    /// Name of the script or command.
    pub(super) name: &'static str,
    pub(super) command: Cmd,
    /// Reads the reply. Returns the store identity, if the reply has it.
    pub(super) read: Box<dyn Fn(Value) -> Result<Option<String>, StoreError> + Send>,
}

/// Encodes the requests of a script.
type Encode<I> =
    for<'a> fn(&'a Keys, &'a Caller, &'a [I]) -> Result<script::Request<'a>, StoreError>;
/// Decodes the reply of a script.
type Decode<I, T> = fn(Value, &[I]) -> Result<Reply<Vec<T>>, StoreError>;

/// The steps of a trial, under construction.
struct Steps<'a> {
    keys: &'a Keys,
    caller: Caller,
    steps: Vec<Step>,
}

impl Steps<'_> {
    fn batch<I: Send + 'static, T: 'static>(
        &mut self,
        operation: &Operation,
        (encode, decode): (Encode<I>, Decode<I, T>),
        items: Vec<I>,
    ) -> Result<(), StoreError> {
        let command = by_text(operation, &encode(self.keys, &self.caller, &items)?);
        self.push(operation.name, command, move |reply| {
            decode(reply, &items).map(|_| None)
        });
        Ok(())
    }

    fn push(
        &mut self,
        name: &'static str,
        command: Cmd,
        read: impl Fn(Value) -> Result<Option<String>, StoreError> + Send + 'static,
    ) {
        let read = Box::new(read);
        self.steps.push(Step {
            name,
            command,
            read,
        });
    }
}

impl Steps<'_> {
    /// A heartbeat that writes and reads all that one can.
    fn heartbeat(&mut self) -> Result<(), StoreError> {
        let jobs = JobList::new([IDLE]);
        let heartbeat = Heartbeat {
            jobs: jobs.digest(),
            wanted_list: Some(jobs.digest()),
            job_list: Some(jobs),
            wants_load: true,
            ..Heartbeat::alive()
        };
        let request = encode::heartbeat(self.keys, &self.caller, &heartbeat)?;
        let command = by_text(&script::HEARTBEAT, &request);
        self.push(script::HEARTBEAT.name, command, |reply| {
            decode::heartbeat(reply).map(|(reply, _)| Some(reply.head.serving))
        });
        Ok(())
    }
}

impl Steps<'_> {
    /// Directives, and a claim that reads them.
    fn control(&mut self) -> Result<(), StoreError> {
        let request = control();
        let request = encode::control(self.keys, &self.caller, &request)?;
        let command = by_text(&script::CONTROL, &request);
        let key = self.keys.ctl.clone();
        self.push(script::CONTROL.name, command, move |reply| {
            decode::control(&key, true, reply).map(|_| None)
        });
        let claims = vec![claim(IDLE, LEASE_MS)];
        self.batch(&script::CLAIM, (encode::claim, decode::claim), claims)
    }
}

impl Steps<'_> {
    /// A request for a run is asked for and taken, and no run is cancelled.
    fn lane(&mut self) -> Result<(), StoreError> {
        let asks = vec![ask(IDLE)];
        self.batch(&script::ASK, (encode::ask, decode::ask), asks)?;
        let takes = vec![take(IDLE)];
        self.batch(&script::TAKE, (encode::take, decode::take), takes)?;
        let cancels = vec![cancel(IDLE)];
        self.batch(&script::CANCEL, (encode::cancel, decode::cancel), cancels)
    }
}

impl Steps<'_> {
    /// A checkpoint is written, and read.
    fn checkpoint(&mut self) -> Result<(), StoreError> {
        let write = Checkpoint {
            // Not less than that of any run of the trial.
            token: FencingToken(FAR_MS as u64),
            text: "trial".to_owned(),
        };
        for write in [Some(write), None] {
            let unit = UnitName::from(IDLE);
            let request = CheckpointRequest { unit, write };
            let request = encode::checkpoint(self.keys, &self.caller, &request)?;
            let command = by_text(&script::CHECKPOINT, &request);
            self.push(script::CHECKPOINT.name, command, |reply| {
                decode::checkpoint(reply).map(|_| None)
            });
        }
        Ok(())
    }
}

impl Steps<'_> {
    /// A job that nobody has described is not forgotten.
    fn forget(&mut self) -> Result<(), StoreError> {
        let request = ForgetRequest {
            job: LOST.to_owned(),
            units: vec![UnitName::from(LOST)],
            described_ms: 0,
            directive: Directive::default(),
            what: Forget::default(),
        };
        let request = encode::forget(self.keys, &self.caller, &request)?;
        let command = by_text(&script::FORGET, &request);
        self.push(script::FORGET.name, command, |reply| {
            decode::forget(reply).map(|_| None)
        });
        Ok(())
    }
}

/// The call by text: a proxy judges the text, and the server keeps the script for later calls by digest.
fn by_text(operation: &Operation, request: &script::Request<'_>) -> Cmd {
    operation.by_text(request, false)
}

/// All scripts, in an order in which each does what it is for. No request depends on a reply, so that one pipeline has
/// all of them.
pub(super) fn steps(keys: &Keys) -> Result<Vec<Step>, StoreError> {
    let caller = Caller {
        node: "trial".into(),
        name: "trial".into(),
        // The keys are new, so no lease can be forgotten.
        quarantine_ms: 0,
        margin_ms: 0,
        ledger_limit: 8,
        buckets: keys.buckets(),
    };
    let mut steps = Steps {
        keys,
        caller,
        steps: Vec::new(),
    };
    let idle = vec![register(IDLE)];
    steps.batch(
        &script::REGISTER,
        (encode::register, decode::register),
        idle,
    )?;
    let claims = vec![claim(HELD, LEASE_MS), claim(LOST, 0)];
    steps.batch(&script::CLAIM, (encode::claim, decode::claim), claims)?;
    let renewal = Renew {
        run: run_of(HELD),
        valid_until_ms: FAR_MS,
    };
    steps.batch(
        &script::RENEW,
        (encode::renew, decode::renew),
        vec![renewal],
    )?;
    steps.heartbeat()?;
    let overdue = vec![UnitName::from(LOST)];
    let command = by_text(
        &script::READ_OVERDUE,
        &encode::read_overdue(keys, FAR_MS, &overdue),
    );
    steps.push(script::READ_OVERDUE.name, command, move |reply| {
        decode::read_overdue(reply, &overdue).map(|_| None)
    });
    let stalled = vec![overdue_run(LOST)];
    steps.batch(
        &script::WRITE_OFF,
        (encode::write_off, decode::write_off),
        stalled,
    )?;
    let next = vec![Claim {
        target: Target::Queued { oldest: TICK },
        ..claim(LOST, LEASE_MS)
    }];
    steps.batch(&script::CLAIM, (encode::claim, decode::claim), next)?;
    let ends = vec![finish(HELD)];
    steps.batch(&script::FINISH, (encode::finish, decode::finish), ends)?;
    steps.lane()?;
    steps.checkpoint()?;
    let lines = vec![line(HELD)];
    steps.batch(&script::RECORD, (encode::record, decode::record), lines)?;
    let units = vec![IDLE.into(), LOST.into()];
    steps.batch(&script::INSPECT, (encode::inspect, decode::inspect), units)?;
    steps.control()?;
    steps.forget()?;
    let log = keys.log(HELD);
    let mut ledger = cmd("XREVRANGE");
    ledger.arg(&log).arg("+").arg("-").arg("COUNT").arg(8);
    steps.push("XREVRANGE", ledger, move |reply| {
        decode::ledger(HELD, &log, reply).map(|_| None)
    });
    Ok(steps.steps)
}

/// Deletes all keys of a trial.
pub(super) fn delete(keys: &Keys) -> Cmd {
    let mut delete = cmd("DEL");
    delete.arg(&[
        &keys.meta,
        &keys.leases,
        &keys.ready,
        &keys.due,
        &keys.nodes,
        &keys.members,
        &keys.load,
        &keys.lists,
        &keys.ctl,
        &keys.jobs,
        &keys.left,
        &keys.asked,
        &keys.asks,
        &keys.trail,
        &keys.probe,
    ]);
    for unit in [IDLE, HELD, LOST] {
        delete.arg(keys.job(unit)).arg(keys.log(unit));
    }
    let lane = UnitName::from(IDLE).lane();
    delete.arg(keys.job(&lane)).arg(keys.requests(IDLE));
    delete
}

#[cfg(test)]
mod tests {
    use scheduled_one_protocol::Bucket;

    use super::*;

    #[test]
    fn every_script_is_tried() {
        let keys = Keys::new("shop", Bucket::WHOLE).for_trial(7);
        let steps = steps(&keys).unwrap();
        let tried: Vec<&str> = steps.iter().map(|step| step.name).collect();
        for operation in script::all() {
            assert!(tried.contains(&operation.name), "{}", operation.name);
        }
    }
}
