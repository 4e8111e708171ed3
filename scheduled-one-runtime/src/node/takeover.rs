//! Takeover: a run that stalls is written off, and if its job asks for that, its
//! next attempt waits in the unit for any node.

use std::sync::Arc;

use crate::event;
use crate::metrics::Metrics;
use crate::metrics::labels::Op;
use crate::node::Node;
use crate::node::inbox::Event;
use crate::node::standstill::write_off_refused_for;
use crate::request_each::Repeat;
use crate::store_client::{StoreClient, StoreHealth};
use scheduled_one_protocol::message::{OverdueRun, WrittenOff};
use scheduled_one_protocol::{StoreError, TickMs, UnitName};

impl Node {
    /// Writes off runs that were overdue for long enough.
    pub(super) fn write_off_stalled(&mut self, seen: &StoreHealth) {
        if !seen.up {
            return;
        }
        let refused = write_off_refused_for(&self.runner.cluster, seen);
        let runs = self.stalls.take_stalled(self.client.now(), refused);
        if !runs.is_empty() {
            let client = Arc::clone(&self.client);
            self.inbox
                .request(async move { Event::WrittenOff(write_off(&client, runs).await) });
        }
    }
}

/// Sends a write-off once. A run without a reply is reported as overdue again.
async fn write_off(client: &StoreClient, runs: Vec<OverdueRun>) -> Vec<(OverdueRun, WrittenOff)> {
    let replies = client
        .request_each(Op::WriteOff, &runs, Repeat::Never, |store, caller, runs| {
            store.write_off(caller, runs)
        })
        .await;
    let replies = runs.into_iter().zip(replies);
    let written_off = replies.filter_map(|(run, reply)| match reply {
        Ok(replied) => Some((run, replied.body)),
        Err(error @ StoreError::Refused(_)) => {
            client.log_refused(&run.unit, TickMs::default(), &error);
            None
        }
        Err(_) => None,
    });
    written_off.collect()
}

/// The units whose runs are lost.
pub(super) fn lost(runs: &[(OverdueRun, WrittenOff)]) -> Vec<UnitName> {
    let lost = runs
        .iter()
        .filter(|(_, became)| *became == WrittenOff::Lost);
    lost.map(|(run, _)| run.unit.clone()).collect()
}

/// Logs what was written off. Returns the units in which another attempt waits.
pub(super) fn taken_over(metrics: &Metrics, runs: Vec<(OverdueRun, WrittenOff)>) -> Vec<UnitName> {
    let mut ready = Vec::new();
    for (run, written_off) in runs {
        match written_off {
            WrittenOff::Lost => {
                event::written_off(&run.unit);
                metrics.lost(&run.unit);
            }
            WrittenOff::TakenOver => {
                event::taken_over(&run.unit);
                metrics.taken_over(&run.unit);
                ready.push(run.unit);
            }
            WrittenOff::Changed | WrittenOff::Quarantined => {}
        }
    }
    ready
}
