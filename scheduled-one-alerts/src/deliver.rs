//! Delivers what is due, over all channels at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use scheduled_one_protocol::BoxFuture;

use crate::alert::Alert;
use crate::alerts::Alerts;
use crate::at_once::{at_once, caught};
use crate::channel::{Channel, DeliveryError};
use crate::outbox::Delivery;
use crate::state::AlertState;

/// A channel, and what became of its messages by id.
type Sent = (String, Vec<(String, Result<(), DeliveryError>)>);

impl Alerts {
    /// Makes one attempt for each message that is due, all channels at once, and notes in the state what became of
    /// them. Keep the state afterwards: what is not noted is sent again, with the same id.
    ///
    /// Takes at most the time limit of a channel for each of 20 messages; a channel that fails is not tried again in
    /// the same call.
    ///
    /// Cancel safety: messages of a dropped call may have been sent, and will be sent again.
    pub async fn deliver_once(&self, state: &mut AlertState, now_ms: i64) -> Vec<Delivery> {
        let names = self.channels();
        let addresses = self.channels.iter().map(|route| {
            let address = caught(route.channel.address());
            Box::pin(async { address.await.unwrap_or_default() }) as BoxFuture<'_, String>
        });
        let addresses = at_once(addresses.collect()).await;
        let addresses: BTreeMap<String, String> = names.iter().cloned().zip(addresses).collect();
        let moved = state.outbox.keep_channels(&addresses);
        let mut sending = Vec::new();
        for (name, route) in names.into_iter().zip(&self.channels) {
            let due = state.outbox.due(&name, route.channel.rate(), now_ms);
            if !due.is_empty() {
                let sent = send(name, Arc::clone(&route.channel), due, now_ms);
                sending.push(Box::pin(sent) as BoxFuture<'static, Sent>);
            }
        }
        let mut deliveries = state.outbox.take_dropped();
        for (name, results) in at_once(sending).await {
            let address = &addresses[&name];
            for (id, result) in results {
                let noted = state.outbox.attempted(&name, address, &id, now_ms, result);
                deliveries.extend(noted);
            }
        }
        if moved || !deliveries.is_empty() {
            state.changed();
        }
        deliveries
    }
}

/// Sends messages in order, up to the first failure.
async fn send(name: String, channel: Arc<dyn Channel>, due: Vec<Alert>, now_ms: i64) -> Sent {
    let mut results = Vec::new();
    for alert in due {
        let sent = caught(channel.deliver(&alert, now_ms)).await;
        // A channel that panics has delivered nothing, as far as is known.
        let panicked = || DeliveryError::Unreachable("the channel panicked".to_owned());
        let result = sent.unwrap_or_else(|| Err(panicked()));
        let failed = result.is_err();
        results.push((alert.id, result));
        if failed {
            break;
        }
    }
    (name, results)
}
