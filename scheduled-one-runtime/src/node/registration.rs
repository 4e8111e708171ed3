//! Registration: a node makes its units known to the store, with the watermarks
//! that it has seen of them. Each living node is a replica of what it saw
//! decided: whenever another store replies than before, or the same one after it
//! was flushed, decisions may be forgotten, and all units are registered again.

use crate::node::units::Units;
use crate::request_each::Repeat;
use crate::store_client::{StoreClient, StoreHealth, StoreIdentity};
use crate::timer::UnitIndex;
use scheduled_one_protocol::StoreError;
use scheduled_one_protocol::message::{Register, Watermarks};

/// With which store the units of a node are registered.
pub(super) struct Registration {
    registered_with: StoreIdentity,
    /// Whether a registration has no reply yet.
    pending: bool,
}

/// The reply to a registration of all units.
pub(super) struct RegistrationReply {
    /// The store identity when the registration began.
    identity: StoreIdentity,
    /// The watermarks of each unit, in their order; `None` if the store refuses the unit.
    watermarks: Vec<Option<Watermarks>>,
}

impl Registration {
    /// Registers the units for the first time. Before that, no tick is due.
    ///
    /// # Errors
    ///
    /// If the store does not reply, or refuses all units.
    pub(super) async fn first(client: &StoreClient, units: &mut Units) -> Result<Self, StoreError> {
        let identity = client.store_identity();
        let mut watermarks = Vec::new();
        let mut refusal = None;
        for batch in units.registrations() {
            for reply in register(client, &batch, Repeat::Never).await {
                match reply {
                    Ok(seen) => watermarks.push(Some(seen)),
                    Err(error @ StoreError::Refused(_)) => {
                        watermarks.push(None);
                        refusal = Some(error);
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        if let Some(error) = refusal.filter(|_| watermarks.iter().all(Option::is_none)) {
            return Err(error);
        }
        learn_all(units, watermarks);
        Ok(Registration {
            registered_with: identity,
            pending: false,
        })
    }

    /// Whether the store may have forgotten what was registered; if so, a registration counts as begun.
    pub(super) fn take_due(&mut self, health: &StoreHealth) -> bool {
        if !health.up || self.pending || health.identity == self.registered_with {
            return false;
        }
        self.pending = true;
        true
    }

    pub(super) fn is_pending(&self) -> bool {
        self.pending
    }

    /// Takes the reply to a registration into account.
    pub(super) fn settle(&mut self, units: &mut Units, reply: RegistrationReply) {
        self.pending = false;
        self.registered_with = reply.identity;
        learn_all(units, reply.watermarks);
    }

    /// The request was dropped.
    pub(super) fn abandon(&mut self) {
        self.pending = false;
    }
}

fn learn_all(units: &mut Units, watermarks: Vec<Option<Watermarks>>) {
    for (index, seen) in watermarks.into_iter().enumerate() {
        if let Some(seen) = seen {
            units.learn(index as UnitIndex, seen);
        }
    }
}

/// Registers all units again, until the store replies.
pub(super) async fn register_again(
    client: &StoreClient,
    identity: StoreIdentity,
    batches: Vec<Vec<Register>>,
) -> RegistrationReply {
    let mut watermarks = Vec::new();
    for batch in batches {
        let replies = register(client, &batch, Repeat::UntilReply).await;
        watermarks.extend(replies.into_iter().map(Result::ok));
    }
    RegistrationReply {
        identity,
        watermarks,
    }
}

/// Registers a batch. A unit that the store refuses has no watermarks, and its claims will be refused until somebody
/// repairs what the error names.
async fn register(
    client: &StoreClient,
    batch: &[Register],
    repeat: Repeat,
) -> Vec<Result<Watermarks, StoreError>> {
    let replies = client
        .request_each(batch, repeat, |store, caller, batch| {
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
