//! A store that nothing can be changed through.

use scheduled_one_protocol::message::{
    Caller, CheckpointRequest, Checkpointed, ControlReply, ControlRequest, Heartbeat,
    HeartbeatReply, JobsDigest, Reply, UnitStatus,
};
use scheduled_one_protocol::{
    Answer, BoxFuture, DiagnosticContext, LedgerRecord, Report, Store, TrailId, TrailLine, UnitName,
};

/// A store, to read. What changes something needs an [`Authorization`](crate::authorization::Authorization).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a>(&'a dyn Store);

impl<'a> Reader<'a> {
    pub(crate) fn of(store: &'a dyn Store) -> Self {
        Reader(store)
    }

    /// All directives, and the catalog if it is wanted.
    pub(crate) async fn directives(
        self,
        caller: &Caller,
        wants_catalog: bool,
    ) -> Result<Reply<ControlReply>, crate::error::Error> {
        let request = ControlRequest {
            wants_catalog,
            ..ControlRequest::default()
        };
        Ok(crate::ask::ask(|| self.0.control(caller, &request)).await?)
    }

    /// Who lives, and a list of jobs if one is wanted. A heartbeat of a caller that leaves, and was never there,
    /// changes nothing.
    pub(crate) fn members(
        self,
        caller: &'a Caller,
        wanted_list: Option<JobsDigest>,
    ) -> Answer<'a, Reply<HeartbeatReply>> {
        let heartbeat = Heartbeat {
            wanted_list,
            ..Heartbeat::leaving()
        };
        self.0.heartbeat(caller, heartbeat)
    }

    pub(crate) fn inspect(
        self,
        caller: &'a Caller,
        units: &'a [UnitName],
    ) -> Answer<'a, Reply<Vec<UnitStatus>>> {
        self.0.inspect(caller, units)
    }

    /// What the newest run of a unit left.
    pub(crate) async fn checkpoint(
        self,
        caller: &Caller,
        unit: UnitName,
    ) -> Result<Reply<Checkpointed>, crate::error::Error> {
        let request = CheckpointRequest::read(unit);
        Ok(crate::ask::ask(|| self.0.checkpoint(caller, &request)).await?)
    }

    pub(crate) fn ledger(self, job: &'a str, limit: usize) -> Answer<'a, Vec<LedgerRecord>> {
        self.0.ledger(job, limit)
    }

    pub(crate) fn trail(self, before: Option<TrailId>, limit: usize) -> Answer<'a, Vec<TrailLine>> {
        self.0.trail(before, limit)
    }

    /// It writes nothing of the namespace's.
    pub(crate) fn diagnose(self, needs: &'a DiagnosticContext) -> BoxFuture<'a, Report> {
        self.0.diagnose(needs)
    }
}
