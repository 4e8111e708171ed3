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

    /// When the next run counts as stalled.
    pub(crate) fn next_due(&self) -> Option<Duration> {
        self.observed.values().map(stalled_at).min()
    }

    /// Takes out the runs that have stalled.
    pub(crate) fn take_stalled(&mut self, now: Duration) -> Vec<OverdueRun> {
        let stalled: Vec<UnitName> = self
            .observed
            .iter()
            .filter(|(_, observed)| stalled_at(observed) <= now)
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

fn stalled_at((run, since): &(OverdueRun, Duration)) -> Duration {
    let lease = Duration::from_millis(run.lease_ms.max(0) as u64);
    *since + stalled_after(lease)
}

/// For how long a run must be unchanged before it may be written off.
pub(crate) fn stalled_after(lease: Duration) -> Duration {
    lease * STALLED_PERCENT / 100
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(watch.next_due(), Some(S * 19));
        assert!(watch.take_stalled(S * 18).is_empty());
        assert_eq!(watch.take_stalled(S * 19), vec![run(3)]);
        assert_eq!(watch.next_due(), None);
    }

    #[test]
    fn a_renewal_starts_the_watch_again() {
        let mut watch = StallWatch::default();
        watch.observe(run(3), S * 10);
        watch.observe_all(vec![run(4)], S * 14);
        assert_eq!(watch.next_due(), Some(S * 23));
        watch.observe(run(4), S * 15);
        assert_eq!(watch.next_due(), Some(S * 23));
    }

    #[test]
    fn a_run_that_is_not_listed_is_not_watched() {
        let mut watch = StallWatch::default();
        watch.observe_all(vec![run(3)], S * 10);
        watch.observe_all(vec![], S * 11);
        assert_eq!(watch.next_due(), None);
    }
}
