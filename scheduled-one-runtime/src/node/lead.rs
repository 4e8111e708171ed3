//! How long ahead of their ticks units are claimed. Pure: how long waves of claims took in, lead out.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use scheduled_one_protocol::message::EARLY_TOLERANCE_MS;

/// The shortest lead.
const LEAST_MS: i64 = 5;
/// What the store's tolerance has to leave for the error of the clock's estimate.
const CLOCK_ERROR_MS: i64 = 30;
/// For how long a wave is remembered: a job of each five minutes makes one.
const REMEMBERED_MS: i64 = 600_000;
/// A wave that took longer shows a store that did not reply, and no wave.
const OUTAGE_MS: i64 = 1_000;

/// Which wave a batch of claims belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct WaveId(u64);

/// A wave of which claims have no reply yet.
#[derive(Debug)]
struct UnderWay {
    /// When its first batch was sent, by the cluster's clock.
    began_ms: i64,
    /// Batches without a reply.
    batches: usize,
}

/// The lead of a node. A wave is all claims that were due when its first batch was sent, and what came due before they
/// all were sent; the lead is what the slowest of the last waves took, and a quarter more.
#[derive(Debug)]
pub(super) struct Lead {
    most_ms: i64,
    under_way: BTreeMap<WaveId, UnderWay>,
    newest: WaveId,
    /// Whether claims of the newest wave are still to be sent.
    is_open: bool,
    /// Ends and times of waves, the slowest first; each is slower than all that ended later.
    waves: VecDeque<(i64, i64)>,
}

impl Lead {
    /// The lead of a node with so many units, of which no wave was seen yet: what claims of all of them take.
    pub(super) fn new(units: usize, shortest_lease: Duration, now_ms: i64) -> Self {
        let of_lease = shortest_lease.as_millis() as i64 / 10;
        let expected_ms = units as i64 / 100;
        Lead {
            most_ms: of_lease.min(EARLY_TOLERANCE_MS - CLOCK_ERROR_MS),
            under_way: BTreeMap::new(),
            newest: WaveId::default(),
            is_open: false,
            waves: VecDeque::from([(now_ms, expected_ms)]),
        }
    }

    /// How long ahead units are claimed. Never so long that it costs much of a lease.
    pub(super) fn ms(&self) -> i64 {
        let slowest = self.waves.front().map_or(0, |(_, took_ms)| *took_ms);
        (LEAST_MS + slowest + slowest / 4).min(self.most_ms)
    }

    /// A batch of claims is sent.
    pub(super) fn batch_begins(&mut self, now_ms: i64) -> WaveId {
        if !self.is_open {
            self.newest.0 += 1;
            self.is_open = true;
        }
        let new = UnderWay {
            began_ms: now_ms,
            batches: 0,
        };
        self.under_way.entry(self.newest).or_insert(new).batches += 1;
        self.newest
    }

    /// All that is due was sent: what is sent next is of another wave.
    pub(super) fn all_is_sent(&mut self) {
        self.is_open = false;
    }

    /// A batch has its replies.
    pub(super) fn batch_ends(&mut self, wave: WaveId, now_ms: i64) {
        let Some(UnderWay { began_ms, batches }) = self.under_way.get_mut(&wave) else {
            return;
        };
        *batches -= 1;
        if *batches > 0 {
            return;
        }
        let began_ms = *began_ms;
        self.under_way.remove(&wave);
        let took_ms = now_ms - began_ms;
        // A clock that was set shows nothing.
        if !(0..=OUTAGE_MS).contains(&took_ms) {
            return;
        }
        while self
            .waves
            .back()
            .is_some_and(|(_, slower_ms)| *slower_ms <= took_ms)
        {
            self.waves.pop_back();
        }
        self.waves.push_back((now_ms, took_ms));
        while self.waves.len() > 1 && self.is_forgotten(now_ms) {
            self.waves.pop_front();
        }
    }

    fn is_forgotten(&self, now_ms: i64) -> bool {
        let oldest = self.waves.front();
        oldest.is_some_and(|(ended_ms, _)| now_ms.abs_diff(*ended_ms) > REMEMBERED_MS as u64)
    }

    /// Whether claims are under way for longer than this.
    pub(super) fn waits_longer_than(&self, time: Duration, now_ms: i64) -> bool {
        let longest_ms = time.as_millis() as i64;
        let oldest = self.under_way.values().next();
        oldest.is_some_and(|wave| now_ms - wave.began_ms > longest_ms)
    }

