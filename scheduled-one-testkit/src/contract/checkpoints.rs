//! Random checkpoints: of runs that are the newest of their unit, of older ones, and of some that never were.

use scheduled_one_protocol::message::{Caller, Checkpoint, CheckpointRequest, Checkpointed, Reply};
use scheduled_one_protocol::{FencingToken, Store, UnitName, Wanted};

use super::Breach;
use super::requests::TEXTS;
use super::step::replied;
use super::workload::Workload;

impl Workload {
    fn checkpoint_request(&mut self, unit: UnitName) -> CheckpointRequest {
        if self.random.one_in(3) {
            return CheckpointRequest::read(unit);
        }
        let newest = self.record(&unit).marks.token.get();
        let of_stored = self.model.checkpoints.get(&unit);
        let of_stored = of_stored.map_or(0, |stored| stored.token.get());
        let token = match self.random.range(0, 5) {
            0 => newest.saturating_sub(1),
            1 => of_stored.saturating_sub(1),
            2 => newest.max(of_stored) + 1,
            _ => newest.max(of_stored),
        };
        let write = Checkpoint {
            token: FencingToken(token),
            text: self.random.pick(&TEXTS).replace('\0', ""),
        };
        CheckpointRequest {
            unit,
            write: Some(write),
        }
    }

    pub(super) async fn checkpoint(
        &mut self,
        store: &dyn Store,
        caller: &Caller,
    ) -> Result<u64, Breach> {
        let unit = self.shard();
        let request = self.checkpoint_request(unit);
        self.send_checkpoint(store, caller, request).await
    }

    /// Sends one request, and compares the reply with what the model says.
    pub(super) async fn send_checkpoint(
        &mut self,
        store: &dyn Store,
        caller: &Caller,
        request: CheckpointRequest,
    ) -> Result<u64, Breach> {
        let reply = replied(&request, store.checkpoint(caller, &request)).await?;
        let Reply { head, body } = reply;
        let now = self.enter(&request, caller, &head)?;
        let wanted = Wanted {
            checkpoint: Some(request.unit.clone()),
            ..Wanted::default()
        };
        let expected = self.decide_on(wanted, caller, now, |set| set.checkpoint(&request));
        self.count(match &expected {
            Checkpointed::Found(None) => "checkpoint, there is none",
            Checkpointed::Found(Some(_)) => "checkpoint found",
            Checkpointed::Written => "checkpoint written",
            Checkpointed::Superseded => "checkpoint superseded",
        });
        Breach::unless_same("the reply", &request, &expected, &body)?;
        Ok(1)
    }
}
