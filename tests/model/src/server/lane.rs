//! Requests for runs: the lane of the unit, served by the same code as in a store with transactions.

use std::collections::{BTreeMap, HashMap};
use std::slice;

use scheduled_one_protocol::machine::{Now, Record};
use scheduled_one_protocol::message::{self, Ask, Caller, Cancel, Take};
use scheduled_one_protocol::{LedgerRecord, TickMs, Wanted, WorkingSet};

use super::{Body, Memory, Request};
use crate::config::{Config, Guards};

/// What is stored of the lane.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Lane {
    /// Its record.
    pub record: Record,
    /// The requests that wait or run, by their ticks.
    pub requests: BTreeMap<TickMs, message::Request>,
    /// The ticks of all requests, by their ids.
    pub known: BTreeMap<String, TickMs>,
}

/// Executes a request that is about the lane.
pub(super) fn serve(
    memory: &mut Memory,
    request: &Request,
    caller: &Caller,
    now: Now,
    guards: &Guards,
    lines: &mut Vec<LedgerRecord>,
) -> Body {
    if !guards.knows_ids {
        memory.lane.known.clear();
    }
    let mut set = load(memory, request, now);
    let body = step(&mut set, request, caller, guards);
    lines.append(&mut set.lines);
    save(memory, set);
    body
}

fn step(set: &mut WorkingSet, request: &Request, caller: &Caller, guards: &Guards) -> Body {
    match request {
        Request::Register(it) => Body::Registered(only(set.register(caller, slice::from_ref(it)))),
        Request::Renew(it) => Body::Renewed(only(set.renew(caller, slice::from_ref(it)))),
        Request::Finish(it) => Body::Finished(only(set.finish(caller, &[(**it).clone()]))),
        Request::WriteOff(it) => Body::WrittenOff(only(set.write_off(caller, slice::from_ref(it)))),
        Request::Ask(it) => Body::Asked(only(set.ask(&[Ask::clone(it)]))),
        Request::Take(it) => Body::Taken(only(set.take(caller, &[Take::clone(it)]))),
        Request::Cancel(it) => {
            let mut cancel = it.clone();
            if !guards.names_token {
                cancel = of_whatever_runs(set, cancel);
            }
            Body::Cancelled(only(set.cancel(&[cancel])))
        }
        _ => unreachable!("no request about a lane"),
    }
}

fn only<T>(replies: Vec<T>) -> T {
    let [reply] = <[T; 1]>::try_from(replies).unwrap_or_else(|_| panic!("one reply"));
    reply
}

/// The guard is gone: the run of the unit or lane, whichever it is.
fn of_whatever_runs(set: &WorkingSet, cancel: Cancel) -> Cancel {
    let record = set.records.get(&cancel.unit).expect("loaded");
    Cancel {
        token: record.run.token,
        ..cancel
    }
}

fn load(memory: &mut Memory, request: &Request, now: Now) -> WorkingSet {
    let Lane {
        record,
        requests,
        known,
    } = &memory.lane;
    let unit = Config::unit();
    let mut set = WorkingSet {
        now,
        serving: memory.meta.serving.clone(),
        meta: memory.meta.clone(),
        records: HashMap::from([
            (unit.lane(), record.clone()),
            (unit.clone(), memory.record.clone()),
        ]),
        known_requests: known
            .iter()
            .map(|(id, tick)| ((unit.clone(), id.clone()), *tick))
            .collect(),
        ..WorkingSet::default()
    };
    if let Request::Take(take) = request {
        let wanted = Wanted::takes(slice::from_ref(&**take));
        for (lane, tick) in set.first_ticks(&wanted) {
            if let Some(request) = requests.get(&tick) {
                set.first_requests.insert(lane, (tick, request.clone()));
            }
        }
    }
    set
}

fn save(memory: &mut Memory, mut set: WorkingSet) {
    let unit = Config::unit();
    let lane = &mut memory.lane;
    memory.meta = set.meta;
    memory.record = set.records.remove(&unit).unwrap_or_default();
    lane.record = set.records.remove(&unit.lane()).unwrap_or_default();
    let new = set.new_requests.into_iter();
    lane.requests
        .extend(new.map(|(_, tick, request)| (tick, request)));
    for (_, tick) in set.ended_requests {
        lane.requests.remove(&tick);
    }
    let known = set.new_known.into_iter();
    lane.known.extend(known.map(|(_, id, tick)| (id, tick)));
}