    /// The requests were dropped.
    pub(super) fn abandon(&mut self) {
        self.under_way.clear();
        self.is_open = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Duration = Duration::from_secs(5);

    fn send(lead: &mut Lead, began_ms: i64) -> WaveId {
        let wave = lead.batch_begins(began_ms);
        lead.all_is_sent();
        wave
    }

    fn wave(lead: &mut Lead, began_ms: i64, took_ms: i64) -> i64 {
        let wave = send(lead, began_ms);
        lead.batch_ends(wave, began_ms + took_ms);
        lead.ms()
    }

    #[test]
    fn the_lead_follows_the_slowest_of_the_last_waves() {
        let mut lead = Lead::new(1_000, LEASE, 0);
        assert_eq!(
            lead.ms(),
            5 + 10 + 2,
            "what is expected of a thousand units"
        );
        assert_eq!(wave(&mut lead, 1_000, 40), 5 + 40 + 10);
        assert_eq!(wave(&mut lead, 2_000, 8), 55, "the slow one is remembered");
        assert_eq!(wave(&mut lead, 300_000, 20), 55);
        assert_eq!(wave(&mut lead, 700_000, 4), 5 + 20 + 5, "for ten minutes");
        assert_eq!(wave(&mut lead, 1_400_000, 4), 5 + 4 + 1);
    }

    #[test]
    fn the_lead_has_bounds() {
        let mut lead = Lead::new(0, LEASE, 0);
        assert_eq!(lead.ms(), LEAST_MS);
        assert_eq!(wave(&mut lead, 1_000, 900), 120);
        let mut short = Lead::new(100_000, Duration::from_millis(200), 0);
        assert_eq!(short.ms(), 20, "a tenth of the shortest lease");
        assert_eq!(wave(&mut short, 1_000, 500), 20);
    }

    #[test]
    fn a_wave_is_what_was_due_together() {
        let mut lead = Lead::new(0, LEASE, 0);
        let waves: Vec<WaveId> = (0..3).map(|_| lead.batch_begins(1_000)).collect();
        for (nth, wave) in waves.into_iter().enumerate() {
            lead.batch_ends(wave, 1_020 + 10 * nth as i64);
        }
        lead.all_is_sent();
        assert_eq!(lead.ms(), 5 + 40 + 10, "to the last of its replies");
    }

    #[test]
    fn claims_without_a_pause_are_many_waves() {
        let mut lead = Lead::new(0, LEASE, 0);
        let long = |lead: &Lead, now_ms| lead.waits_longer_than(Duration::from_millis(300), now_ms);
        let mut before = send(&mut lead, 1_000);
        for now_ms in (1_003..9_000).step_by(3) {
            let next = send(&mut lead, now_ms);
            lead.batch_ends(before, now_ms + 1);
            assert!(!long(&lead, now_ms + 1));
            before = next;
        }
        assert_eq!(lead.ms(), 5 + 4 + 1);
    }

    #[test]
    fn a_wave_without_replies_grows_long() {
        let mut lead = Lead::new(0, LEASE, 0);
        let long = |lead: &Lead, now_ms| lead.waits_longer_than(Duration::from_millis(300), now_ms);
        assert!(!long(&lead, 9_000));
        let wave = send(&mut lead, 10_000);
        let next = send(&mut lead, 10_100);
        lead.batch_ends(next, 10_110);
        assert_eq!((long(&lead, 10_300), long(&lead, 10_301)), (false, true));
        lead.batch_ends(wave, 10_400);
        assert!(!long(&lead, 11_000));
    }

    #[test]
    fn an_outage_and_a_clock_that_was_set_are_no_waves() {
        let mut lead = Lead::new(0, LEASE, 0);
        assert_eq!(wave(&mut lead, 1_000, 30_000), LEAST_MS);
        assert_eq!(wave(&mut lead, 40_000, -5_000), LEAST_MS);
        let abandoned = send(&mut lead, 50_000);
        lead.abandon();
        lead.batch_ends(abandoned, 50_500);
        assert_eq!(lead.ms(), LEAST_MS);
        // After the clock went back, a wave of the future is forgotten.
        assert_eq!(wave(&mut lead, 60_000_000, 80), 105);
        assert_eq!(wave(&mut lead, 70_000, 2), 7);
    }
}
