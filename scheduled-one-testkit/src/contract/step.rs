//! One request to the store and to the model.

use std::fmt::Debug;
use std::slice;

use scheduled_one_protocol::machine::{self, Now, Record};
use scheduled_one_protocol::message::{
    Caller, Claim, Finish, Heartbeat, HeartbeatReply, OverdueRun, Recorded, Register, Renew, Reply,
    Take,
};
use scheduled_one_protocol::{Answer, Store, StoreError, Survey, UnitName, Wanted, WorkingSet};

use super::workload::Workload;
use super::{Breach, behaviours, of_ends, of_heartbeats, of_lanes, schedules};

/// An error is no reply.
pub(super) async fn replied<T>(request: &dyn Debug, answer: Answer<'_, T>) -> Result<T, Breach> {
    let expected = "a reply";
    answer
        .await
        .map_err(|error| Breach::new("no reply", request, &expected, &error))
}

/// What a batch needs of requests for runs.
type OfRequests<I> = fn(&[I]) -> Wanted;

/// A request with one answer for each item. The model gets the items one by one: that comes to the same, and shows
/// what each of them met.
struct Batch<'a, I> {
    caller: &'a Caller,
    items: &'a [I],
    requests: OfRequests<I>,
}

impl<I: Debug> Batch<'_, I> {
    async fn compare<B, R: Debug + PartialEq>(
        &self,
        workload: &mut Workload,
        reply: Answer<'_, Reply<Vec<R>>>,
        before: impl Fn(&Workload, &I) -> B,
        decide: impl Fn(&mut WorkingSet, &Caller, &[I]) -> Vec<R>,
        after: impl Fn(&mut Workload, &I, &B, &R),
    ) -> Result<u64, Breach> {
        let Reply { head, body } = replied(&self.items, reply).await?;
        let now = workload.enter(&self.items, self.caller, &head)?;
        let mut met = Vec::new();
        let mut expected = Vec::new();
        for item in self.items {
            met.push(before(workload, item));
            let one = slice::from_ref(item);
            let wanted = (self.requests)(one);
            let step = |set: &mut WorkingSet| decide(set, self.caller, one);
            expected.extend(workload.decide_on(wanted, self.caller, now, step));
            // The behaviour that occurred is named now, while the model still holds what it was decided on.
            if let (Some(before), Some(answer)) = (met.last(), expected.last()) {
                after(workload, item, before, answer);
            }
        }
        Breach::unless_same("the reply", &self.items, &expected, &body)?;
        Ok(self.items.len() as u64)
    }
}

impl Workload {
    /// Sends one random request, and compares the reply with what the model says. Returns how many items it had.
    ///
    /// # Errors
    ///
    /// They differ, or there is no reply.
    pub async fn step(&mut self, store: &dyn Store) -> Result<u64, Breach> {
        let caller = self.caller();
        match self.random.range(0, 30) {
            0..=9 => self.claims(store, &caller).await,
            10..=12 => self.renewals(store, &caller).await,
            13..=14 => self.finishes(store, &caller).await,
            15 => self.registrations(store, &caller).await,
            16..=17 => self.write_offs(store, &caller).await,
            18 => self.record_lines(store, &caller).await,
            19 => {
                let items = self.batch(Workload::unit);
                self.inspect(store, &caller, &items).await
            }
            28 => self.control(store, &caller).await,
            29 => self.checkpoint(store, &caller).await,
            30 => self.forget(store, &caller).await,
            20..=21 => self.asks(store, &caller).await,
            22..=24 => self.take_requests(store, &caller).await,
            25 => self.cancels(store, &caller).await,
            26 => self.other_buckets(store, caller).await,
            _ => self.heartbeat(store, &caller).await,
        }
    }

    async fn claims(&mut self, store: &dyn Store, caller: &Caller) -> Result<u64, Breach> {
        let items = &self.batch(Workload::claim);
        let reply = store.claim(caller, items);
        let before = |workload: &Workload, claim: &Claim| behaviours::records(workload, claim);
        let batch = Batch {
            caller,
            items,
            requests: no_requests,
        };
        batch
            .compare(
                self,
                reply,
                before,
                WorkingSet::claim,
                |workload, claim, before, claimed| {
                    behaviours::claimed(workload, claim, before, claimed);
                    workload.remember(&claimed.verdict);
                },
            )
            .await
    }

