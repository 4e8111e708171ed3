//! A store that breaks one rule.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use scheduled_one_protocol::machine::Now;
use scheduled_one_protocol::message::{
    Ask, Asked, Caller, Cancel, Cancelled, CheckpointRequest, Checkpointed, Claim, Claimed,
    ControlReply, ControlRequest, Finish, Finished, ForgetRequest, Forgotten, Heartbeat,
    HeartbeatReply, OverdueRun, Overlap, Recorded, Register, RegisteredUnit, Renew, Renewed, Reply,
    Take, Taken, Target, UnitStatus, Verdict, WrittenOff,
};
use scheduled_one_protocol::{
    Answer, BoxFuture, Bucket, FencingToken, LedgerRecord, Records, Store, StoreError, TrailId,
    TrailLine, UnitName,
};
use scheduled_one_testkit::ForgetfulStore;

/// The rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tampering {
    /// A repeated claim counts as another one.
    NoncesAreNotKnown,
    /// A run has the token of the one before.
    TokensStandStill,
    /// One run more than allowed goes on at the same time.
    OneSlotMore,
    /// Requests that were under way for too long are carried out.
    NothingIsLate,
    /// A run that another has replaced goes on.
    LostRunsAreRenewed,
    /// The end of a run that was replaced counts as its outcome.
    EveryEndIsRecorded,
    /// The head of a reply does not show the quarantine.
    HeadsHideTheQuarantine,
    /// After a loss of memory ticks are granted at once.
    NoQuarantine,
    /// The bounds of nodes are not learned.
    BoundsAreIgnored,
    /// A line of the ledger is lost.
    LinesAreLost,
    /// Overdue runs are not named.
    NothingIsOverdue,
    /// A run is written off though it was renewed.
    SeqIsIgnored,
    /// Nodes with another number of buckets are served.
    BucketsAreNotCounted,
    /// Answers come in another order than the items.
    OrderIsLost,
    /// Another handle shows another namespace.
    HandlesAreApart,
    /// The greatest batch is refused.
    BatchesAreSmall,
    /// A run that was followed overwrites what the next one left.
    OldCheckpointsWin,
    /// A job is forgotten although a living node has it.
    LivingJobsAreForgotten,
}

impl Tampering {
    pub(crate) const ALL: [Tampering; 18] = [
        Tampering::NoncesAreNotKnown,
        Tampering::TokensStandStill,
        Tampering::OneSlotMore,
        Tampering::NothingIsLate,
        Tampering::LostRunsAreRenewed,
        Tampering::EveryEndIsRecorded,
        Tampering::HeadsHideTheQuarantine,
        Tampering::NoQuarantine,
        Tampering::BoundsAreIgnored,
        Tampering::LinesAreLost,
        Tampering::NothingIsOverdue,
        Tampering::SeqIsIgnored,
        Tampering::BucketsAreNotCounted,
        Tampering::OrderIsLost,
        Tampering::HandlesAreApart,
        Tampering::BatchesAreSmall,
        Tampering::OldCheckpointsWin,
        Tampering::LivingJobsAreForgotten,
    ];
}

/// A good store behind a bad one.
#[derive(Debug)]
pub(crate) struct Tampered {
    inner: ForgetfulStore,
    tampering: Tampering,
    calls: AtomicU64,
}

impl Tampered {
    pub(crate) fn new(inner: ForgetfulStore, tampering: Tampering) -> Self {
        Tampered {
            inner,
            tampering,
            calls: AtomicU64::new(0),
        }
    }

    fn is(&self, tampering: Tampering) -> bool {
        self.tampering == tampering
    }

    fn caller(&self, caller: &Caller) -> Caller {
        let mut caller = caller.clone();
        if self.is(Tampering::NoQuarantine) {
            caller.quarantine_ms = 0;
        }
        if self.is(Tampering::BucketsAreNotCounted) {
            caller.buckets = 1;
        }
        caller
    }

