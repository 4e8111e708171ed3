//! A store that can load and save records in one atomic step is a [`Store`]: the pure machine decides in between.

use std::fmt;
use std::sync::Arc;

use crate::bucket::Bucket;
use crate::checks::{check_asks, check_control};
use crate::diagnosis::{Finding, Report};
use crate::future::BoxFuture;
use crate::ledger::LedgerRecord;
use crate::machine::damage::{Reads, damage};
use crate::machine::{self, Now};
use crate::message::{
    Ask, Asked, Caller, Cancel, Cancelled, CheckpointRequest, Checkpointed, Claim, Claimed,
    ControlReply, ControlRequest, Finish, Finished, ForgetRequest, Forgotten, Heartbeat,
    HeartbeatReply, OverdueRun, Recorded, Register, RegisteredUnit, Renew, Renewed, Reply, Take,
    Taken, UnitStatus, WrittenOff,
};
use crate::statement::Statement;
use crate::store::{Answer, DiagnosticContext, PreflightError, Store, StoreError};
use crate::trail::{TrailId, TrailLine};
use crate::unit::UnitName;
use crate::wanted::Wanted;
use crate::working_set::WorkingSet;

/// Decides on what was loaded. An error means that nothing may be saved.
pub type Decide<'a> = Box<dyn FnMut(&mut WorkingSet) -> Result<(), StoreError> + Send + 'a>;

/// The records of one bucket in a transactional store, such as a database. Whoever implements this has a [`Store`]:
/// the rules of the protocol are in [`machine`], and no store writes them again.
pub trait Records: fmt::Debug + Send + Sync + 'static {
    /// One atomic step: loads what is `wanted`, with the time of the store's own clock and the identity of the process
    /// and history that serve it; calls `decide`; saves what it changed: the meta data, the nodes and entries of the
    /// catalog if they were wanted, the touched records, the new lines, the new entries of the trail (of which the
    /// newest [`MAX_TRAIL`](crate::MAX_TRAIL) are kept), what became of requests, and a new checkpoint; executes
    /// statements of a job, if it [can](Self::commits_statements); and removes what is stored of a
    /// [forgotten](WorkingSet::forgotten) job.
    ///
    /// Steps that want [entries](Wanted::entries) of the catalog come one after the other; their lock is the first of
    /// all. A step that changes directives comes before or after each step that decides by them: see
    /// [`Access`](crate::Access); its lock is the next.
    ///
    /// Steps that want the same unit, want the nodes, or find other meta data than they would save, come one after the
    /// other. A store that locks rows locks them in one order: meta data, units by name, nodes.
    ///
    /// The clock is read when everything is locked, so that no step has an earlier time than one that was committed
    /// before it. (In PostgreSQL that is `clock_timestamp()`; `now()` is the start of the transaction.)
    ///
    /// A store that has to repeat the step (a serialization failure, a deadlock) loads again and calls `decide` again
    /// with a new set. A commit whose end is unknown is [`StoreError::Unknown`] and is not repeated here: the lines may
    /// be written. If `decide` returns an error, the step saves nothing and returns that error.
    ///
    /// `ledger_limit` is the number of lines that a ledger keeps when a line is added to it; older ones may be deleted
    /// later. Ledgers of other jobs stay as they are: their nodes may have another limit.
    fn transact<'a>(
        &'a self,
        wanted: Wanted,
        ledger_limit: usize,
        decide: Decide<'a>,
    ) -> Answer<'a, ()>;

    /// Units that a node has to attend to: those in which something waits and can start
    /// ([`Record::ready`](machine::Record::ready)), those with a tick that nobody claims
    /// ([`Record::unclaimed`](machine::Record::unclaimed)), the longest first, and running ones that are overdue
    /// ([`Record::overdue_at_ms`](machine::Record::overdue_at_ms)) and not damaged
    /// ([`Reads::Overdue`](machine::damage::Reads)), oldest first. At most
    /// [`MAX_BATCH`](crate::message::MAX_BATCH) of each. May be a moment old.
    fn survey(&self, now: Now) -> Answer<'_, Survey>;

    /// The newest lines of a job's ledger, newest first, at most `limit`.
    fn ledger<'a>(&'a self, job: &'a str, limit: usize) -> Answer<'a, Vec<LedgerRecord>>;

    /// The entries of the trail before one, or of all, the newest first, at most `limit`.
    fn trail(&self, before: Option<TrailId>, limit: usize) -> Answer<'_, Vec<TrailLine>>;

    /// Whether a step executes the [`statements`](WorkingSet::statements) of the set in its transaction, before the
    /// commit. If one fails, the step saves nothing, and returns [`StoreError::Statement`].
    fn commits_statements(&self) -> bool {
        false
    }

    /// See [`Store::news`].
    fn news(&self, _seen: u64) -> BoxFuture<'_, u64> {
        Box::pin(std::future::pending())
    }

    /// The records of a bucket of the same namespace, through connections of their own.
    fn open(&self, bucket: Bucket) -> Arc<dyn Store>;

    /// See [`Store::preflight`].
    fn preflight(&self) -> BoxFuture<'_, Result<Vec<Finding>, PreflightError>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    /// See [`Store::preflight_for_control`].
    fn preflight_for_control(&self) -> BoxFuture<'_, Result<(), PreflightError>> {
        Box::pin(async { self.preflight().await.map(drop) })
    }

    /// See [`Store::diagnose`].
    fn diagnose<'a>(&'a self, needs: &'a DiagnosticContext) -> BoxFuture<'a, Report>;
}

