//! How long ahead of their ticks units are claimed. Pure: how long waves of claims took in, lead out.

use std::collections::VecDeque;
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

/// The lead of a node. A wave is all claims that are under way at the same time; the lead is what the slowest of the
/// last ones took, and a quarter more.
#[derive(Debug)]
pub(super) struct Lead {
    most_ms: i64,
    /// When the wave began that is under way, by the cluster's clock.
    began_ms: Option<i64>,
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
            began_ms: None,
            waves: VecDeque::from([(now_ms, expected_ms)]),
        }
    }

    /// How long ahead units are claimed. Never so long that it costs much of a lease.
    pub(super) fn ms(&self) -> i64 {
        let slowest = self.waves.front().map_or(0, |(_, took_ms)| *took_ms);
        (LEAST_MS + slowest + slowest / 4).min(self.most_ms)
    }

    /// Claims are sent, and none were under way.
    pub(super) fn wave_begins(&mut self, now_ms: i64) {
        self.began_ms = Some(now_ms);
    }

    /// No claims are under way any more: all have their replies.
    pub(super) fn wave_ends(&mut self, now_ms: i64) {
        let Some(began_ms) = self.began_ms.take() else {
            return;
        };
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
    pub(super) fn is_wave_longer_than(&self, time: Duration, now_ms: i64) -> bool {
        let longest_ms = time.as_millis() as i64;
        self.began_ms
            .is_some_and(|began_ms| now_ms - began_ms > longest_ms)
    }

    /// The requests were dropped.
    pub(super) fn wave_is_abandoned(&mut self) {
        self.began_ms = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Duration = Duration::from_secs(5);

    fn wave(lead: &mut Lead, began_ms: i64, took_ms: i64) -> i64 {
        lead.wave_begins(began_ms);
        lead.wave_ends(began_ms + took_ms);
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
    fn a_wave_without_replies_grows_long() {
        let mut lead = Lead::new(0, LEASE, 0);
        let long =
            |lead: &Lead, now_ms| lead.is_wave_longer_than(Duration::from_millis(300), now_ms);
        assert!(!long(&lead, 9_000));
        lead.wave_begins(10_000);
        assert_eq!((long(&lead, 10_300), long(&lead, 10_301)), (false, true));
        lead.wave_ends(10_400);
        assert!(!long(&lead, 11_000));
    }

    #[test]
    fn an_outage_and_a_clock_that_was_set_are_no_waves() {
        let mut lead = Lead::new(0, LEASE, 0);
        assert_eq!(wave(&mut lead, 1_000, 30_000), LEAST_MS);
        assert_eq!(wave(&mut lead, 40_000, -5_000), LEAST_MS);
        lead.wave_begins(50_000);
        lead.wave_is_abandoned();
        lead.wave_ends(50_500);
        assert_eq!(lead.ms(), LEAST_MS);
        // After the clock went back, a wave of the future is forgotten.
        assert_eq!(wave(&mut lead, 60_000_000, 80), 105);
        assert_eq!(wave(&mut lead, 70_000, 2), 7);
    }
}
