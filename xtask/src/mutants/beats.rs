//! The guards of the heartbeat of an idle node in PostgreSQL.

use super::copy::Edit;
use super::list::{Mutant, Suite};

const BEAT: &str = "scheduled-one-postgres/src/beat.rs";
const STATEMENT: &str = "scheduled-one-postgres/src/beat/statement.rs";

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "beat-of-any-bucket-row",
        edits: &[Edit {
            file: STATEMENT,
            old: "AND ({of_clock}) = ({expected})",
            new: "AND (({of_clock}) = ({expected}) OR true)",
        }],
        suites: &[
            Suite::Postgres("beat::a_directive_is_seen_by_the_next_heartbeat"),
            Suite::Postgres("beat::a_namespace_of_a_newer_version_is_not_written"),
        ],
    },
    Mutant {
        name: "beat-among-gone-nodes",
        edits: &[Edit {
            file: STATEMENT,
            old: "n.at_ms NOT BETWEEN",
            new: "false AND n.at_ms NOT BETWEEN",
        }],
        suites: &[
            Suite::Postgres("beat::a_node_that_was_silent_for_long_is_news"),
            Suite::Postgres("beat::a_node_that_is_gone_is_dropped_by_a_heartbeat_that_writes_once"),
        ],
    },
    Mutant {
        name: "beat-of-any-labels",
        edits: &[Edit {
            file: STATEMENT,
            old: "format!(\" AND t.{name} = {value}\")",
            new: "format!(\" AND t.{name} IN (t.{name}, {value})\")",
        }],
        suites: &[Suite::Postgres(
            "beat::other_labels_are_news_and_written_once",
        )],
    },
    Mutant {
        name: "beat-without-the-machine",
        edits: &[Edit {
            file: BEAT,
            old: "decide(&mut before.set).is_ok() && before.is_only(beat)",
            new: "decide(&mut before.set).is_ok() || before.is_only(beat)",
        }],
        suites: &[Suite::Postgres(
            "beat::what_the_machine_would_change_in_addition_is_not_replied_before_it_is_written",
        )],
    },
];