/// Units that a node has to attend to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// Units in which something waits and can start.
    pub ready: Vec<UnitName>,
    /// Units with a tick that nobody claims.
    pub unclaimed: Vec<UnitName>,
    /// Runs whose renewal is overdue, oldest first.
    pub overdue: Vec<OverdueRun>,
}

/// One request: enter, decide, reply.
fn decide<'a, R: Records, T: Send + 'a>(
    records: &'a R,
    caller: &'a Caller,
    wanted: Wanted,
    reads: Reads,
    mut step: impl FnMut(&mut WorkingSet) -> T + Send + 'a,
) -> Answer<'a, Reply<T>> {
    Box::pin(async move {
        let mut reply = None;
        let decide: Decide<'_> = Box::new(|set| {
            machine::enter(&mut set.meta, &set.serving, caller, set.now)?;
            refuse_damaged(set, reads)?;
            let body = step(set);
            let head = set.head();
            reply = Some(Reply { head, body });
            Ok(())
        });
        records
            .transact(wanted, caller.ledger_limit, decide)
            .await?;
        reply.ok_or_else(|| StoreError::Unknown("the store did not decide".to_owned()))
    })
}

/// A request that rests on a damaged record is refused before anything changes.
fn refuse_damaged(set: &WorkingSet, reads: Reads) -> Result<(), StoreError> {
    let damaged = set.records.iter().filter_map(|(unit, record)| {
        let damage = damage(record, set.now, reads)?;
        Some((unit, damage))
    });
    // Always the same one, so that repeated requests log the same text.
    match damaged.min_by_key(|(unit, _)| *unit) {
        None => Ok(()),
        Some((unit, damage)) => Err(StoreError::damaged(unit, &damage)),
    }
}

