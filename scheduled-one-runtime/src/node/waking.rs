//! What a node waits for between two turns.

use std::time::Duration;

use tokio::sync::watch;

use crate::node::inbox::Event;
use crate::node::mode::{Mode, NodeSignals};
use crate::node::standstill::write_off_refused_for;
use crate::node::{LONGEST_SLEEP, Node};
use crate::store_client::StoreHealth;

impl Node {
    /// How long nothing is due.
    pub(super) fn next_wake(
        &mut self,
        mode: Mode,
        seen: &StoreHealth,
        held_up_for: Option<Duration>,
    ) -> Duration {
        let now = self.client.now();
        let mut wake = LONGEST_SLEEP;
        if let Some(at) = self.heartbeat.next_due() {
            wake = wake.min(at.saturating_sub(now));
        }
        if mode == Mode::Working
            && let Some(at_ms) = self.local_jobs.next_due_ms()
        {
            wake = wake.min(self.runner.cluster.until(at_ms));
        }
        if let Some(held_up_for) = held_up_for {
            return wake.min(held_up_for);
        }
        let refused = write_off_refused_for(&self.runner.cluster, seen);
        if let Some(at) = self.stalls.next_due(now, refused) {
            wake = wake.min(at.saturating_sub(now));
        }
        if let Some(at) = self.backfills.next_due() {
            wake = wake.min(at.saturating_sub(now));
        }
        match self.claiming.next_due_ms() {
            Some(at_ms) => wake.min(self.runner.cluster.until(at_ms)),
            None => wake,
        }
    }

    pub(super) async fn next_event(
        &mut self,
        mode: Mode,
        wake: Duration,
        health: &mut watch::Receiver<StoreHealth>,
        signals: &mut NodeSignals,
    ) -> Event {
        let sleep = self.runner.clock.sleep(wake);
        let signal = async {
            match mode {
                Mode::Working => signals.stop.changed().await,
                Mode::Draining { .. } => std::future::pending().await,
                Mode::Leaving => signals.leave.changed().await,
            }
        };
        tokio::select! {
            biased;
            event = self.inbox.next() => event,
            () = sleep => Event::Woken,
            _ = health.changed() => Event::Woken,
            _ = self.permits.changed() => Event::Woken,
            signal = signal => match signal {
                Ok(()) => Event::Woken,
                Err(_) => Event::Abandoned,
            },
        }
    }
}
