//! Takeover: a run that stalls is written off, and if its job asks for that, its
//! next attempt waits in the unit for any node.

use crate::event;
use crate::request_each::Repeat;
use crate::store_client::StoreClient;
use scheduled_one_protocol::message::{OverdueRun, WrittenOff};
use scheduled_one_protocol::{StoreError, TickMs, UnitName};

/// Sends a write-off once. A run without a reply is reported as overdue again.
pub(super) async fn write_off(
    client: &StoreClient,
    runs: Vec<OverdueRun>,
) -> Vec<(OverdueRun, WrittenOff)> {
    let replies = client
        .request_each(&runs, Repeat::Never, |store, caller, runs| {
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

/// Logs what was written off. Returns the units in which another attempt waits.
pub(super) fn taken_over(runs: Vec<(OverdueRun, WrittenOff)>) -> Vec<UnitName> {
    let mut ready = Vec::new();
    for (run, written_off) in runs {
        match written_off {
            WrittenOff::Lost => event::written_off(&run.unit),
            WrittenOff::TakenOver => {
                event::taken_over(&run.unit);
                ready.push(run.unit);
            }
            WrittenOff::Changed | WrittenOff::Quarantined => {}
        }
    }
    ready
}
