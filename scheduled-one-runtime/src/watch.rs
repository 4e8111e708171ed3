//! Runs that stand still. A run whose lease has ended by the store's clock may
//! still be going, if that clock jumped; so it is written off only by a node
//! that saw it unchanged for nine tenths of a lease of its *own* clock. By then
//! its holder, which polls it no more after eight tenths, is surely done: the
//! holder counts from before its last renewal was sent, the watcher from after
//! it saw that renewal.

use std::collections::BTreeMap;
use std::time::Duration;

use scheduled_one_protocol::UnitName;
use scheduled_one_protocol::message::{MAX_BATCH, OverdueRun};

#[derive(Debug, Default)]
pub(crate) struct Watch {
    /// By unit: the run, and since when it is seen like that.
    seen: BTreeMap<UnitName, (OverdueRun, Duration)>,
}

impl Watch {
    /// The store reported these runs as overdue in an answer received at
    /// `now`. A run that is not reported any more was renewed or ended.
    pub(crate) fn overdue(&mut self, runs: Vec<OverdueRun>, now: Duration) {
        let complete = runs.len() < MAX_BATCH;
        let mut before = std::mem::take(&mut self.seen);
        if !complete {
            // The report was cut off: what it leaves out may be overdue still.
            self.seen.clone_from(&before);
        }
        for run in runs {
            let since = match before.remove(&run.unit) {
                Some((same, since)) if same == run => since,
                _ => now,
            };
            self.seen.insert(run.unit.clone(), (run, since));
        }
    }

    /// One run was seen overdue, on the way of something else.
    pub(crate) fn one(&mut self, run: OverdueRun, now: Duration) {
        match self.seen.get(&run.unit) {
            Some((same, _)) if *same == run => {}
            _ => {
                self.seen.insert(run.unit.clone(), (run, now));
            }
        }
    }

    /// When the next run has been seen for long enough.
    pub(crate) fn next_due(&self) -> Option<Duration> {
        self.seen.values().map(due_at).min()
    }

    /// Takes out the runs that have been seen for long enough.
    pub(crate) fn take_due(&mut self, now: Duration) -> Vec<OverdueRun> {
        let due: Vec<UnitName> = self
            .seen
            .iter()
            .filter(|(_, seen)| due_at(seen) <= now)
            .map(|(unit, _)| unit.clone())
            .take(MAX_BATCH)
            .collect();
        due.iter()
            .filter_map(|unit| self.seen.remove(unit))
            .map(|(run, _)| run)
            .collect()
    }

    /// The store may have forgotten renewals: watch anew.
    pub(crate) fn clear(&mut self) {
        self.seen.clear();
    }
}

/// Part of a lease, in percent, for which a run must be seen to stand still.
const STANDS_STILL_PERCENT: u32 = 90;

fn due_at((run, since): &(OverdueRun, Duration)) -> Duration {
    let lease = Duration::from_millis(run.lease_ms.max(0) as u64);
    *since + stands_still_after(lease)
}

/// For how long a run must be seen unchanged before it may be written off.
pub(crate) fn stands_still_after(lease: Duration) -> Duration {
    lease * STANDS_STILL_PERCENT / 100
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
        let mut watch = Watch::default();
        watch.overdue(vec![run(3)], S * 10);
        watch.overdue(vec![run(3)], S * 12);
        assert_eq!(watch.next_due(), Some(S * 19));
        assert!(watch.take_due(S * 18).is_empty());
        assert_eq!(watch.take_due(S * 19), vec![run(3)]);
        assert_eq!(watch.next_due(), None);
    }

    #[test]
    fn a_renewal_starts_the_watch_again() {
        let mut watch = Watch::default();
        watch.one(run(3), S * 10);
        watch.overdue(vec![run(4)], S * 14);
        assert_eq!(watch.next_due(), Some(S * 23));
        watch.one(run(4), S * 15);
        assert_eq!(watch.next_due(), Some(S * 23));
    }

    #[test]
    fn a_run_that_is_not_reported_is_not_watched() {
        let mut watch = Watch::default();
        watch.overdue(vec![run(3)], S * 10);
        watch.overdue(vec![], S * 11);
        assert_eq!(watch.next_due(), None);
    }
}
