//! Guards of what finds a tick that nobody claims: each due tick is decided soon, whatever nodes believe of each other.

use super::copy::Edit;
use super::list::{CLAIM, MACHINE_CLAIM, MACHINE_RUN, Mutant, RECORD, REGISTER, Suite};

const ADOPTION: &str = "scheduled-one-runtime/src/node/adoption.rs";
const AGENDA: &str = "scheduled-one-protocol/src/memory/agenda.rs";

const SIMULATION: Suite = Suite::Test(
    "simulation",
    "every_tick_is_accounted_for_and_no_invariant_breaks",
);

pub(super) const MUTANTS: &[Mutant] = &[
    // Of more unclaimed units than a heartbeat names, the others wait for the heartbeat of the next second.
    Mutant {
        name: "who-finds-many-asks-again",
        edits: &[Edit {
            file: ADOPTION,
            old: "        self.adopted_of_many.len() > before\n",
            new: "        self.adopted_of_many.len() < before\n",
        }],
        suites: &[Suite::Test(
            "preference",
            "all_ticks_of_a_node_that_is_gone_are_found_soon",
        )],
    },
    Mutant {
        name: "what-a-node-claims-is-registered-first",
        edits: &[Edit {
            file: ADOPTION,
            old: "        [first, others].concat()\n",
            new: "        [others, first].concat()\n",
        }],
        suites: &[Suite::Test(
            "preference",
            "handover::a_store_that_forgets_learns_first_what_each_node_claims",
        )],
    },
    // Nobody learns of a tick that the preferred node does not claim.
    Mutant {
        name: "heartbeats-name-what-is-unclaimed",
        edits: &[
            Edit {
                file: RECORD,
                old: "due_ms <= now.ms() - UNCLAIMED_MS",
                new: "due_ms <= now.ms().min(0) - UNCLAIMED_MS",
            },
            Edit {
                file: AGENDA,
                old: "self.due.range(up_to(now.ms() - UNCLAIMED_MS));",
                new: "self.due.range(up_to(i64::MIN + UNCLAIMED_MS));",
            },
        ],
        suites: &[
            Suite::Model("what_all_leave_to_others_is_decided_soon"),
            SIMULATION,
        ],
    },
    Mutant {
        name: "what-is-unclaimed-is-claimed-by-others",
        edits: &[Edit {
            file: ADOPTION,
            old: "            let waits = self.timer.rests(unit) || is_spread(units, unit);\n",
            new: "            let waits = is_spread(units, unit) && self.timer.rests(unit);\n",
        }],
        suites: &[SIMULATION],
    },
    // The node that a unit prefers hangs, and something waits in the unit.
    Mutant {
        name: "what-waits-is-started-by-any-node",
        edits: &[Edit {
            file: ADOPTION,
            old: "            if is_mine || self.ready_before.contains(name) {\n",
            new: "            if is_mine {\n",
        }],
        suites: &[Suite::Test(
            "preference",
            "handover::what_waits_for_a_run_of_a_node_that_hangs_is_started_by_others",
        )],
    },
    Mutant {
        name: "claims-say-when-the-next-tick-is-due",
        edits: &[
            Edit {
                file: MACHINE_CLAIM,
                old: "    unit.own.next_due_ms = due.next_due_ms;\n",
                new: "    unit.own.next_due_ms = None;\n",
            },
            Edit {
                file: CLAIM,
                old: "due_at[unit_of(key)] = ARGV[a + 6]",
                new: "due_at[unit_of(key)] = '0'",
            },
        ],
        suites: &[
            Suite::Model("what_all_leave_to_others_is_decided_soon"),
            SIMULATION,
        ],
    },
    Mutant {
        name: "registrations-say-when-the-next-tick-is-due",
        edits: &[
            Edit {
                file: MACHINE_RUN,
                old: "        record.next_due_ms = register.next_due_ms;\n",
                new: "",
            },
            Edit {
                file: REGISTER,
                old: "    due(unit_of(key), ARGV[a + 10], has_seen_all or takes_over)\n",
                new: "",
            },
        ],
        suites: &[Suite::Model("what_all_leave_to_others_is_decided_soon")],
    },
    // A node that starts while the first tick of a job is due does not know of that tick.
    Mutant {
        name: "a-node-that-starts-leaves-the-first-tick-due",
        edits: &[
            Edit {
                file: MACHINE_RUN,
                old: "        && (seen_decided.is_some() || seen_ms <= first_seen_ms);\n",
                new: ";\n",
            },
            Edit {
                file: REGISTER,
                old: " and (seen_hwm > 0 or r.born == 0 or seen <= r.born)",
                new: "",
            },
        ],
        suites: &[Suite::Model(
            "what_a_node_that_hangs_leaves_is_decided_soon",
        )],
    },
    // Only who has seen every decision says when the unit is due, and such a node may be gone.
    Mutant {
        name: "any-word-counts-while-nothing-is-due",
        edits: &[
            Edit {
                file: MACHINE_RUN,
                old: " || record.next_due_ms.is_none();\n",
                new: ";\n",
            },
            Edit {
                file: REGISTER,
                old: "call('ZADD', KEYS[5], 'NX', unpack(last_dues))",
                new: "last_dues = {}",
            },
        ],
        suites: &[Suite::Model(
            "what_all_leave_to_others_is_decided_soon_after_a_loss_of_memory",
        )],
    },
];
