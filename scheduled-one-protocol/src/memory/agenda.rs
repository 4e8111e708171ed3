//! The units of a bucket by what is to be done about them.

use std::collections::{BTreeSet, HashMap};

use crate::machine::damage::{Reads, damage};
use crate::machine::{Now, Record};
use crate::message::{ASK_AGAIN_MS, MAX_BATCH, UNCLAIMED_MS};
use crate::records::Survey;
use crate::unit::UnitName;

/// Most units that [`in_turn`] chooses from.
const MAX_IN_TURN: usize = 64 * MAX_BATCH;

/// At most a batch of these units. Of more, every batch is named in turn, even behind units of jobs that no node has:
/// the next one a second later, or to who asks again after [`ASK_AGAIN_MS`].
fn in_turn<'u>(units: impl Iterator<Item = &'u UnitName>, now: Now) -> Vec<UnitName> {
    let units: Vec<&UnitName> = units.take(MAX_IN_TURN).collect();
    let batches = units.len().div_ceil(MAX_BATCH).max(1);
    let turn = now.ms() / 1_000 + now.ms() % 1_000 / ASK_AGAIN_MS;
    let from = turn.unsigned_abs() as usize % batches * MAX_BATCH;
    let named = units.into_iter().skip(from).take(MAX_BATCH);
    named.cloned().collect()
}

/// Units by what is to be done about them, so that a survey does not look at all records.
#[derive(Clone, Debug, Default)]
pub struct Agenda {
    /// Units in which something waits and can start.
    ready: BTreeSet<UnitName>,
    /// Units by the instant at which their next tick may start.
    due: BTreeSet<(i64, UnitName)>,
    /// Units with an active run, by the instant at which its renewal is overdue.
    overdue: BTreeSet<(i64, UnitName)>,
}

impl Agenda {
    /// The record of a unit has changed.
    pub(super) fn change(&mut self, unit: &UnitName, before: Option<&Record>, after: &Record) {
        let due = |record: &Record| Some((record.next_due_ms?, unit.clone()));
        let overdue = |record: &Record| (record.overdue_at_ms(), unit.clone());
        if let Some(before) = before {
            self.ready.remove(unit);
            due(before).map(|entry| self.due.remove(&entry));
            if before.running {
                self.overdue.remove(&overdue(before));
            }
        }
        if after.ready() {
            self.ready.insert(unit.clone());
        }
        self.due.extend(due(after));
        if after.running {
            self.overdue.insert(overdue(after));
        }
    }

    /// Units that a node has to attend to, see [`Records::survey`](crate::Records::survey).
    pub(super) fn survey(&self, records: &HashMap<UnitName, Record>, now: Now) -> Survey {
        let up_to = |at_ms: i64| ..(at_ms + 1, UnitName::new("", 0));
        let unclaimed = self.due.range(up_to(now.ms() - UNCLAIMED_MS));
        let overdue = self.overdue.range(up_to(now.ms()));
        let sound = overdue.filter_map(|(_, unit)| {
            let record = records.get(unit)?;
            let is_sound = damage(record, now, Reads::Overdue).is_none();
            is_sound.then(|| record.overdue_run(unit))
        });
        Survey {
            ready: in_turn(self.ready.iter(), now),
            unclaimed: in_turn(unclaimed.map(|(_, unit)| unit), now),
            overdue: sound.take(MAX_BATCH).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::BucketState;
    use super::*;

    fn at(ms: i64) -> Now {
        Now {
            us: ms as u64 * 1_000,
        }
    }

    fn named(count: usize, instants_ms: impl Iterator<Item = i64>) -> Vec<BTreeSet<UnitName>> {
        let units: Vec<UnitName> = (0..count)
            .map(|unit| UnitName::new(&format!("job-{unit:05}"), 0))
            .collect();
        let named = |ms| in_turn(units.iter(), at(ms)).into_iter().collect();
        instants_ms.map(named).collect()
    }

    #[test]
    fn few_units_are_named_each_time() {
        for count in [0, 1, MAX_BATCH] {
            let all = named(count, (7_300..10_000).step_by(1_000));
            assert!(all.iter().all(|named| named.len() == count));
        }
    }

    #[test]
    fn of_more_every_batch_is_named_in_turn() {
        for count in [257, 401, 511, 512, 600, 20 * MAX_BATCH, MAX_IN_TURN] {
            let batches = count.div_ceil(MAX_BATCH);
            for step_ms in [1_000, ASK_AGAIN_MS] {
                let seconds = 1_767_225_600;
                // Within a second, who asks again gets one batch after the other.
                let most = match step_ms {
                    1_000 => batches,
                    _ => batches.min(20),
                };
                let from_ms = seconds * 1_000 + if step_ms == 1_000 { 730 } else { 0 };
                let asked = (0..most as i64).map(|nth| from_ms + nth * step_ms);
                let all = named(count, asked);
                assert!(all.iter().all(|named| named.len() <= MAX_BATCH));
                let together = all.iter().map(BTreeSet::len).sum::<usize>();
                let distinct: BTreeSet<&UnitName> = all.iter().flatten().collect();
                assert_eq!(distinct.len(), together, "none twice");
                if most == batches {
                    assert_eq!(together, count, "{count}, each {step_ms} ms");
                }
            }
        }
    }

    #[test]
    fn a_record_that_somebody_edited_hides_no_other() {
        let running = |until_ms, lease_ms| {
            let mut record = Record {
                running: true,
                ..Record::default()
            };
            (record.run.until_ms, record.run.lease_ms) = (until_ms, lease_ms);
            record
        };
        let edited = [i64::MIN, -1, 0, i64::MAX];
        let edited = edited.map(|until_ms| [i64::MIN, -1, i64::MAX].map(|lease| (until_ms, lease)));
        let edited = edited.iter().flatten().zip(0..);
        let mut records: HashMap<UnitName, Record> = edited
            .map(|(&(until_ms, lease), nth)| {
                (UnitName::new("edited", nth), running(until_ms, lease))
            })
            .collect();
        let sound = UnitName::new("sound", 0);
        records.insert(sound.clone(), running(7_000, 5_000));
        let overdue = BucketState::of_records(records).survey(at(10_000)).overdue;
        let units: Vec<UnitName> = overdue.into_iter().map(|run| run.unit).collect();
        assert_eq!(units, [sound]);
    }
}
