//! One schedule of a job decides its ticks: the one that was registered last, by
//! the start of a node. A node whose schedule is another one stands aside, and
//! takes over when the node that registered the deciding schedule is gone.

use std::sync::Arc;

use crate::metrics::labels::Op;
use crate::node::claiming::Claiming;
use crate::node::registration::learn;
use crate::node::units::Units;
use crate::request_each::Repeat;
use crate::store_client::StoreClient;
use crate::timer::UnitIndex;
use scheduled_one_protocol::message::{MAX_BATCH, Occasion, Register, RegisteredUnit};
use scheduled_one_protocol::{DecidingSchedule, StoreError, UnitName};

/// Which schedule decides the ticks of a job now, as the store says. A node that claims nothing of a job, because no
/// tick is due or another node is preferred, has not learned that a node of another release has started.
pub(super) async fn deciding(
    client: &StoreClient,
    job: &str,
) -> Result<Option<DecidingSchedule>, StoreError> {
    let unit = [UnitName::new(job, 0)];
    let reply = client.request(Op::Inspect, |store, caller| store.inspect(caller, &unit));
    let unit = reply.await?.body.into_iter().next();
    Ok(unit.and_then(|unit| unit.decides))
}

/// The registrations by which this node takes over, with their units; at most one batch.
pub(super) fn successions(
    units: &mut Units,
    living: &[String],
) -> Option<(Vec<UnitIndex>, Vec<Register>)> {
    let mut orphans = units.orphans(living);
    orphans.truncate(MAX_BATCH);
    let registrations = units.registrations(orphans.iter().copied(), Occasion::Succession);
    (!orphans.is_empty()).then_some((orphans, registrations))
}

/// Sends registrations by which this node takes over, once. A unit without a reply is registered again later.
pub(super) async fn send_succession(
    client: Arc<StoreClient>,
    (units, registrations): (Vec<UnitIndex>, Vec<Register>),
) -> Vec<(UnitIndex, RegisteredUnit)> {
    let replies = client
        .request_each(
            Op::Register,
            &registrations,
            Repeat::Never,
            |store, caller, batch| store.register(caller, batch),
        )
        .await;
    let replies = units.into_iter().zip(replies);
    replies
        .filter_map(|(unit, reply)| Some((unit, reply.ok()?.body)))
        .collect()
}

/// Takes the replies into account: the ticks of units that do not stand aside any more are planned anew.
pub(super) fn take_over_ticks(
    units: &mut Units,
    claiming: &mut Claiming,
    replies: Vec<(UnitIndex, RegisteredUnit)>,
    now_ms: i64,
) {
    for (index, seen) in replies {
        learn(units, index, seen);
        if !units.is_aside(index) {
            claiming.hasten(index, now_ms);
        }
    }
}
