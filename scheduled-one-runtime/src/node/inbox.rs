//! What a node waits for: replies to its requests, and the ends of its runs.

use std::future::Future;

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::claim::DecidedBatch;
use crate::event;
use crate::finish::UnitReleased;
use crate::node::audit_watch::Looked;
use crate::node::gone::found::GoneEvent;
use crate::node::lane::TakenBatch;
use crate::node::registration::RegistrationReply;
use crate::store_client::Replied;
use crate::timer::UnitIndex;
use scheduled_one_protocol::message::{
    ControlReply, HeartbeatReply, OverdueRun, RegisteredUnit, WrittenOff,
};
use scheduled_one_protocol::{DecidingSchedule, StoreError};

/// What happens to a node.
pub(super) enum Event {
    /// A batch of claims has its replies.
    Decided(DecidedBatch),
    /// A batch of claims of requests has its replies.
    Taken(TakenBatch),
    /// A run of this node has ended, and its outcome is recorded.
    RunEnded(UnitReleased),
    /// The units are registered.
    Registered(RegistrationReply),
    /// Units that this node adopted, with their watermarks; `None` if the store refuses the unit.
    Adopted(Vec<(UnitIndex, Option<RegisteredUnit>)>),
    /// The directives.
    Controlled(ControlReply),
    /// Jobs are in the catalog.
    Described,
    /// Jobs that the program has dropped: the reply to a request.
    Gone(GoneEvent),
    /// The store has so many news.
    News(u64),
    /// The reply to a heartbeat.
    Heartbeat(Replied<HeartbeatReply>),
    /// The replies to registrations by which this node takes over from others.
    Succeeded(Vec<(UnitIndex, RegisteredUnit)>),
    /// Another schedule decides the ticks of a unit.
    StandsAside(UnitIndex, DecidingSchedule),
    /// The replies to a write-off.
    WrittenOff(Vec<(OverdueRun, WrittenOff)>),
    /// A job's ledger was read for its metrics.
    Looked(Looked),
    /// Ticks of a backfill were asked for.
    Backfilled {
        /// The job.
        job: String,
        /// How many requests were open, whoever asked for them, and how many ticks were asked for.
        read: Result<(usize, usize), StoreError>,
    },
    /// Something may be due, or a signal may have come.
    Woken,
    /// The scheduler is gone.
    Abandoned,
}

/// Where replies and ended runs come from.
pub(super) struct Inbox {
    requests: JoinSet<Event>,
    released: mpsc::UnboundedReceiver<UnitReleased>,
}

impl Inbox {
    pub(super) fn new(released: mpsc::UnboundedReceiver<UnitReleased>) -> Self {
        Inbox {
            requests: JoinSet::new(),
            released,
        }
    }

    /// Sends a request. Its reply is an event.
    pub(super) fn request(&mut self, request: impl Future<Output = Event> + Send + 'static) {
        self.requests.spawn(request);
    }

    /// Drops the requests without a reply.
    pub(super) fn drop_requests(&mut self) {
        self.requests = JoinSet::new();
    }

    /// The next event. The future can be dropped without losing an event.
    pub(super) async fn next(&mut self) -> Event {
        tokio::select! {
            biased;
            Some(reply) = self.requests.join_next() => reply.unwrap_or_else(|error| {
                // A request neither panics nor is aborted while the node runs.
                event::call_failed(&error);
                Event::Woken
            }),
            Some(released) = self.released.recv() => Event::RunEnded(released),
            else => std::future::pending().await,
        }
    }
}
