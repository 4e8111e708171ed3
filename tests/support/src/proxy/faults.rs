//! The faults that are switched on, and their effect on a message.

use std::collections::HashMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::FaultProxyOptions;
use super::connection::Connection;
use super::hook::Hooks;

/// A direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Requests,
    Replies,
}

/// What happens to messages that go one way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Flow {
    #[default]
    Pass,
    /// They wait until it is healed.
    Hold,
    /// They never arrive.
    Lose,
}

/// What happens to new connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Entrance {
    #[default]
    Open,
    /// Accepted, and nothing more.
    BlackHole,
    /// Accepted, and closed at once.
    Close,
    /// Nothing listens on the port.
    Refuse,
}

/// Shortest and longest delay.
pub(super) type Delay = (Duration, Duration);

#[derive(Default)]
pub(super) struct Faults {
    pub(super) requests: (Flow, Option<Delay>),
    pub(super) replies: (Flow, Option<Delay>),
    pub(super) entrance: Entrance,
    /// The age at which connections are cut.
    pub(super) churn: Option<Duration>,
}

impl Faults {
    fn of(&self, way: Way) -> (Flow, Option<Delay>) {
        match way {
            Way::Requests => self.requests,
            Way::Replies => self.replies,
        }
    }
}

/// What all threads of a proxy share.
pub(super) struct Shared {
    pub(super) target: u16,
    /// Replication and sentinels are left in peace.
    pub(super) spare_internal: bool,
    /// What passes is no sequence of requests and replies.
    pub(super) is_raw: bool,
    state: Mutex<State>,
    changed: Condvar,
    hooks: Mutex<Hooks>,
    pub(super) requests: AtomicU64,
    pub(super) replies: AtomicU64,
    pub(super) accepted: AtomicU64,
}

pub(super) struct State {
    pub(super) faults: Faults,
    /// Counts how often it was healed: a delay that began before is over.
    pub(super) generation: u64,
    random: u64,
    pub(super) listening: bool,
    pub(super) stopped: bool,
    pub(super) connections: HashMap<u64, Arc<Connection>>,
}

/// What becomes of a message whose time has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    Go,
    Lost,
    Closed,
}

/// When a message may go on at the earliest.
#[derive(Clone, Copy, Debug)]
pub(super) struct Due {
    at: Instant,
    generation: u64,
}

impl Shared {
    pub(super) fn new(target: u16, options: FaultProxyOptions) -> Self {
        Self {
            target,
            spare_internal: options.spare_internal,
            is_raw: options.is_raw,
            state: Mutex::new(State {
                faults: Faults::default(),
                generation: 0,
                random: options.seed,
                listening: true,
                stopped: false,
                connections: HashMap::new(),
            }),
            changed: Condvar::new(),
            hooks: Mutex::default(),
            requests: AtomicU64::new(0),
            replies: AtomicU64::new(0),
            accepted: AtomicU64::new(0),
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn hooks(&self) -> MutexGuard<'_, Hooks> {
        self.hooks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state and wakes all who wait for it.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = change(&mut self.state());
        self.changed.notify_all();
        result
    }

    /// Waits until the state is as wanted; whether it is, after at most `bound`.
    pub(super) fn wait_for(&self, bound: Duration, wanted: impl Fn(&State) -> bool) -> bool {
        let state = self.state();
        let waited = self
            .changed
            .wait_timeout_while(state, bound, |state| !wanted(state));
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        wanted(&state)
    }

    /// When a message that has just arrived may go on.
    pub(super) fn due(&self, connection: &Connection, way: Way) -> Due {
        let mut state = self.state();
        let (_, delay) = state.faults.of(way);
        let delay = delay.filter(|_| !self.spares(connection));
        let delay = delay.map_or(Duration::ZERO, |delay| state.draw(delay));
        Due {
            at: Instant::now() + delay,
            generation: state.generation,
        }
    }

    /// The same for one that an action delays.
    pub(super) fn due_after(&self, delay: Duration) -> Due {
        Due {
            at: Instant::now() + delay,
            generation: self.state().generation,
        }
    }

    /// Waits until a message may go on, or has nowhere to go.
    pub(super) fn wait_for_turn(&self, connection: &Connection, way: Way, due: Due) -> Turn {
        let mut state = self.state();
        loop {
            if connection.is_closed() {
                return Turn::Closed;
            }
            let spared = self.spares(connection);
            let (flow, _) = state.faults.of(way);
            let flow = if spared { Flow::Pass } else { flow };
            let now = Instant::now();
            let rest = if state.generation == due.generation {
                due.at.saturating_duration_since(now)
            } else {
                Duration::ZERO
            };
            match (flow, rest.is_zero()) {
                (Flow::Lose, true) => {
                    connection.darken();
                    return Turn::Lost;
                }
                (Flow::Pass, true) => return Turn::Go,
                (Flow::Hold, _) => {
                    state = self
                        .changed
                        .wait(state)
                        .unwrap_or_else(PoisonError::into_inner);
                }
                (Flow::Pass | Flow::Lose, false) => {
                    let waited = self.changed.wait_timeout(state, rest);
                    (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }

    pub(super) fn spares(&self, connection: &Connection) -> bool {
        self.spare_internal && !connection.is_client()
    }
}

impl State {
    /// Evenly between both; SplitMix64, <https://prng.di.unimi.it/splitmix64.c>.
    fn draw(&mut self, (shortest, longest): Delay) -> Duration {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^= z >> 31;
        let span = longest.saturating_sub(shortest).as_micros() as u64;
        shortest + Duration::from_micros(z % span.saturating_add(1))
    }
}
