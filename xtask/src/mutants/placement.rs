//! Guards of placement: on which nodes a job may run, and how much at the same time.

use super::copy::Edit;
use super::list::{Mutant, Suite};

const ADOPTION: &str = "scheduled-one-runtime/src/node/adoption.rs";
const PERMITS: &str = "scheduled-one-runtime/src/permits.rs";
const PLANNING: &str = "scheduled-one-runtime/src/node/planning.rs";
const PREFERENCE: &str = "scheduled-one-runtime/src/node/preference.rs";
const RANK: &str = "scheduled-one-runtime/src/node/preference/rank.rs";
const WAITING: &str = "scheduled-one-runtime/src/node/waiting.rs";

pub(super) const MUTANTS: &[Mutant] = &[
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
        suites: &[
            Suite::Test(
                "preference",
                "placement::a_node_never_has_more_runs_than_its_limit",
            ),
            Suite::Chaos("preferred-node-killed", &["limit"]),
        ],
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
            old: "Some(StandIn::Next) => second.add(unit),",
            new: "Some(StandIn::Next) => {}",
        }],
        suites: &[Suite::Test(
            "preference",
            "placement::what_a_full_node_cannot_run_runs_elsewhere",
        )],
    },
    Mutant {
        name: "a-node-without-a-limit-stands-in-first",
        edits: &[Edit {
            file: RANK,
            old: "Some((class, has_room, weight, node))",
            new: "Some((class, false, weight, node))",
        }],
        suites: &[Suite::Test(
            "preference",
            "placement::what_two_full_nodes_cannot_run_runs_elsewhere",
        )],
    },
    Mutant {
        name: "a-node-without-a-limit-stands-in-last",
        edits: &[Edit {
            file: RANK,
            old: "Some(StandIn::Unlimited) => third.add(unit),",
            new: "Some(StandIn::Unlimited) => {}",
        }],
        suites: &[Suite::Test(
            "preference",
            "placement::what_full_nodes_with_the_label_cannot_run_runs_without_it",
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
            old: "            self.timer.set(since_ms.min(now_ms), unit);\n",
            new: "            let _ = (since_ms, now_ms);\n",
        }],
        suites: &[Suite::Test(
            "preference",
            "placement::ticks_without_a_permit_are_missed_for_that_reason",
        )],
    },
    Mutant {
        name: "an-active-run-lends-its-permit",
        edits: &[Edit {
            file: WAITING,
            old: "        self.lent.insert(index, lent);\n",
            new: "        drop(lent);\n",
        }],
        suites: &[Suite::Test(
            "preference",
            "full_node::the_next_tick_cancels_a_run_on_a_full_node",
        )],
    },
    Mutant {
        name: "runs-next-to-each-other-share-no-permit",
        edits: &[Edit {
            file: WAITING,
            old: "    !beside && !in_slot && rules",
            new: "    let _ = (beside, in_slot);\n    rules",
        }],
        suites: &[Suite::Test(
            "preference",
            "full_node::runs_next_to_each_other_share_no_permit",
        )],
    },
    Mutant {
        name: "held-ticks-and-waiting-ones-take-turns",
        edits: &[Edit {
            file: WAITING,
            old: "self.held_first = !self.held.is_empty();",
            new: "self.held_first = false;",
        }],
        suites: &[Suite::Test(
            "preference",
            "full_node::two_jobs_that_hang_take_turns_on_a_full_node",
        )],
    },
    Mutant {
        name: "only-nodes-with-a-label-adopt-its-jobs",
        edits: &[Edit {
            file: ADOPTION,
            old: "self.preference.may_run(unit) && self.permits",
            new: "self.permits",
        }],
        suites: &[Suite::Test(
            "preference",
            "placement::nobody_without_the_label_stands_in_for_a_node_that_hangs",
        )],
    },
    Mutant {
        name: "only-nodes-with-a-label-stand-in",
        edits: &[Edit {
            file: PREFERENCE,
            old: "(may_take && self.may_run(unit))",
            new: "may_take",
        }],
        suites: &[Suite::Test(
            "preference",
            "placement::nobody_without_the_label_stands_in_for_a_node_that_hangs",
        )],
    },
    Mutant {
        name: "only-nodes-with-a-label-plan-its-spread-ticks",
        edits: &[Edit {
            file: PLANNING,
            old: "        if !self.preference.may_run(index) {\n            return None;\n        }\n",
            new: "",
        }],
        suites: &[Suite::Test(
            "preference",
            "placement::nobody_without_the_label_stands_in_for_a_node_that_hangs",
        )],
    },
    Mutant {
        name: "each-kind-of-node-has-a-permit-first",
        edits: &[Edit {
            file: RANK,
            old: "        order.extend(nodes.map(|(nth, node)| (nth, place, node)));\n",
            new: "        order.extend(nodes.map(|(nth, node)| (place, nth, node)));\n",
        }],
        suites: &[Suite::Test(
            "--lib",
            "node::preference::rank::tests::each_kind_of_node_has_a_permit_before_any_has_two",
        )],
    },
];