impl<R: Records> Store for R {
    fn claim<'a>(
        &'a self,
        caller: &'a Caller,
        claims: &'a [Claim],
    ) -> Answer<'a, Reply<Vec<Claimed>>> {
        decide(self, caller, Wanted::claims(claims), Reads::Claim, |set| {
            set.claim(caller, claims)
        })
    }

    fn renew<'a>(
        &'a self,
        caller: &'a Caller,
        renewals: &'a [Renew],
    ) -> Answer<'a, Reply<Vec<Renewed>>> {
        let wanted = Wanted::runs(renewals.iter().map(|renewal| &renewal.run.unit));
        decide(self, caller, wanted, Reads::Run, |set| {
            set.renew(caller, renewals)
        })
    }

    fn finish<'a>(
        &'a self,
        caller: &'a Caller,
        finishes: &'a [Finish],
    ) -> Answer<'a, Reply<Vec<Finished>>> {
        let wanted = Wanted::runs(finishes.iter().map(|finish| &finish.run.unit));
        decide(self, caller, wanted, Reads::Run, |set| {
            set.finish(caller, finishes)
        })
    }

    fn commits_statements(&self) -> bool {
        Records::commits_statements(self)
    }

    fn commit<'a>(
        &'a self,
        caller: &'a Caller,
        finish: &'a Finish,
        statements: &'a [Statement],
    ) -> Answer<'a, Reply<Finished>> {
        if !Records::commits_statements(self) {
            return Box::pin(async { Err(StoreError::no_statements()) });
        }
        if let Some(why) = Statement::refused(statements) {
            return Box::pin(async { Err(StoreError::Statement(why)) });
        }
        let wanted = Wanted::runs([&finish.run.unit]);
        decide(self, caller, wanted, Reads::Run, |set| {
            set.commit(caller, finish, statements)
        })
    }

    fn register<'a>(
        &'a self,
        caller: &'a Caller,
        registrations: &'a [Register],
    ) -> Answer<'a, Reply<Vec<RegisteredUnit>>> {
        let wanted = Wanted::registrations(registrations);
        decide(self, caller, wanted, Reads::Run, |set| {
            set.register(caller, registrations)
        })
    }

    fn write_off<'a>(
        &'a self,
        caller: &'a Caller,
        runs: &'a [OverdueRun],
    ) -> Answer<'a, Reply<Vec<WrittenOff>>> {
        let wanted = Wanted::units(runs.iter().map(|run| &run.unit));
        decide(self, caller, wanted, Reads::Whole, |set| {
            set.write_off(caller, runs)
        })
    }

    fn heartbeat<'a>(
        &'a self,
        caller: &'a Caller,
        heartbeat: Heartbeat,
    ) -> Answer<'a, Reply<HeartbeatReply>> {
        Box::pin(async move {
            let wanted = Wanted::heartbeat(caller, &heartbeat);
            let beat = decide(self, caller, wanted, Reads::Whole, |set| {
                (set.heartbeat(caller, &heartbeat), set.survey.take())
            });
            let Reply {
                head,
                body: (body, survey),
            } = beat.await?;
            let Survey {
                ready,
                unclaimed,
                overdue,
            } = match survey {
                Some(survey) => survey,
                None => self.survey(Now { us: head.now_us }).await?,
            };
            let body = HeartbeatReply {
                ready,
                unclaimed,
                overdue,
                ..body
            };
            Ok(Reply { head, body })
        })
    }

    fn control<'a>(
        &'a self,
        caller: &'a Caller,
        request: &'a ControlRequest,
    ) -> Answer<'a, Reply<ControlReply>> {
        if let Err(refused) = check_control(request) {
            return Box::pin(async { Err(refused) });
        }
        let wanted = Wanted::control(request);
        decide(self, caller, wanted, Reads::Whole, |set| {
            set.control(request)
        })
    }

    fn record<'a>(
        &'a self,
        caller: &'a Caller,
        lines: &'a [LedgerRecord],
    ) -> Answer<'a, Reply<Vec<Recorded>>> {
        decide(self, caller, Wanted::default(), Reads::Whole, |set| {
            set.lines.extend_from_slice(lines);
            vec![Recorded::Written; lines.len()]
        })
    }

    fn inspect<'a>(
        &'a self,
        caller: &'a Caller,
        units: &'a [UnitName],
    ) -> Answer<'a, Reply<Vec<UnitStatus>>> {
        decide(self, caller, Wanted::units(units), Reads::Whole, |set| {
            set.inspect(units)
        })
    }

    fn ask<'a>(&'a self, caller: &'a Caller, asks: &'a [Ask]) -> Answer<'a, Reply<Vec<Asked>>> {
        if let Err(refused) = check_asks(asks) {
            return Box::pin(async { Err(refused) });
        }
        decide(self, caller, Wanted::asks(asks), Reads::Run, |set| {
            set.ask(asks)
        })
    }

    fn take<'a>(&'a self, caller: &'a Caller, takes: &'a [Take]) -> Answer<'a, Reply<Vec<Taken>>> {
        decide(self, caller, Wanted::takes(takes), Reads::Run, |set| {
            set.take(caller, takes)
        })
    }

    fn cancel<'a>(
        &'a self,
        caller: &'a Caller,
        cancels: &'a [Cancel],
    ) -> Answer<'a, Reply<Vec<Cancelled>>> {
        let wanted = Wanted::units(cancels.iter().map(|cancel| &cancel.unit));
        decide(self, caller, wanted, Reads::Run, |set| set.cancel(cancels))
    }

    fn checkpoint<'a>(
        &'a self,
        caller: &'a Caller,
        request: &'a CheckpointRequest,
    ) -> Answer<'a, Reply<Checkpointed>> {
        if let Err(refused) = request.check() {
            return Box::pin(async { Err(StoreError::Refused(refused)) });
        }
        let wanted = Wanted::checkpoint(request);
        decide(self, caller, wanted, Reads::Run, |set| {
            set.checkpoint(request)
        })
    }

    fn forget<'a>(
        &'a self,
        caller: &'a Caller,
        request: &'a ForgetRequest,
    ) -> Answer<'a, Reply<Forgotten>> {
        if let Err(refused) = request.check() {
            return Box::pin(async { Err(StoreError::Refused(refused)) });
        }
        decide(self, caller, Wanted::forget(request), Reads::Run, |set| {
            set.forget(request)
        })
    }

    fn ledger<'a>(&'a self, job: &'a str, limit: usize) -> Answer<'a, Vec<LedgerRecord>> {
        Records::ledger(self, job, limit)
    }

    fn trail(&self, before: Option<TrailId>, limit: usize) -> Answer<'_, Vec<TrailLine>> {
        Records::trail(self, before, limit)
    }

    fn news(&self, seen: u64) -> BoxFuture<'_, u64> {
        Records::news(self, seen)
    }

    fn open(&self, bucket: Bucket) -> Arc<dyn Store> {
        Records::open(self, bucket)
    }

    fn preflight(&self) -> BoxFuture<'_, Result<Vec<Finding>, PreflightError>> {
        Records::preflight(self)
    }

    fn preflight_for_control(&self) -> BoxFuture<'_, Result<(), PreflightError>> {
        Records::preflight_for_control(self)
    }

    fn diagnose<'a>(&'a self, needs: &'a DiagnosticContext) -> BoxFuture<'a, Report> {
        Records::diagnose(self, needs)
    }
}

#[cfg(test)]
mod tests;
