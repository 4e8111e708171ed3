//! The operations of the store: encode the request, call the script, decode the reply.

use std::sync::Arc;
use std::time::Duration;

use deadpool_redis::redis::cmd;
use scheduled_one_protocol::message::{
    Ask, Asked, Caller, Cancel, Cancelled, CheckpointRequest, Checkpointed, Claim, Claimed,
    ControlReply, ControlRequest, Finish, Finished, ForgetRequest, Forgotten, Heartbeat,
    HeartbeatReply, OverdueRun, Recorded, Register, RegisteredUnit, Renew, Renewed, Reply, Take,
    Taken, UnitStatus, Verdict, WrittenOff,
};
use scheduled_one_protocol::{
    Answer, BoxFuture, Bucket, DiagnosticContext, Finding, LedgerRecord, PreflightError, Report,
    Store, StoreError, TickMs, TrailId, TrailLine, UnitName,
};
use tokio::time::Instant;

use crate::connection::ConnectionId;
use crate::doctor::{self, HighWaterMark};
use crate::{ANSWER_TIMEOUT, RedisStore, Shared, decode, diagnose, encode, script};

impl Store for RedisStore {
    fn claim<'a>(
        &'a self,
        caller: &'a Caller,
        claims: &'a [Claim],
    ) -> Answer<'a, Reply<Vec<Claimed>>> {
        Box::pin(async move {
            let request = encode::claim(self.keys(), caller, claims)?;
            let reply = self.run_within(ANSWER_TIMEOUT, &script::CLAIM, &request);
            let (value, connection_id) = reply.await?;
            let mut reply = decode::claim(value, claims)?;
            let leases = claims.iter().map(|claim| claim.lease_ms);
            let verdicts = reply.body.iter_mut().map(|claimed| &mut claimed.verdict);
            let decided = leases.zip(verdicts).collect();
            self.confirm(connection_id, decided).await?;
            Ok(reply)
        })
    }

    fn renew<'a>(
        &'a self,
        caller: &'a Caller,
        renewals: &'a [Renew],
    ) -> Answer<'a, Reply<Vec<Renewed>>> {
        Box::pin(async move {
            let request = encode::renew(self.keys(), caller, renewals)?;
            let bound = renewal_timeout(renewals);
            let (value, _) = self.run_within(bound, &script::RENEW, &request).await?;
            decode::renew(value, renewals)
        })
    }

    fn finish<'a>(
        &'a self,
        caller: &'a Caller,
        finishes: &'a [Finish],
    ) -> Answer<'a, Reply<Vec<Finished>>> {
        Box::pin(async move {
            let request = encode::finish(self.keys(), caller, finishes)?;
            decode::finish(self.run(&script::FINISH, &request).await?, finishes)
        })
    }

    fn register<'a>(
        &'a self,
        caller: &'a Caller,
        registrations: &'a [Register],
    ) -> Answer<'a, Reply<Vec<RegisteredUnit>>> {
        Box::pin(async move {
            let request = encode::register(self.keys(), caller, registrations)?;
            decode::register(self.run(&script::REGISTER, &request).await?, registrations)
        })
    }

    fn write_off<'a>(
        &'a self,
        caller: &'a Caller,
        runs: &'a [OverdueRun],
    ) -> Answer<'a, Reply<Vec<WrittenOff>>> {
        Box::pin(async move {
            let request = encode::write_off(self.keys(), caller, runs)?;
            decode::write_off(self.run(&script::WRITE_OFF, &request).await?, runs)
        })
    }

    fn heartbeat<'a>(
        &'a self,
        caller: &'a Caller,
        heartbeat: Heartbeat,
    ) -> Answer<'a, Reply<HeartbeatReply>> {
        Box::pin(async move {
            let request = encode::heartbeat(self.keys(), caller, &heartbeat)?;
            let (mut reply, units) =
                decode::heartbeat(self.run(&script::HEARTBEAT, &request).await?)?;
            // Rare: runs are overdue only when a node died or is cut off.
            if !units.is_empty() && !self.may_only_read() {
                let now_ms = (reply.head.now_us / 1000) as i64;
                let request = encode::read_overdue(self.keys(), now_ms, &units);
                let value = self.run(&script::READ_OVERDUE, &request).await?;
                reply.body.overdue = decode::read_overdue(value, &units)?;
            }
            Ok(reply)
        })
    }

    fn control<'a>(
        &'a self,
        caller: &'a Caller,
        request: &'a ControlRequest,
    ) -> Answer<'a, Reply<ControlReply>> {
        Box::pin(async move {
            let encoded = encode::control(self.keys(), caller, request)?;
            let value = self.run(&script::CONTROL, &encoded).await?;
            decode::control(&self.keys().ctl, request.wants_catalog, value)
        })
    }

    fn record<'a>(
        &'a self,
        caller: &'a Caller,
        lines: &'a [LedgerRecord],
    ) -> Answer<'a, Reply<Vec<Recorded>>> {
        Box::pin(async move {
            let request = encode::record(self.keys(), caller, lines)?;
            decode::record(self.run(&script::RECORD, &request).await?, lines)
        })
    }

    fn inspect<'a>(
        &'a self,
        caller: &'a Caller,
        units: &'a [UnitName],
    ) -> Answer<'a, Reply<Vec<UnitStatus>>> {
        Box::pin(async move {
            let request = encode::inspect(self.keys(), caller, units)?;
            decode::inspect(self.run(&script::INSPECT, &request).await?, units)
        })
    }

    fn ask<'a>(&'a self, caller: &'a Caller, asks: &'a [Ask]) -> Answer<'a, Reply<Vec<Asked>>> {
        Box::pin(async move {
            let request = encode::ask(self.keys(), caller, asks)?;
            decode::ask(self.run(&script::ASK, &request).await?, asks)
        })
    }

    fn take<'a>(&'a self, caller: &'a Caller, takes: &'a [Take]) -> Answer<'a, Reply<Vec<Taken>>> {
        Box::pin(async move {
            let request = encode::take(self.keys(), caller, takes)?;
            let reply = self.run_within(ANSWER_TIMEOUT, &script::TAKE, &request);
            let (value, connection_id) = reply.await?;
            let mut reply = decode::take(value, takes)?;
            let leases = takes.iter().map(|take| take.lease_ms);
            let taken = reply.body.iter_mut();
            let verdicts = taken.map(|taken| &mut taken.claimed.verdict);
            let decided = leases.zip(verdicts).collect();
            self.confirm(connection_id, decided).await?;
            Ok(reply)
        })
    }

    fn cancel<'a>(
        &'a self,
        caller: &'a Caller,
        cancels: &'a [Cancel],
    ) -> Answer<'a, Reply<Vec<Cancelled>>> {
        Box::pin(async move {
            let request = encode::cancel(self.keys(), caller, cancels)?;
            decode::cancel(self.run(&script::CANCEL, &request).await?, cancels)
        })
    }

    fn checkpoint<'a>(
        &'a self,
        caller: &'a Caller,
        request: &'a CheckpointRequest,
    ) -> Answer<'a, Reply<Checkpointed>> {
        Box::pin(async move {
            let encoded = encode::checkpoint(self.keys(), caller, request)?;
            decode::checkpoint(self.run(&script::CHECKPOINT, &encoded).await?)
        })
    }

    fn forget<'a>(
        &'a self,
        caller: &'a Caller,
        request: &'a ForgetRequest,
    ) -> Answer<'a, Reply<Forgotten>> {
        Box::pin(async move {
            let encoded = encode::forget(self.keys(), caller, request)?;
            decode::forget(self.run(&script::FORGET, &encoded).await?)
        })
    }

    fn ledger<'a>(&'a self, job: &'a str, limit: usize) -> Answer<'a, Vec<LedgerRecord>> {
        Box::pin(async move {
            if limit == 0 {
                return Ok(Vec::new());
            }
            let key = self.keys().log(job);
            let mut command = cmd("XREVRANGE");
            command.arg(&key).arg("+").arg("-").arg("COUNT").arg(limit);
            let deadline = Instant::now() + ANSWER_TIMEOUT;
            match self.connection.send("XREVRANGE", &command, deadline).await {
                Ok(value) => decode::ledger(job, &key, value),
                Err(failure) => Err(self.explain(failure.of_type(&key, "stream")).await),
            }
        })
    }

    fn trail(&self, before: Option<TrailId>, limit: usize) -> Answer<'_, Vec<TrailLine>> {
        Box::pin(async move {
            if limit == 0 {
                return Ok(Vec::new());
            }
            let key = &self.keys().trail;
            let newest = before.map_or_else(|| "+".to_owned(), |id| format!("({id}"));
            let mut command = cmd("XREVRANGE");
            command
                .arg(key)
                .arg(newest)
                .arg("-")
                .arg("COUNT")
                .arg(limit);
            let deadline = Instant::now() + ANSWER_TIMEOUT;
            match self.connection.send("XREVRANGE", &command, deadline).await {
                Ok(value) => decode::trail(key, value),
                Err(failure) => Err(self.explain(failure.of_type(key, "stream")).await),
            }
        })
    }

    fn open(&self, bucket: Bucket) -> Arc<dyn Store> {
        Arc::new(self.in_bucket(bucket))
    }

    fn preflight(&self) -> BoxFuture<'_, Result<Vec<Finding>, PreflightError>> {
        Box::pin(async move { self.check().await.map_err(PreflightError::from) })
    }

    fn preflight_for_control(&self) -> BoxFuture<'_, Result<(), PreflightError>> {
        Box::pin(async move { self.check_for_control().await.map_err(PreflightError::from) })
    }

    fn judge_marks(&self, marks: &[(UnitName, TickMs)], now: TickMs) -> Finding {
        let marks: Vec<HighWaterMark> = marks
            .iter()
            .map(|(unit, hwm)| HighWaterMark {
                key: self.keys().job(unit.as_str()),
                hwm_ms: Some(hwm.ms()),
            })
            .collect();
        doctor::marks(self.keys(), &marks, now.ms())
    }

    fn diagnose<'a>(&'a self, needs: &'a DiagnosticContext) -> BoxFuture<'a, Report> {
        Box::pin(async move {
            let Shared { address, keys, .. } = &*self.shared;
            let second = self.another_connection();
            let findings = diagnose::diagnose(&self.subject(&second), needs).await;
            Report::new(format!("{address}, namespace {keys:?}"), findings)
        })
    }
}

impl RedisStore {
    /// Waits until enough replicas have the grants; see [`Replication`](crate::replication::Replication).
    async fn confirm(
        &self,
        connection_id: ConnectionId,
        decided: Vec<(i64, &mut Verdict)>,
    ) -> Result<(), StoreError> {
        let confirmed = self
            .replication
            .confirm(&self.connection, connection_id, decided);
        match confirmed.await {
            Ok(()) => Ok(()),
            Err(failure) => Err(self.explain(failure).await),
        }
    }
}

/// Longest time that a renewal waits, connecting included. A connection that broke without an error has to be replaced
/// while the lease can still be renewed.
fn renewal_timeout(renewals: &[Renew]) -> Duration {
    const LEAST: Duration = Duration::from_millis(500);
    let leases = renewals
        .iter()
        .map(|renew| renew.run.lease_ms.max(0) as u64);
    let shortest = leases.min().map(Duration::from_millis);
    shortest.map_or(ANSWER_TIMEOUT, |lease| {
        (lease / 4).clamp(LEAST, ANSWER_TIMEOUT)
    })
}