    fn claimed(&self, claim: &Claim) -> Claim {
        let mut claim = claim.clone();
        match self.tampering {
            Tampering::NoncesAreNotKnown => {
                let call = self.calls.fetch_add(1, Ordering::Relaxed);
                claim.nonce = format!("{}-{call}", claim.nonce);
            }
            Tampering::NothingIsLate => claim.valid_until_ms = i64::MAX,
            Tampering::BoundsAreIgnored => claim.bounds = Default::default(),
            Tampering::OneSlotMore => {
                if let Target::Tick(due) = &mut claim.target
                    && let Overlap::Allow(most) = &mut due.overlap
                {
                    *most += 1;
                }
            }
            _ => {}
        }
        claim
    }

    fn answered(&self, claimed: &mut Claimed) {
        match &mut claimed.verdict {
            Verdict::Granted(grant) if self.is(Tampering::TokensStandStill) => {
                grant.token = FencingToken(grant.token.get().saturating_sub(1));
            }
            _ => {}
        }
    }
}

impl Store for Tampered {
    fn claim<'a>(
        &'a self,
        caller: &'a Caller,
        claims: &'a [Claim],
    ) -> Answer<'a, Reply<Vec<Claimed>>> {
        Box::pin(async move {
            if self.is(Tampering::BatchesAreSmall) && claims.len() > 100 {
                return Err(StoreError::Refused("too many claims".to_owned()));
            }
            let sent: Vec<Claim> = claims.iter().map(|claim| self.claimed(claim)).collect();
            let mut reply = self.inner.claim(&self.caller(caller), &sent).await?;
            reply.body.iter_mut().for_each(|it| self.answered(it));
            if self.is(Tampering::OrderIsLost) {
                reply.body.reverse();
            }
            if self.is(Tampering::HeadsHideTheQuarantine) {
                reply.head.quarantine_until_ms = 0;
            }
            Ok(reply)
        })
    }

    fn renew<'a>(
        &'a self,
        caller: &'a Caller,
        renewals: &'a [Renew],
    ) -> Answer<'a, Reply<Vec<Renewed>>> {
        Box::pin(async move {
            let mut reply = self.inner.renew(&self.caller(caller), renewals).await?;
            let now_ms = (reply.head.now_us / 1_000) as i64;
            for (renew, renewed) in renewals.iter().zip(&mut reply.body) {
                if self.is(Tampering::LostRunsAreRenewed) && *renewed == Renewed::Lost {
                    *renewed = Renewed::Until(now_ms + renew.run.lease_ms);
                }
            }
            Ok(reply)
        })
    }

    fn finish<'a>(
        &'a self,
        caller: &'a Caller,
        finishes: &'a [Finish],
    ) -> Answer<'a, Reply<Vec<Finished>>> {
        Box::pin(async move {
            let mut reply = self.inner.finish(&self.caller(caller), finishes).await?;
            for finished in &mut reply.body {
                finished.recorded |= self.is(Tampering::EveryEndIsRecorded);
            }
            Ok(reply)
        })
    }

    fn register<'a>(
        &'a self,
        caller: &'a Caller,
        registrations: &'a [Register],
    ) -> Answer<'a, Reply<Vec<RegisteredUnit>>> {
        Box::pin(async move {
            self.inner
                .register(&self.caller(caller), registrations)
                .await
        })
    }

    fn write_off<'a>(
        &'a self,
        caller: &'a Caller,
        runs: &'a [OverdueRun],
    ) -> Answer<'a, Reply<Vec<WrittenOff>>> {
        Box::pin(async move {
            let mut sent = runs.to_vec();
            if self.is(Tampering::SeqIsIgnored) {
                let at_some_time = Now { us: 1 << 60 };
                let all = Records::survey(&self.inner, at_some_time).await?.overdue;
                for run in &mut sent {
                    let same = |known: &&OverdueRun| {
                        (&known.unit, &known.nonce) == (&run.unit, &run.nonce)
                    };
                    run.seq = all.iter().find(same).map_or(run.seq, |known| known.seq);
                }
            }
            self.inner.write_off(&self.caller(caller), &sent).await
        })
    }

    fn heartbeat<'a>(
        &'a self,
        caller: &'a Caller,
        heartbeat: Heartbeat,
    ) -> Answer<'a, Reply<HeartbeatReply>> {
        Box::pin(async move {
            let mut reply = self
                .inner
                .heartbeat(&self.caller(caller), heartbeat)
                .await?;
            if self.is(Tampering::NothingIsOverdue) {
                reply.body.overdue.clear();
            }
            Ok(reply)
        })
    }

    fn control<'a>(
        &'a self,
        caller: &'a Caller,
        request: &'a ControlRequest,
    ) -> Answer<'a, Reply<ControlReply>> {
        Box::pin(async move { self.inner.control(&self.caller(caller), request).await })
    }

    fn record<'a>(
        &'a self,
        caller: &'a Caller,
        lines: &'a [LedgerRecord],
    ) -> Answer<'a, Reply<Vec<Recorded>>> {
        Box::pin(async move {
            let lost = usize::from(self.is(Tampering::LinesAreLost));
            let caller = self.caller(caller);
            let mut reply = self.inner.record(&caller, &lines[lost..]).await?;
            reply.body.resize(lines.len(), Recorded::Written);
            Ok(reply)
        })
    }

    fn inspect<'a>(
        &'a self,
        caller: &'a Caller,
        units: &'a [UnitName],
    ) -> Answer<'a, Reply<Vec<UnitStatus>>> {
        Box::pin(async move { self.inner.inspect(&self.caller(caller), units).await })
    }

    fn ask<'a>(&'a self, caller: &'a Caller, asks: &'a [Ask]) -> Answer<'a, Reply<Vec<Asked>>> {
        Box::pin(async move { self.inner.ask(&self.caller(caller), asks).await })
    }

    fn take<'a>(&'a self, caller: &'a Caller, takes: &'a [Take]) -> Answer<'a, Reply<Vec<Taken>>> {
        Box::pin(async move { self.inner.take(&self.caller(caller), takes).await })
    }

    fn cancel<'a>(
        &'a self,
        caller: &'a Caller,
        cancels: &'a [Cancel],
    ) -> Answer<'a, Reply<Vec<Cancelled>>> {
        Box::pin(async move { self.inner.cancel(&self.caller(caller), cancels).await })
    }

    fn checkpoint<'a>(
        &'a self,
        caller: &'a Caller,
        request: &'a CheckpointRequest,
    ) -> Answer<'a, Reply<Checkpointed>> {
        Box::pin(async move {
            let mut request = request.clone();
            if self.is(Tampering::OldCheckpointsWin)
                && let Some(write) = &mut request.write
            {
                write.token = FencingToken(u64::MAX >> 12);
            }
            self.inner.checkpoint(&self.caller(caller), &request).await
        })
    }

    fn forget<'a>(
        &'a self,
        caller: &'a Caller,
        request: &'a ForgetRequest,
    ) -> Answer<'a, Reply<Forgotten>> {
        Box::pin(async move {
            let caller = self.caller(caller);
            let mut reply = self.inner.forget(&caller, request).await?;
            if self.is(Tampering::LivingJobsAreForgotten)
                && matches!(reply.body, Forgotten::Lives(_))
            {
                reply.body = Forgotten::Removed;
            }
            Ok(reply)
        })
    }

    fn ledger<'a>(&'a self, job: &'a str, limit: usize) -> Answer<'a, Vec<LedgerRecord>> {
        Store::ledger(&self.inner, job, limit)
    }

    fn trail(&self, before: Option<TrailId>, limit: usize) -> Answer<'_, Vec<TrailLine>> {
        Store::trail(&self.inner, before, limit)
    }

    fn news(&self, seen: u64) -> BoxFuture<'_, u64> {
        Store::news(&self.inner, seen)
    }

    fn open(&self, bucket: Bucket) -> Arc<dyn Store> {
        let other = Bucket::all(2)
            .last()
            .filter(|_| self.is(Tampering::HandlesAreApart));
        match other {
            Some(other) => Store::open(&self.inner, other),
            None => {
                assert_eq!(bucket, Bucket::WHOLE);
                Arc::new(Tampered::new(self.inner.clone(), self.tampering))
            }
        }
    }
}
