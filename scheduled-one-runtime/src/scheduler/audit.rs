//! Collects what an audit is computed from.

use std::ops::Range;

use jiff::Timestamp;

use crate::audit::{Audit, AuditedTick};
use crate::audit_reads::unit_states;
use crate::error::Error;
use crate::metrics::labels::Op;
use crate::scheduler::bucket_worker::BucketWorker;
use crate::scheduler::{MAX_LEDGER_LINES, Scheduler};
use scheduled_one_control::audit::AuditInput;
use scheduled_one_protocol::message::ControlRequest;
use scheduled_one_protocol::{Directive, PastPause};

impl Scheduler {
    /// Each tick of a job of this node in a range of time, by its schedule,
    /// oldest first, with its status: no tick is left out. At most
    /// 10,000 ticks of each shard. Where each node runs the job by itself, nodes
    /// are distinguished by identity, which is new with each start, and each
    /// accounts for the ticks from its first line to its last: a run in between
    /// whose outcome was not recorded is
    /// [`TickStatus::Unknown`](crate::TickStatus::Unknown). The ledger keeps
    /// 1,000 lines a job: what is older is
    /// [`TickStatus::NoLongerKept`](crate::TickStatus::NoLongerKept).
    ///
    /// A tick counts by the schedule that is in force now, and only from when
    /// the job was first seen. Of the time before that schedule took the place
    /// of another one, what the ledger has is listed:
    /// [`audit_in_full`](Self::audit_in_full) says since when no tick is left
    /// out. [`Control::audit`](scheduled_one_control::Control::audit) says the same.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownJob`] if this node has no such job; [`Error::Store`] if
    /// the store does not reply.
    pub async fn audit(
        &self,
        job: &str,
        range: Range<Timestamp>,
    ) -> Result<Vec<AuditedTick>, Error> {
        Ok(self.audit_in_full(job, range).await?.ticks)
    }

    /// The same ticks as of [`audit`](Self::audit), and since when no tick is
    /// left out.
    ///
    /// # Errors
    ///
    /// As of [`audit`](Self::audit).
    pub async fn audit_in_full(&self, job: &str, range: Range<Timestamp>) -> Result<Audit, Error> {
        let found = self.jobs.iter().find(|known| *known.name == *job);
        let found = found.ok_or_else(|| self.unknown(job))?;
        let worker = self.worker(job).ok_or_else(|| self.unknown(job))?;
        // The state first: a run that ends in between is in the ledger by then.
        let units = unit_states(&worker.client, found).await?;
        let lines = worker.client.ledger(job, MAX_LEDGER_LINES).await?;
        let most = worker.client.caller.ledger_limit.min(MAX_LEDGER_LINES);
        let input = AuditInput {
            full: lines.len() >= most,
            lines: lines.into_iter().rev().collect(),
            units,
            pauses: pauses(worker, job).await?,
        };
        let from_ms = range.start.as_millisecond() - 1;
        let now_ms = worker.now_ms();
        let to_ms = (range.end.as_millisecond() - 1).min(now_ms);
        Ok(Audit::of(input.whole(&found.schedule(), from_ms, to_ms)))
    }
}

/// The pauses of a job, by its own directive and by that for all jobs.
pub(super) async fn pauses(worker: &BucketWorker, job: &str) -> Result<Vec<PastPause>, Error> {
    let client = &worker.client;
    if client.health_now().control_version == 0 {
        return Ok(Vec::new());
    }
    let nothing = ControlRequest::default();
    let reply = client.request(Op::Control, |store, caller| store.control(caller, &nothing));
    let directives = reply.await?.body.directives;
    let now_ms = worker.now_ms();
    let of_one = |directive: &Directive| {
        let holding = directive.pause.filter(|pause| pause.holds(now_ms));
        let holding = holding.map(|pause| PastPause {
            from_ms: pause.since_ms,
            to_ms: pause.until_ms.unwrap_or(i64::MAX),
        });
        let past: Vec<PastPause> = directive.past_pauses(now_ms).collect();
        past.into_iter().chain(holding)
    };
    Ok(directives.of(job).flat_map(of_one).collect())
}
