//! The units of a bucket by what is to be done about them.

use std::collections::{BTreeSet, HashMap};

use crate::machine::damage::{Reads, damage};
use crate::machine::{Now, Record};
use crate::message::{MAX_BATCH, UNCLAIMED_MS};
use crate::records::Survey;
use crate::unit::UnitName;

/// Most units that [`in_turn`] chooses from.
const MAX_IN_TURN: usize = 64 * MAX_BATCH;

/// At most a batch of these units. Of more, each second names others, so that every unit is named in turn, even behind
/// units of jobs that no node has.
fn in_turn<'u>(units: impl Iterator<Item = &'u UnitName>, now: Now) -> Vec<UnitName> {
    let units: Vec<&UnitName> = units.take(MAX_IN_TURN).collect();
    let from = match units.len() < MAX_BATCH {
        true => 0,
        false => (now.ms() / 1_000) as usize * MAX_BATCH % units.len(),
    };
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
