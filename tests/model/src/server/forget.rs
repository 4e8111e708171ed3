//! An operator forgets the job, or takes marks back: served by the same code as in a store with transactions.

use std::collections::HashMap;

use scheduled_one_protocol::WorkingSet;
use scheduled_one_protocol::machine::{Nodes, Now};
use scheduled_one_protocol::message::{ForgetRequest, Forgotten};

use super::{Lane, Line, Memory};
use crate::config::{Config, Guards};

/// Executes the request.
pub(super) fn serve(
    memory: &mut Memory,
    request: &ForgetRequest,
    now: Now,
    guards: &Guards,
) -> Forgotten {
    let unit = Config::unit();
    let quarantine_until_ms = memory.meta.quarantine_until_ms;
    let mut set = WorkingSet {
        now,
        serving: memory.meta.serving.clone(),
        meta: memory.meta.clone(),
        nodes: memory.nodes.clone(),
        catalog: memory.catalog.clone(),
        records: HashMap::from([
            (unit.lane(), memory.lane.record.clone()),
            (unit.clone(), memory.record.clone()),
        ]),
        ..WorkingSet::default()
    };
    if !guards.forget_sees_nodes {
        set.nodes = Nodes::default();
    }
    if !guards.forget_sees_runs {
        set.records
            .values_mut()
            .for_each(|record| record.running = false);
    }
    if !guards.forget_waits {
        set.meta.quarantine_until_ms = 0;
    }
    let forgotten = set.forget(request);
    set.meta.quarantine_until_ms = quarantine_until_ms;
    memory.meta = set.meta;
    memory.catalog = set.catalog;
    if set.forgotten.is_some() {
        memory.record = Default::default();
        memory.lane = Lane::default();
        memory.ledger.clear();
        return forgotten;
    }
    if matches!(forgotten, Forgotten::TakenBack(_)) {
        memory.record = set.records.remove(&unit).unwrap_or_default();
        memory.lane.record = set.records.remove(&unit.lane()).unwrap_or_default();
        for (_, tick) in set.ended_requests {
            memory.lane.requests.remove(&tick);
        }
        // What ran ahead of its time runs again: one line of it counts.
        let is_kept = |line: &Line| line.of_request || line.last.ms() <= now.ms();
        memory.ledger.retain(is_kept);
    }
    forgotten
}
