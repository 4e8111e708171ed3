//! The requests of a node, which may find the store in trouble.

use super::*;

impl Store for TestStore {
    fn claim<'a>(
        &'a self,
        caller: &'a Caller,
        claims: &'a [Claim],
    ) -> Answer<'a, Reply<Vec<Claimed>>> {
        let hangs = {
            let mut state = self.state.lock().expect("lock");
            state.claims_sent += claims.len();
            state.hangs
        };
        if hangs == Hangs::Everything {
            return Box::pin(std::future::pending());
        }
        let answer = self.pass(self.inner.claim(caller, claims));
        Box::pin(async move {
            while self.state.lock().expect("lock").hangs == Hangs::Claims {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            let reply = answer.await;
            let late_replies = self.state.lock().expect("lock").late_replies.clone();
            if let Some((clock, delay)) = late_replies {
                clock.advance(delay);
            }
            reply
        })
    }

    fn renew<'a>(
        &'a self,
        caller: &'a Caller,
        renewals: &'a [Renew],
    ) -> Answer<'a, Reply<Vec<Renewed>>> {
        let answer = self.pass(self.inner.renew(caller, renewals));
        Box::pin(async move {
            let reply = answer.await?;
            if reply.body.contains(&Renewed::Lost) {
                self.state.lock().expect("lock").lost.notify_one();
            }
            Ok(reply)
        })
    }

    fn commits_statements(&self) -> bool {
        true
    }

    /// Carries out all of it but the statements.
    fn commit<'a>(
        &'a self,
        caller: &'a Caller,
        finish: &'a Finish,
        _statements: &'a [Statement],
    ) -> Answer<'a, Reply<Finished>> {
        let finishes = std::slice::from_ref(finish);
        let answer = self.pass(self.inner.finish(caller, finishes));
        Box::pin(async move {
            let reply = answer.await?;
            let (loses, lost) = {
                let state = self.state.lock().expect("lock");
                (state.loses_commit, Arc::clone(&state.lost))
            };
            if loses {
                lost.notified().await;
                self.state.lock().expect("lock").loses_commit = false;
                return Err(StoreError::Unknown("the reply is lost".to_owned()));
            }
            Ok(Reply {
                head: reply.head,
                body: reply.body[0],
            })
        })
    }

    fn finish<'a>(
        &'a self,
        caller: &'a Caller,
        finishes: &'a [Finish],
    ) -> Answer<'a, Reply<Vec<Finished>>> {
        if !self.refuses {
            return self.pass(self.inner.finish(caller, finishes));
        }
        let answer = self.inner.finish(caller, &[]);
        self.pass(Box::pin(async move {
            let mut reply = answer.await?;
            let refused = Finished {
                recorded: false,
                ready: false,
            };
            reply.body = vec![refused; finishes.len()];
            let mut state = self.state.lock().expect("lock");
            state.refused.extend_from_slice(finishes);
            Ok(reply)
        }))
    }

    fn register<'a>(
        &'a self,
        caller: &'a Caller,
        registrations: &'a [Register],
    ) -> Answer<'a, Reply<Vec<RegisteredUnit>>> {
        let mut state = self.state.lock().expect("lock");
        state.noticed_failovers = state.failovers;
        state.newest_start = registrations[0].bounds.start;
        let units = registrations.iter().map(|it| it.unit.clone());
        state.registered.extend(units);
        drop(state);
        self.pass(self.inner.register(caller, registrations))
    }

    fn write_off<'a>(
        &'a self,
        caller: &'a Caller,
        runs: &'a [OverdueRun],
    ) -> Answer<'a, Reply<Vec<WrittenOff>>> {
        self.pass(self.inner.write_off(caller, runs))
    }

    fn heartbeat<'a>(
        &'a self,
        caller: &'a Caller,
        heartbeat: Heartbeat,
    ) -> Answer<'a, Reply<HeartbeatReply>> {
        self.pass(self.inner.heartbeat(caller, heartbeat))
    }

    fn control<'a>(
        &'a self,
        caller: &'a Caller,
        request: &'a ControlRequest,
    ) -> Answer<'a, Reply<ControlReply>> {
        self.pass(self.inner.control(caller, request))
    }

    fn record<'a>(
        &'a self,
        caller: &'a Caller,
        lines: &'a [LedgerRecord],
    ) -> Answer<'a, Reply<Vec<Recorded>>> {
        self.pass(self.inner.record(caller, lines))
    }

    fn inspect<'a>(
        &'a self,
        caller: &'a Caller,
        units: &'a [UnitName],
    ) -> Answer<'a, Reply<Vec<UnitStatus>>> {
        let state = self.state.lock().expect("lock");
        let mut damaged = state.damaged.iter();
        if damaged.any(|it| units.iter().any(|unit| unit.as_str() == it)) {
            let why = "a record was edited".to_owned();
            return Box::pin(async { Err(StoreError::Refused(why)) });
        }
        drop(state);
        self.pass(self.inner.inspect(caller, units))
    }

    fn ask<'a>(&'a self, caller: &'a Caller, asks: &'a [Ask]) -> Answer<'a, Reply<Vec<Asked>>> {
        self.pass(self.inner.ask(caller, asks))
    }

    fn take<'a>(&'a self, caller: &'a Caller, takes: &'a [Take]) -> Answer<'a, Reply<Vec<Taken>>> {
        self.state.lock().expect("lock").takes_sent += takes.len();
        self.pass(self.inner.take(caller, takes))
    }

    fn cancel<'a>(
        &'a self,
        caller: &'a Caller,
        cancels: &'a [Cancel],
    ) -> Answer<'a, Reply<Vec<Cancelled>>> {
        self.pass(self.inner.cancel(caller, cancels))
    }

    fn forget<'a>(
        &'a self,
        caller: &'a Caller,
        request: &'a ForgetRequest,
    ) -> Answer<'a, Reply<Forgotten>> {
        self.pass(self.inner.forget(caller, request))
    }

    fn checkpoint<'a>(
        &'a self,
        caller: &'a Caller,
        request: &'a CheckpointRequest,
    ) -> Answer<'a, Reply<Checkpointed>> {
        self.pass(self.inner.checkpoint(caller, request))
    }

    fn ledger<'a>(&'a self, job: &'a str, limit: usize) -> Answer<'a, Vec<LedgerRecord>> {
        Box::pin(async move {
            let mut lines = self.inner.ledger(job, limit).await?;
            let mut state = self.state.lock().expect("lock");
            state.ledgers_read += 1;
            lines.retain(|line| !state.lost_lines.contains(&line.tick.ms()));
            Ok(lines)
        })
    }

    fn trail(&self, before: Option<TrailId>, limit: usize) -> Answer<'_, Vec<TrailLine>> {
        self.inner.trail(before, limit)
    }

    fn news(&self, seen: u64) -> BoxFuture<'_, u64> {
        self.inner.news(seen)
    }

    fn open(&self, bucket: Bucket) -> Arc<dyn Store> {
        let index = bucket.index() as usize;
        let other = index
            .checked_sub(1)
            .and_then(|index| self.others.get(index));
        Arc::new(other.unwrap_or(self).clone())
    }
}
