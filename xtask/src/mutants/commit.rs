//! Guards of statements that commit with the outcome of a run.

use super::copy::Edit;
use super::list::{Mutant, Suite};

const WORKING_SET: &str = "scheduled-one-protocol/src/working_set/ending.rs";
const SAVE: &str = "scheduled-one-postgres/src/save.rs";

const COMMIT: Suite =
    Suite::Postgres("commit::statements_are_committed_with_the_outcome_or_not_at_all");

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "a-copy-of-a-report-commits-no-statements",
        edits: &[Edit {
            file: WORKING_SET,
            old: "let is_its_end = finished.recorded && self.lines.len() > lines;",
            new: "let is_its_end = finished.recorded;",
        }],
        suites: &[COMMIT],
    },
    Mutant {
        name: "a-lost-run-commits-no-statements",
        edits: &[Edit {
            file: WORKING_SET,
            old: "let is_its_end = finished.recorded && self.lines.len() > lines;",
            new: "let is_its_end = self.lines.len() > lines;",
        }],
        suites: &[COMMIT],
    },
    Mutant {
        name: "statements-are-in-the-transaction",
        edits: &[Edit {
            file: SAVE,
            old: "commit_unless(!changes.statements.is_empty(), client)",
            new: "commit_unless(false, client)",
        }],
        suites: &[COMMIT],
    },
];
