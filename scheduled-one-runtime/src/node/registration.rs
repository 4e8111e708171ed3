//! Registration: a node makes its units known to the store, with the watermarks
//! that it has seen of them. Each living node is a replica of what it saw
//! decided: whenever another store replies than before, or the same one after it
//! was flushed, decisions may be forgotten, and all units are registered again.
//! They are also registered again if the store did not know that the node has
//! its jobs: an operator may have made it forget one of them meanwhile.

use std::sync::Arc;

use crate::event;
use crate::join_all::join_all;
use crate::metrics::labels::Op;
use crate::node::units::Units;
use crate::request_each::Repeat;
use crate::store_client::{StoreClient, StoreHealth, StoreIdentity};
use crate::timer::UnitIndex;
use scheduled_one_protocol::message::{MAX_BATCH, Occasion, Register, RegisteredUnit};
use scheduled_one_protocol::{BoxFuture, StoreError};

/// How long the registration of a node that starts is new: a copy that arrives later decides nothing.
const START_VALID_MS: i64 = 10_000;
/// Most registrations of a node that starts that are sent at once: the store works on one, while the node prepares the
/// other. Each has as much time as any request, so there are not more of them.
const AT_ONCE: usize = 2;

/// With which store the units of a node are registered.
pub(super) struct Registration {
    registered_with: StoreIdentity,
    /// Whether a registration has no reply yet.
    pending: bool,
    /// When they were registered, the store did not know that this node lives and has its jobs.
    was_unseen: bool,
}

/// Why all units are registered again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// The store may have lost its memory.
    Lost,
    /// Somebody may have made it forget a job, because no living node had it.
    Unseen,
}

/// The reply to a registration of all units.
pub(super) struct RegistrationReply {
    /// The store identity when the registration began.
    identity: StoreIdentity,
    /// The reply to each unit; `None` if the store refuses the unit.
    registered: Vec<(UnitIndex, Option<RegisteredUnit>)>,
}

impl Registration {
    /// Registers the units for the first time. Before that, no tick is due.
    ///
    /// # Errors
    ///
    /// If the store does not reply, or refuses all units.
    pub(super) async fn first(
        client: &StoreClient,
        units: &mut Units,
        now_ms: i64,
    ) -> Result<Self, StoreError> {
        let occasion = Occasion::Start {
            valid_until_ms: now_ms + START_VALID_MS,
        };
        let identity = client.health_now().identity;
        let mut registered = false;
        let mut refusal = None;
        let batches: Vec<_> = units.batches().collect();
        for some in batches.chunks(AT_ONCE) {
            let sent = some.iter().map(|range| {
                let batch = units.registrations(range.clone(), occasion);
                let replies = async move { register(client, &batch, Repeat::Never).await };
                Box::pin(replies) as BoxFuture<'_, _>
            });
            let replies = join_all(sent).await;
            let indices = some.iter().cloned().flatten();
            for (index, reply) in indices.zip(replies.into_iter().flatten()) {
                match reply {
                    Ok(seen) => {
                        learn(units, index, seen);
                        registered = true;
                    }
                    Err(error @ StoreError::Refused(_)) => refusal = Some(error),
                    Err(error) => return Err(error),
                }
            }
        }
        if let Some(error) = refusal.filter(|_| !registered) {
            return Err(error);
        }
        Ok(Registration {
            registered_with: identity,
            pending: false,
            was_unseen: false,
        })
    }

    /// Why the store may have forgotten what was registered, if it may; then a registration counts as begun.
    pub(super) fn take_due(&mut self, health: &StoreHealth) -> Option<Why> {
        if !health.up || self.pending {
            return None;
        }
        let was_unseen = std::mem::take(&mut self.was_unseen);
        let why = match health.identity == self.registered_with {
            false => Why::Lost,
            true if was_unseen => Why::Unseen,
            true => return None,
        };
        self.pending = true;
        Some(why)
    }

    /// Until now the store did not know that this node lives and has its jobs. A registration that is under way comes
    /// after that.
    pub(super) fn was_unseen(&mut self) {
        self.was_unseen |= !self.pending;
    }

    pub(super) fn is_pending(&self) -> bool {
        self.pending
    }

    /// Takes the reply to a registration into account.
    pub(super) fn settle(&mut self, units: &mut Units, reply: RegistrationReply) {
        self.pending = false;
        self.registered_with = reply.identity;
        for (index, seen) in reply.registered {
            if let Some(seen) = seen {
                learn(units, index, seen);
            }
        }
    }

    /// The request was dropped.
    pub(super) fn abandon(&mut self) {
        self.pending = false;
    }
}

/// Takes the reply to the registration of a unit into account.
pub(super) fn learn(units: &mut Units, index: UnitIndex, seen: RegisteredUnit) {
    if units.learn_registered(index, seen) {
        let unit = units.get(index);
        if unit.shard == 0 {
            event::schedule_decides(&unit.job.name, &unit.job.schedule());
        }
    }
}

/// Registers some units again, of which other nodes may have decided ticks, and returns them with their watermarks;
/// `None` of units that the store refuses.
pub(super) async fn refresh(
    client: Arc<StoreClient>,
    units: Vec<(UnitIndex, Register)>,
) -> Vec<(UnitIndex, Option<RegisteredUnit>)> {
    let mut refreshed = Vec::with_capacity(units.len());
    for batch in units.chunks(MAX_BATCH) {
        let registrations: Vec<Register> = batch.iter().map(|(_, unit)| unit.clone()).collect();
        let replies = register(&client, &registrations, Repeat::UntilReply).await;
        let indices = batch.iter().map(|(index, _)| *index);
        refreshed.extend(indices.zip(replies.into_iter().map(Result::ok)));
    }
    refreshed
}

/// Registers all units again, in this order and in these batches of it, until the store replies.
pub(super) async fn register_again(
    client: &StoreClient,
    identity: StoreIdentity,
    (order, batches): (Vec<UnitIndex>, Vec<Vec<Register>>),
    lanes: Vec<Register>,
) -> RegistrationReply {
    let mut replies = Vec::with_capacity(order.len());
    for batch in batches {
        let of_batch = register(client, &batch, Repeat::UntilReply).await;
        replies.extend(of_batch.into_iter().map(Result::ok));
    }
    let registered = order.into_iter().zip(replies).collect();
    // What is decided of a lane is learned with each claim of it.
    for batch in lanes.chunks(MAX_BATCH) {
        register(client, batch, Repeat::UntilReply).await;
    }
    RegistrationReply {
        identity,
        registered,
    }
}

/// Registers a batch. A unit that the store refuses has no watermarks, and its claims will be refused until somebody
/// repairs what the error names.
async fn register(
    client: &StoreClient,
    batch: &[Register],
    repeat: Repeat,
) -> Vec<Result<RegisteredUnit, StoreError>> {
    let replies = client
        .request_each(Op::Register, batch, repeat, |store, caller, batch| {
            store.register(caller, batch)
        })
        .await;
    let replies = batch.iter().zip(replies);
    let replies = replies.map(|(unit, reply)| {
        if let Err(error @ StoreError::Refused(_)) = &reply {
            let newest = unit.bounds.decided.unwrap_or_default();
            client.log_refused(&unit.unit, newest, error);
        }
        reply.map(|replied| replied.body)
    });
    replies.collect()
}
