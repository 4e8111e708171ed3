//! What is to be delivered, and how each channel does: a function of state, results and time, without I/O.

use std::collections::{BTreeMap, VecDeque};

use scheduled_one_protocol::hash;
use serde::{Deserialize, Serialize};

use crate::alert::Alert;
use crate::channel::{DeliveryError, Rate};
use crate::engine::TurnBack;

/// The waits before the attempts after the first, in seconds: those that the Standard Webhooks specification suggests.
/// Nothing follows the last one.
const WAITS_S: [i64; 9] = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400];

/// How long a channel that fails is left alone at first, and at most.
const PAUSE_MS: i64 = 5_000;
const MAX_PAUSE_MS: i64 = 600_000;

/// The longest `retry-after` that is honoured.
const MAX_RETRY_AFTER_MS: i64 = 86_400_000;

/// Messages that wait for one channel; beyond them the oldest are dropped.
const MAX_WAITING: usize = 1_000;

/// The same, in bytes of what they say: they are stored with all the rest.
const MAX_WAITING_BYTES: usize = 2 * 1024 * 1024;

/// How many attempts are kept, for people.
const MAX_ATTEMPTS: usize = 50;

/// How many messages one delivery sends over one channel.
pub(crate) const BATCH: usize = 20;

/// Messages on their way, and the channels.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Outbox {
    /// In the order in which they were made.
    waiting: Vec<Waiting>,
    channels: BTreeMap<String, ChannelState>,
    /// The newest attempts, the newest first.
    #[serde(default)]
    attempts: VecDeque<Attempted>,
    /// Dropped since the last delivery. Not kept: it is said in the same turn.
    #[serde(skip)]
    dropped: Vec<Delivery>,
}

/// An attempt to deliver a message, for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Attempted {
    at_ms: i64,
    id: String,
    title: String,
    channel: String,
    /// Empty if the receiver has the message.
    error: String,
}

/// A message that channels have not acknowledged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Waiting {
    alert: Alert,
    channels: BTreeMap<String, Attempts>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Attempts {
    made: u32,
    next_ms: i64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct ChannelState {
    /// Thousandths of a message that may be sent now.
    budget: i64,
    budget_at_ms: i64,
    failures: u32,
    not_before_ms: i64,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    disabled: Option<Disabled>,
}

/// A channel whose receiver is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Disabled {
    since_ms: i64,
    /// The address that is gone, as a digest: with another one the channel is used again.
    address: String,
    why: String,
}

/// What became of an attempt to deliver a message.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Delivery {
    /// The name of the channel.
    pub channel: String,
    /// The message.
    pub id: String,
    /// What became of it.
    pub result: DeliveryResult,
}

/// What became of an attempt to deliver a message.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeliveryResult {
    /// The receiver has it.
    Delivered,
    /// The receiver does not have it, or its reply was lost: another attempt follows.
    Again {
        /// In how many milliseconds, at the earliest.
        in_ms: i64,
        /// The error.
        why: String,
    },
    /// The last attempt failed, or too many messages wait: this one is dropped.
    GivenUp {
        /// The error.
        why: String,
    },
    /// The receiver is gone for good: no message goes there, until the channel has another address.
    Disabled {
        /// The error.
        why: String,
    },
}

impl DeliveryResult {
    /// The words of all results, in the order of [`as_str`](Self::as_str).
    pub const WORDS: [&'static str; 4] = ["delivered", "failed", "given_up", "disabled"];

    /// The word for the result, in metrics: `delivered`, `failed` (another attempt follows), `given_up`, `disabled`.
    pub fn as_str(&self) -> &'static str {
        match self {
            DeliveryResult::Delivered => "delivered",
            DeliveryResult::Again { .. } => "failed",
            DeliveryResult::GivenUp { .. } => "given_up",
            DeliveryResult::Disabled { .. } => "disabled",
        }
    }
}

