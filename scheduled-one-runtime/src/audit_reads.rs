//! Reads from the store what an audit is computed from.

use crate::compiled_job::CompiledJob;
use crate::metrics::labels::Op;
use crate::store_client::StoreClient;
use scheduled_one_control::audit::UnitState;
use scheduled_one_protocol::message::Overlap;
use scheduled_one_protocol::{ScheduleId, StoreError, TickMs, UnitName};
use scheduled_one_schedule::policy::Scope;

/// What the store knows of the units of a job now, by shard; of a local job, nothing.
pub(crate) async fn unit_states(
    client: &StoreClient,
    job: &CompiledJob,
) -> Result<Vec<(u32, UnitState)>, StoreError> {
    let read = read_units(client, job).await?;
    Ok(read.into_iter().map(|it| (it.shard, it.state)).collect())
}

/// The same, if the schedule of this node decides the ticks of all of them, or nobody has registered one; otherwise
/// `None`: this node does not know then which ticks there are.
pub(crate) async fn decided_states(
    client: &StoreClient,
    job: &CompiledJob,
) -> Result<Option<Vec<(u32, UnitState)>>, StoreError> {
    let read = read_units(client, job).await?;
    let are_ours = read.iter().all(|it| it.is_ours);
    let states = read.into_iter().map(|it| (it.shard, it.state));
    Ok(are_ours.then(|| states.collect()))
}

/// What the store knows of a unit.
struct ReadUnit {
    shard: u32,
    state: UnitState,
    /// Whether no other schedule than that of this node decides its ticks.
    is_ours: bool,
}

async fn read_units(client: &StoreClient, job: &CompiledJob) -> Result<Vec<ReadUnit>, StoreError> {
    let mut units = Vec::new();
    if job.rules.scope == Scope::One {
        for (shard, unit) in job.units().enumerate() {
            units.push(read_unit(client, job, shard as u32, &unit).await?);
        }
    }
    Ok(units)
}

/// What the store knows of a unit, and of its slots, now.
async fn read_unit(
    client: &StoreClient,
    job: &CompiledJob,
    shard: u32,
    unit: &UnitName,
) -> Result<ReadUnit, StoreError> {
    let slots = match job.rules.overlap {
        Overlap::Allow(most) => most,
        _ => 0,
    };
    let units: Vec<UnitName> = (0..=slots).map(|slot| unit.with_slot(slot)).collect();
    let inspected = client
        .request(Op::Inspect, |store, caller| store.inspect(caller, &units))
        .await?
        .body;
    let marks = inspected.first().map(|own| own.marks).unwrap_or_default();
    let decides = inspected.first().and_then(|own| own.decides.as_ref());
    let since_ms = decides.map_or(0, |decides| decides.since_ms);
    let waiting = inspected.iter().flat_map(|unit| &unit.waiting);
    let ours = ScheduleId(job.schedules.own().identity().as_u64());
    let state = UnitState {
        decided_to_ms: marks.decided_to().map_or(0, TickMs::ms),
        first_seen_ms: marks.first_seen_ms.unwrap_or(0),
        // Ticks of this schedule from before it took the place of another one were never ticks of the job.
        since_ms: since_ms.max(job.since_ms()),
        waiting: waiting.map(|tick| tick.ms()).collect(),
        running: inspected
            .iter()
            .filter_map(|unit| unit.running.map(TickMs::ms))
            .collect(),
    };
    Ok(ReadUnit {
        shard,
        state,
        is_ours: decides.is_none_or(|decides| decides.id == ours),
    })
}