    async fn renewals(&mut self, store: &dyn Store, caller: &Caller) -> Result<u64, Breach> {
        let items = &self.batch(Workload::renew);
        let reply = store.renew(caller, items);
        let before = |workload: &Workload, renew: &Renew| workload.record(&renew.run.unit);
        let batch = Batch {
            caller,
            items,
            requests: no_requests,
        };
        batch
            .compare(
                self,
                reply,
                before,
                WorkingSet::renew,
                |workload, renew, before, answer| {
                    changed(workload, "renew", &renew.run.unit, before, answer);
                },
            )
            .await
    }

    async fn finishes(&mut self, store: &dyn Store, caller: &Caller) -> Result<u64, Breach> {
        let items = &self.batch(Workload::finish);
        let reply = store.finish(caller, items);
        let before = |workload: &Workload, finish: &Finish| workload.record(&finish.run.unit);
        let batch = Batch {
            caller,
            items,
            requests: no_requests,
        };
        batch
            .compare(
                self,
                reply,
                before,
                WorkingSet::finish,
                |workload, finish, before, answer| {
                    of_ends::finished(workload, finish, before, *answer);
                },
            )
            .await
    }

    async fn registrations(&mut self, store: &dyn Store, caller: &Caller) -> Result<u64, Breach> {
        let items = self.batch(Workload::register);
        self.register_these(store, caller, &items).await
    }

    pub(super) async fn register_these(
        &mut self,
        store: &dyn Store,
        caller: &Caller,
        items: &[Register],
    ) -> Result<u64, Breach> {
        let reply = store.register(caller, items);
        let before = |workload: &Workload, register: &Register| workload.record(&register.unit);
        let batch = Batch {
            caller,
            items,
            requests: Wanted::registrations,
        };
        batch
            .compare(
                self,
                reply,
                before,
                WorkingSet::register,
                |workload, register, before, answer| {
                    changed(workload, "register", &register.unit, before, answer);
                    schedules::registered(workload, register, before);
                },
            )
            .await
    }

    async fn write_offs(&mut self, store: &dyn Store, caller: &Caller) -> Result<u64, Breach> {
        let items = &self.batch(Workload::write_off);
        let reply = store.write_off(caller, items);
        let before = |workload: &Workload, run: &OverdueRun| workload.record(&run.unit);
        let batch = Batch {
            caller,
            items,
            requests: no_requests,
        };
        batch
            .compare(
                self,
                reply,
                before,
                WorkingSet::write_off,
                |workload, run, before, answer| {
                    changed(workload, "write_off", &run.unit, before, answer);
                },
            )
            .await
    }

    async fn asks(&mut self, store: &dyn Store, caller: &Caller) -> Result<u64, Breach> {
        let items = &self.batch(Workload::ask);
        let reply = store.ask(caller, items);
        let batch = Batch {
            caller,
            items,
            requests: Wanted::asks,
        };
        batch
            .compare(
                self,
                reply,
                |_, _| (),
                |set, _, asks| set.ask(asks),
                |workload, _, (), answer| workload.count(&behaviours::answer("ask", answer)),
            )
            .await
    }

    async fn take_requests(&mut self, store: &dyn Store, caller: &Caller) -> Result<u64, Breach> {
        let items = &self.takes();
        let reply = store.take(caller, items);
        let before = |workload: &Workload, take: &Take| {
            let unit = take.lane.without_slot();
            (workload.record(&take.lane), workload.record(&unit))
        };
        let batch = Batch {
            caller,
            items,
            requests: Wanted::takes,
        };
        batch
            .compare(
                self,
                reply,
                before,
                WorkingSet::take,
                |workload, take, (lane, own), taken| {
                    of_lanes::taken(workload, take, lane, own, taken);
                    workload.remember(&taken.claimed.verdict);
                },
            )
            .await
    }

