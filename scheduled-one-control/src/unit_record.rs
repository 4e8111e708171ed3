//! What is stored of the units of a job: of its shards, of their slots, and of their lanes.

use scheduled_one_protocol::UnitName;
use scheduled_one_protocol::message::{MAX_BATCH, UnitStatus};

use crate::ask::ask;
use crate::control::Control;
use crate::error::Error;
use crate::glance::OpenRun;

/// Most slots of a shard.
const MAX_SLOTS: u32 = 32;
/// Most shards whose records are read at once.
pub(crate) const MAX_SHOWN: u32 = 64;

/// What is stored of a unit of a job.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct UnitRecord {
    /// A shard (the first has the name of the job), a slot of a shard for runs at the same time (`overlap = allow(n)`),
    /// or the lane of a shard, in which requests wait.
    pub unit: UnitName,
    /// What is decided, running and waiting in it.
    pub status: UnitStatus,
}

impl UnitRecord {
    /// The run that is active in it, and those that wait.
    pub(crate) fn open_runs(&self) -> impl Iterator<Item = OpenRun> + '_ {
        let run = |tick, token| OpenRun {
            shard: self.unit.shard(),
            tick,
            token,
            is_requested: self.unit.is_lane(),
        };
        let status = &self.status;
        let running = status.running.map(|tick| run(tick, status.token));
        let waiting = status.waiting.iter().map(move |tick| run(*tick, None));
        running.into_iter().chain(waiting)
    }
}

impl Control {
    /// The records of the first shards of a job, of their slots and lanes; without slots and lanes of which nothing is
    /// stored.
    pub(crate) async fn unit_records(
        &self,
        job: &str,
        shards: u32,
    ) -> Result<Vec<UnitRecord>, Error> {
        let of_shard = |shard| {
            let unit = UnitName::new(job, shard);
            let lane = unit.lane();
            let slots = (0..=MAX_SLOTS).map(move |slot| unit.with_slot(slot));
            slots.chain([lane])
        };
        let units: Vec<UnitName> = (0..shards).flat_map(of_shard).collect();
        let store = self.reader(job);
        let mut records = Vec::new();
        for batch in units.chunks(MAX_BATCH) {
            let statuses = ask(|| store.inspect(&self.caller, batch)).await?.body;
            let found = batch.iter().zip(statuses);
            let found = found.map(|(unit, status)| UnitRecord {
                unit: unit.clone(),
                status,
            });
            records.extend(
                found.filter(|it| it.unit.is_whole() || it.status != UnitStatus::default()),
            );
        }
        Ok(records)
    }
}
