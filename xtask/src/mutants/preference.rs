//! Guards of preferences: who claims what, when, and how much at the same time.

use super::copy::Edit;
use super::list::{Mutant, Suite};

const ADOPTION: &str = "scheduled-one-runtime/src/node/adoption.rs";
const PERMITS: &str = "scheduled-one-runtime/src/permits.rs";
const PREFERENCE: &str = "scheduled-one-runtime/src/node/preference.rs";
const RANK: &str = "scheduled-one-runtime/src/node/preference/rank.rs";
const WAITING: &str = "scheduled-one-runtime/src/node/waiting.rs";

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "suspects-are-passed-over",
        edits: &[Edit {
            file: PREFERENCE,
            old: "!self.suspects.contains(&peer.key) || peer.key == self.me;",
            new: "peer.key >= EVERYBODY;",
        }],
        suites: &[Suite::Test(
            "--lib",
            "node::preference::tests::a_suspect_is_passed_over_with_a_delay_until_it_is_heard_again",
        )],
    },
    Mutant {
        name: "unclaimed-units-are-adopted",
        edits: &[Edit {
            file: ADOPTION,
            old: "                adopted.push(unit);\n",
            new: "",
        }],
        // Of other jobs, a node that claims nothing counts as idle, so their units prefer others at once.
        suites: &[Suite::Test(
            "preference",
            "what_catches_up_is_run_by_others_while_its_node_claims_nothing",
        )],
    },
    Mutant {
        name: "idle-nodes-are-remembered",
        edits: &[Edit {
            file: PREFERENCE,
            old: "self.idlers.insert(first, Idler { until_ms, time_ms });",
            new: "let _ = (until_ms, time_ms);",
        }],
        suites: &[Suite::Test(
            "preference",
            "others_stand_in_for_a_node_that_claims_nothing",
        )],
    },
    Mutant {
        name: "disabled-jobs-show-no-idle-node",
        edits: &[Edit {
            file: ADOPTION,
            old: "rules.enabled && rules.misfire != Misfire::RunAll",
            new: "rules.misfire != Misfire::RunAll",
        }],
        suites: &[Suite::Test(
            "preference",
            "a_disabled_job_makes_no_node_idle",
        )],
    },
    Mutant {
        name: "only-nodes-with-a-label-run-its-jobs",
        edits: &[Edit {
            file: RANK,
            old: "    !job.rules.enabled || tier(job.labels(), labels).is_some()\n",
            new: "    let _ = (job, labels);\n    true\n",
        }],
        suites: &[Suite::Test(
            "preference",
            "placement::without_a_node_that_has_the_label_nothing_runs",
        )],
    },
    Mutant {
        name: "a-node-keeps-its-limit",
        edits: &[Edit {
            file: PERMITS,
            old: "in_group && self.shared.most.is_none_or(|most| taken.all < most)",
            new: "in_group",
        }],
        suites: &[Suite::Test(
            "preference",
            "placement::a_node_never_has_more_runs_than_its_limit",
        )],
    },
    Mutant {
        name: "a-group-keeps-its-limit",
        edits: &[Edit {
            file: PERMITS,
            old: "of_group.is_none_or(|of| of.is_some_and(|of| of.taken < of.share))",
            new: "of_group.is_none_or(|of| of.is_some_and(|of| of.share > 0))",
        }],
        suites: &[Suite::Test(
            "preference",
            "placement::a_group_never_has_more_runs_than_its_limit",
        )],
    },
    Mutant {
        name: "the-next-node-stands-in-for-a-limited-one",
        edits: &[Edit {
            file: RANK,
            old: "                second.add(unit);\n",
            new: "",
        }],
        suites: &[Suite::Test(
            "preference",
            "placement::what_a_full_node_cannot_run_runs_elsewhere",
        )],
    },
    Mutant {
        name: "busy-nodes-are-passed-over",
        edits: &[Edit {
            file: RANK,
            old: "                class += 1;\n",
            new: "",
        }],
        suites: &[Suite::Test(
            "preference",
            "placement::a_node_with_more_runs_than_others_is_passed_over",
        )],
    },
    Mutant {
        name: "full-nodes-come-last",
        edits: &[Edit {
            file: RANK,
            old: "            true => FULL,\n",
            new: "            true => 0,\n",
        }],
        suites: &[Suite::Test(
            "--lib",
            "node::preference::tests::a_full_node_is_preferred_only_if_all_are_full",
        )],
    },
    Mutant {
        name: "held-units-are-released",
        edits: &[Edit {
            file: WAITING,
            old: "                self.timer.set(since_ms.min(now_ms), unit);\n",
            new: "                let _ = (since_ms, now_ms);\n",
        }],
        suites: &[Suite::Test(
            "preference",
            "placement::ticks_without_a_permit_are_missed_for_that_reason",
        )],
    },
];