    async fn cancels(&mut self, store: &dyn Store, caller: &Caller) -> Result<u64, Breach> {
        let items = &self.batch(Workload::cancel);
        let reply = store.cancel(caller, items);
        let batch = Batch {
            caller,
            items,
            requests: no_requests,
        };
        batch
            .compare(
                self,
                reply,
                |_, _| (),
                |set, _, cancels| set.cancel(cancels),
                |workload, _, (), answer| workload.count(&behaviours::answer("cancel", answer)),
            )
            .await
    }

    async fn record_lines(&mut self, store: &dyn Store, caller: &Caller) -> Result<u64, Breach> {
        let lines = self.batch(Workload::line);
        let Reply { head, body } = replied(&lines, store.record(caller, &lines)).await?;
        let now = self.enter(&lines, caller, &head)?;
        Breach::unless_same(
            "the reply",
            &lines,
            &vec![Recorded::Written; lines.len()],
            &body,
        )?;
        self.decide(caller, now, |set| set.lines.extend(lines.iter().cloned()));
        lines.iter().for_each(|_| self.count("record"));
        Ok(lines.len() as u64)
    }

    pub(super) async fn inspect(
        &mut self,
        store: &dyn Store,
        caller: &Caller,
        items: &[UnitName],
    ) -> Result<u64, Breach> {
        let Reply { head, body } = replied(&items, store.inspect(caller, items)).await?;
        self.enter(&items, caller, &head)?;
        let expected: Vec<_> = items
            .iter()
            .map(|unit| self.record(unit).status())
            .collect();
        Breach::unless_same("what is stored of units", &items, &expected, &body)?;
        items.iter().for_each(|_| self.count("inspect"));
        Ok(items.len() as u64)
    }

    pub(super) async fn heartbeat(
        &mut self,
        store: &dyn Store,
        caller: &Caller,
    ) -> Result<u64, Breach> {
        let heartbeat = self.heartbeat_request();
        let Reply { head, body } =
            replied(&heartbeat, store.heartbeat(caller, heartbeat.clone())).await?;
        let now = self.enter(&heartbeat, caller, &head)?;
        let membership = self.decide(caller, now, |set| set.heartbeat(caller, &heartbeat));
        let Survey {
            ready,
            unclaimed,
            overdue,
        } = self.model.survey(now);
        let expected = HeartbeatReply {
            ready,
            unclaimed,
            overdue,
            ..membership
        };
        self.count("heartbeat");
        of_heartbeats::replied(self, &expected);
        Breach::unless_same("the reply", &heartbeat, &expected, &body)?;
        Ok(1)
    }

    /// A node that believes in another number of buckets, where one is known.
    async fn other_buckets(&mut self, store: &dyn Store, caller: Caller) -> Result<u64, Breach> {
        let meta = &mut self.model.meta;
        if (meta.buckets, meta.version) == (0, 0) {
            return Ok(0);
        }
        let caller = Caller {
            buckets: caller.buckets % 3 + 1,
            ..caller
        };
        let now = Now { us: 0 }; // it does not come to that
        let refused = machine::enter(meta, "", &caller, now);
        let expected: Option<StoreError> = refused.err().map(Into::into);
        let claims = self.batch(Workload::claim);
        let claimed = store.claim(&caller, &claims).await.err();
        Breach::unless_same(
            "a claim of another number of buckets",
            &caller,
            &expected,
            &claimed,
        )?;
        let heard = store.heartbeat(&caller, Heartbeat::alive()).await.err();
        Breach::unless_same(
            "a heartbeat of another number of buckets",
            &caller,
            &expected,
            &heard,
        )?;
        self.count("other buckets");
        Ok(claims.len() as u64)
    }
}

fn no_requests<I>(_: &[I]) -> Wanted {
    Wanted::default()
}

fn changed(
    workload: &mut Workload,
    operation: &str,
    unit: &UnitName,
    before: &Record,
    answer: &impl Debug,
) {
    workload.count(&behaviours::answer(operation, answer));
    behaviours::changed(workload, operation, unit, before);
}