impl Outbox {
    /// Adds a message for some channels. What has to be dropped for it is said with the next delivery.
    pub(crate) fn push(&mut self, alert: Alert, channels: &[String]) {
        let channels = channels
            .iter()
            .map(|name| (name.clone(), Attempts::default()));
        let channels: BTreeMap<String, Attempts> = channels.collect();
        if channels.is_empty() {
            return;
        }
        self.waiting.push(Waiting { alert, channels });
        let mut dropped_for_bytes = 0;
        let mut excess = self.waiting.len().saturating_sub(MAX_WAITING);
        let mut bytes: usize = self.waiting.iter().map(|it| it.alert.weight()).sum();
        // The newest is kept.
        for waiting in self.waiting.iter().rev().skip(1).rev() {
            if bytes <= MAX_WAITING_BYTES {
                break;
            }
            bytes -= waiting.alert.weight();
            dropped_for_bytes += 1;
        }
        excess = excess.max(dropped_for_bytes);
        let dropped = self.waiting.drain(..excess);
        let dropped = dropped.flat_map(|it| {
            let id = it.alert.id;
            it.channels.into_keys().map(move |channel| Delivery {
                channel,
                id: id.clone(),
                result: DeliveryResult::GivenUp {
                    why: format!(
                        "more than {MAX_WAITING} messages wait, or more than {} MiB of them",
                        MAX_WAITING_BYTES / 1024 / 1024
                    ),
                },
            })
        });
        self.dropped.extend(dropped);
    }

    /// The messages that were dropped, for each channel that they waited for.
    pub(crate) fn take_dropped(&mut self) -> Vec<Delivery> {
        std::mem::take(&mut self.dropped)
    }

    /// Forgets channels that the program does not have any more, with what waits for them, and uses a channel again
    /// that has another address. Returns whether that changed anything.
    pub(crate) fn keep_channels(&mut self, addresses: &BTreeMap<String, String>) -> bool {
        let count = |outbox: &Self| {
            let waiting = outbox.waiting.iter().map(|it| it.channels.len());
            waiting.sum::<usize>() + outbox.channels.len() + outbox.disabled().count()
        };
        let before = count(self);
        self.channels.retain(|name, _| addresses.contains_key(name));
        for (name, state) in &mut self.channels {
            // An address that is not known now is no other one.
            let address = addresses.get(name).filter(|address| !address.is_empty());
            let gone = |disabled: &Disabled| address.is_none_or(|it| *it == disabled.address);
            state.disabled = state.disabled.take().filter(gone);
        }
        for waiting in &mut self.waiting {
            waiting
                .channels
                .retain(|name, _| addresses.contains_key(name));
        }
        self.waiting.retain(|it| !it.channels.is_empty());
        before != count(self)
    }

    /// The clock went back: what waits is not left until it is there again.
    pub(crate) fn turn(&mut self, back: TurnBack) {
        let attempts = self
            .waiting
            .iter_mut()
            .flat_map(|it| it.channels.values_mut());
        back.each(attempts.map(|attempts| &mut attempts.next_ms));
        let channels = self.channels.values_mut();
        back.each(channels.flat_map(|it| [&mut it.budget_at_ms, &mut it.not_before_ms]));
    }

    /// The channels that take nothing any more, since when and why.
    pub(crate) fn disabled(&self) -> impl Iterator<Item = (&str, i64, &str)> {
        self.channels.iter().filter_map(|(name, state)| {
            let disabled = state.disabled.as_ref()?;
            Some((&**name, disabled.since_ms, &*disabled.why))
        })
    }

    /// The newest attempts, the newest first.
    pub(crate) fn attempts(&self) -> impl Iterator<Item = &Attempted> {
        self.attempts.iter()
    }

