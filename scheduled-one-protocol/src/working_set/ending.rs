//! The ends of runs.

use super::WorkingSet;
use crate::machine::{self, Record};
use crate::message::{Caller, Finish, Finished};
use crate::statement::Statement;

impl WorkingSet {
    /// Ends runs.
    pub fn finish(&mut self, caller: &Caller, finishes: &[Finish]) -> Vec<Finished> {
        self.each(
            finishes,
            |finish| &finish.run.unit,
            |set, record, finish| set.finish_one(caller, record, finish),
        )
    }

    /// Ends a run together with what its job does in the same database. Its statements are executed only if this
    /// request ends the run: not with a copy of a request that did, and not without the lease.
    pub fn commit(
        &mut self,
        caller: &Caller,
        finish: &Finish,
        statements: &[Statement],
    ) -> Finished {
        let lines = self.lines.len();
        let finished = self.each(
            std::slice::from_ref(finish),
            |finish| &finish.run.unit,
            |set, record, finish| {
                let done = record.done.clone();
                let finished = set.finish_one(caller, record, finish);
                if !finished.recorded {
                    // A copy of this report gets the same reply.
                    record.done = done;
                }
                finished
            },
        );
        let finished = finished[0];
        let is_its_end = finished.recorded && self.lines.len() > lines;
        if is_its_end {
            self.statements = statements.to_vec();
        } else if let Some(line) = self.lines[lines..].last_mut() {
            line.reason
                .push_str("; this report has committed no statements");
        }
        finished
    }

    fn finish_one(&mut self, caller: &Caller, record: &mut Record, finish: &Finish) -> Finished {
        let before = record.run.nonce.clone();
        let finished = machine::finish(record, finish, caller, self.now, &mut self.lines);
        self.note_lane(&finish.run.unit, &before, record);
        finished
    }
}
