//! Stalled runs. A run whose lease has ended by the store's clock may still be
//! active, if that clock jumped; so it is written off only by a node that has
//! observed it unchanged for nine tenths of a lease by its *own* clock. By then
//! the node of the run, which polls it no more after eight tenths, is surely
//! done: that node counts from before its last renewal was sent, the observer
//! from after it saw that renewal.

use std::collections::BTreeMap;
use std::time::Duration;

use scheduled_one_protocol::UnitName;
use scheduled_one_protocol::message::{MAX_BATCH, OverdueRun};

/// The overdue runs that a node has observed.
#[derive(Debug, Default)]
pub(crate) struct StallWatch {
    /// Each run by its unit, and since when it is unchanged.
    observed: BTreeMap<UnitName, (OverdueRun, Duration)>,
}

impl StallWatch {
    /// The store listed these runs as overdue, in a reply received at `now`. A run
    /// that is not listed any more was renewed or has ended.
    pub(crate) fn observe_all(&mut self, runs: Vec<OverdueRun>, now: Duration) {
        let complete = runs.len() < MAX_BATCH;
        let mut before = std::mem::take(&mut self.observed);
        if !complete {
            // The list was cut off: runs that it leaves out may be overdue still.
            self.observed.clone_from(&before);
        }
        for run in runs {
            let since = match before.remove(&run.unit) {
                Some((same, since)) if same == run => since,
                _ => now,
            };
            self.observed.insert(run.unit.clone(), (run, since));
        }
    }

    /// The reply to a claim, received at `now`, named one overdue run.
    pub(crate) fn observe(&mut self, run: OverdueRun, now: Duration) {
        match self.observed.get(&run.unit) {
            Some((same, _)) if *same == run => {}
            _ => {
                self.observed.insert(run.unit.clone(), (run, now));
            }
        }
    }

    /// When the next run may be written off, as of `now`. The store refuses that for as long as `refused_for` says of
    /// the lease of the run: until the end of a quarantine.
    pub(crate) fn next_due(
        &self,
        now: Duration,
        refused_for: impl Fn(i64) -> Duration,
    ) -> Option<Duration> {
        let observed = self.observed.values();
        let due = observed.map(|(run, since)| {
            let stalled_at = *since + stalled_after(lease_of(run));
            stalled_at.max(now + refused_for(run.lease_ms))
        });
        due.min()
    }

    /// Takes out the runs that have stalled and may be written off; for `refused_for` see [`Self::next_due`].
    pub(crate) fn take_stalled(
        &mut self,
        now: Duration,
        refused_for: impl Fn(i64) -> Duration,
    ) -> Vec<OverdueRun> {
        let is_due = |(run, since): &(OverdueRun, Duration)| {
            *since + stalled_after(lease_of(run)) <= now && refused_for(run.lease_ms).is_zero()
        };
        let stalled: Vec<UnitName> = self
            .observed
            .iter()
            .filter(|(_, observed)| is_due(observed))
            .map(|(unit, _)| unit.clone())
            .take(MAX_BATCH)
            .collect();
        stalled
            .iter()
            .filter_map(|unit| self.observed.remove(unit))
            .map(|(run, _)| run)
            .collect()
    }

    /// Forgets all runs: the store may have forgotten renewals.
    pub(crate) fn clear(&mut self) {
        self.observed.clear();
    }
}

/// Part of a lease, in percent, for which a run must be unchanged to count as stalled.
const STALLED_PERCENT: u32 = 90;

fn lease_of(run: &OverdueRun) -> Duration {
    Duration::from_millis(run.lease_ms.max(0) as u64)
}

/// For how long a run must be unchanged before it may be written off.
pub(crate) fn stalled_after(lease: Duration) -> Duration {
    lease * STALLED_PERCENT / 100
}

#[cfg(test)]
mod tests {
    use super::*;

    /// There was no quarantine.
    fn at_once(_lease_ms: i64) -> Duration {
        Duration::ZERO
    }

    const S: Duration = Duration::from_secs(1);

    fn run(seq: u64) -> OverdueRun {
        OverdueRun {
            unit: UnitName::new("u", 0),
            nonce: "n".to_owned(),
            seq,
            lease_ms: 10_000,
        }
    }

    #[test]
    fn a_run_must_stand_still_for_nine_tenths_of_a_lease() {
        let mut watch = StallWatch::default();
        watch.observe_all(vec![run(3)], S * 10);
        watch.observe_all(vec![run(3)], S * 12);
        assert_eq!(watch.next_due(Duration::ZERO, at_once), Some(S * 19));
        assert!(watch.take_stalled(S * 18, at_once).is_empty());
        assert_eq!(watch.take_stalled(S * 19, at_once), vec![run(3)]);
        assert_eq!(watch.next_due(Duration::ZERO, at_once), None);
    }

    #[test]
    fn a_renewal_starts_the_watch_again() {
        let mut watch = StallWatch::default();
        watch.observe(run(3), S * 10);
        watch.observe_all(vec![run(4)], S * 14);
        assert_eq!(watch.next_due(Duration::ZERO, at_once), Some(S * 23));
        watch.observe(run(4), S * 15);
        assert_eq!(watch.next_due(Duration::ZERO, at_once), Some(S * 23));
    }

    #[test]
    fn a_run_that_is_not_listed_is_not_watched() {
        let mut watch = StallWatch::default();
        watch.observe_all(vec![run(3)], S * 10);
        watch.observe_all(vec![], S * 11);
        assert_eq!(watch.next_due(Duration::ZERO, at_once), None);
    }

    #[test]
    fn in_a_quarantine_a_stalled_run_waits_for_its_own_lease() {
        let mut watch = StallWatch::default();
        watch.observe_all(vec![run(3)], S);
        // Long after the run has stalled, and long before the quarantine of a longer lease would be over.
        let lease_ms = run(3).lease_ms;
        let refused_for = |of_ms| match of_ms == lease_ms {
            true => S,
            false => S * 3_600,
        };
        assert_eq!(watch.next_due(S * 59, refused_for), Some(S * 60));
        assert!(watch.take_stalled(S * 59, refused_for).is_empty());
        assert_eq!(watch.take_stalled(S * 60, at_once), vec![run(3)]);
    }
}