    fn note_attempt(&mut self, at: usize, channel: &str, at_ms: i64, error: String) {
        let alert = &self.waiting[at].alert;
        self.attempts.push_front(Attempted {
            at_ms,
            id: alert.id.clone(),
            title: alert.title(),
            channel: channel.to_owned(),
            error,
        });
        self.attempts.truncate(MAX_ATTEMPTS);
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// The messages to send over a channel now, in order, as its rate allows. Of one incident, a message waits for the
    /// one before.
    pub(crate) fn due(&mut self, channel: &str, rate: Rate, now_ms: i64) -> Vec<Alert> {
        let state = self.channels.entry(channel.to_owned()).or_default();
        state.refill(rate, now_ms);
        if state.disabled.is_some() || now_ms < state.not_before_ms {
            return Vec::new();
        }
        let allowed = usize::try_from(state.budget / 1000).unwrap_or_default();
        let mut held: Vec<&str> = Vec::new();
        let mut due = Vec::new();
        for waiting in &self.waiting {
            let Some(attempts) = waiting.channels.get(channel) else {
                continue;
            };
            let incident = &*waiting.alert.incident;
            if attempts.next_ms > now_ms || held.contains(&incident) {
                held.push(incident);
            } else if due.len() < allowed.min(BATCH) {
                due.push(waiting.alert.clone());
            }
        }
        due
    }

    /// Notes what became of one attempt. The messages of a channel are attempted in order, and after a failure no more
    /// in the same delivery.
    pub(crate) fn attempted(
        &mut self,
        channel: &str,
        address: &str,
        id: &str,
        now_ms: i64,
        result: Result<(), DeliveryError>,
    ) -> Option<Delivery> {
        let at = self
            .waiting
            .iter()
            .position(|it| it.alert.id == id && it.channels.contains_key(channel))?;
        let error = result.as_ref().err().map(ToString::to_string);
        self.note_attempt(at, channel, now_ms, error.unwrap_or_default());
        let attempts = self.waiting[at].channels.get_mut(channel)?;
        attempts.made += 1;
        let made = attempts.made;
        let state = self.channels.entry(channel.to_owned()).or_default();
        state.budget -= 1000;
        let result = match result {
            Ok(()) => {
                state.failures = 0;
                DeliveryResult::Delivered
            }
            Err(DeliveryError::Gone { why }) => {
                state.disabled = Some(Disabled {
                    since_ms: now_ms,
                    address: address.to_owned(),
                    why: why.clone(),
                });
                DeliveryResult::Disabled { why }
            }
            Err(error) => {
                let pause_ms = state.failed(error.retry_after_ms());
                state.not_before_ms = now_ms.saturating_add(pause_ms);
                let why = error.to_string();
                match wait_ms(id, made) {
                    Some(wait_ms) => {
                        let in_ms = wait_ms.max(pause_ms);
                        attempts.next_ms = now_ms.saturating_add(in_ms);
                        DeliveryResult::Again { in_ms, why }
                    }
                    None => DeliveryResult::GivenUp { why },
                }
            }
        };
        match &result {
            DeliveryResult::Again { .. } => {}
            DeliveryResult::Disabled { .. } => self.forget_channel(channel),
            DeliveryResult::Delivered | DeliveryResult::GivenUp { .. } => {
                self.waiting[at].channels.remove(channel);
            }
        }
        self.waiting.retain(|it| !it.channels.is_empty());
        Some(Delivery {
            channel: channel.to_owned(),
            id: id.to_owned(),
            result,
        })
    }

    fn forget_channel(&mut self, channel: &str) {
        for waiting in &mut self.waiting {
            waiting.channels.remove(channel);
        }
    }

    pub(crate) fn is_disabled(&self, channel: &str) -> bool {
        let state = self.channels.get(channel);
        state.is_some_and(|state| state.disabled.is_some())
    }
}

impl ChannelState {
    fn refill(&mut self, rate: Rate, now_ms: i64) {
        let full = i64::from(rate.burst) * 1000;
        let passed_ms = (now_ms - self.budget_at_ms).clamp(0, 3_600_000);
        let more = passed_ms.saturating_mul(i64::from(rate.per_minute)) / 60;
        if self.budget_at_ms == 0 {
            self.budget = full;
            self.budget_at_ms = now_ms;
        } else if more > 0 {
            // What is less than a thousandth is not lost: the time that it took counts on.
            self.budget = (self.budget + more).min(full);
            self.budget_at_ms = now_ms;
        }
    }

    /// How long a channel is left alone after one more failure.
    fn failed(&mut self, retry_after_ms: Option<i64>) -> i64 {
        let doubled = PAUSE_MS << self.failures.min(10);
        self.failures = self.failures.saturating_add(1);
        let asked_ms = retry_after_ms.unwrap_or_default().min(MAX_RETRY_AFTER_MS);
        doubled.min(MAX_PAUSE_MS).max(asked_ms)
    }
}

/// The wait before the next attempt, up to a tenth longer, so that the messages of an outage do not come at once.
fn wait_ms(id: &str, made: u32) -> Option<i64> {
    let wait_ms = WAITS_S.get(made as usize - 1)? * 1000;
    let tenths = hash(id, u64::from(made)) % 100;
    Some(wait_ms + wait_ms * tenths as i64 / 1000)
}

#[cfg(test)]
mod tests;
