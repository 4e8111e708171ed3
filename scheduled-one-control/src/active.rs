//! The runs of a job that go on now.

use scheduled_one_protocol::UnitName;
use scheduled_one_protocol::message::MAX_BATCH;

use crate::ask::ask;
use crate::control::Control;
use crate::error::Error;
use crate::rights::Action;

/// Most slots of a job.
const MAX_SLOTS: u32 = 32;

/// A run of a job that goes on, or a run that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ActiveRun {
    /// The shard, from 0.
    pub shard: u32,
    /// The tick, in milliseconds since the Unix epoch; of a requested run, when it was asked for.
    pub tick_ms: i64,
    /// The fencing token, which [`Control::cancel`] takes; `None` while it waits.
    pub token: Option<u64>,
    /// Whether somebody asked for it; if not, the schedule did.
    pub is_requested: bool,
}

impl Control {
    /// All runs of a job that go on now, and those that wait behind them, in all shards: of the schedule, and requested
    /// ones. A job that each node runs by itself has none.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownJob`], [`Error::Store`].
    pub async fn active_runs(&self, job: &str) -> Result<Vec<ActiveRun>, Error> {
        self.check_right(Action::View, job).await?;
        let shards = match self.shards(job).await {
            Ok(shards) => shards,
            Err(Error::Argument { .. }) => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let units: Vec<UnitName> = (0..shards.max(1))
            .flat_map(|shard| {
                let unit = UnitName::new(job, shard);
                let lane = unit.lane();
                let slots = (0..=MAX_SLOTS).map(move |slot| unit.with_slot(slot));
                slots.chain([lane])
            })
            .collect();
        let store = self.reader(job);
        let mut runs = Vec::new();
        for batch in units.chunks(MAX_BATCH) {
            let reply = ask(|| store.inspect(&self.caller, batch)).await?;
            for (unit, status) in batch.iter().zip(reply.body) {
                let run = |tick_ms, token| ActiveRun {
                    shard: unit.shard(),
                    tick_ms,
                    token,
                    is_requested: unit.is_lane(),
                };
                let token = status.token.map(|token| token.get());
                runs.extend(status.running.map(|tick| run(tick.ms(), token)));
                runs.extend(status.waiting.iter().map(|tick| run(tick.ms(), None)));
            }
        }
        Ok(runs)
    }
}
