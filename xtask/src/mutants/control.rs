//! The guards of what operators want: pauses, requests for runs, cancels.

use super::copy::Edit;
use super::list::{CLAIM, MACHINE_CLAIM, Mutant, Suite};

const MACHINE_LANE: &str = "scheduled-one-protocol/src/machine/lane.rs";
const ASK: &str = "scheduled-one-redis/src/ask.lua";
const CANCEL: &str = "scheduled-one-redis/src/cancel.lua";
const NODE_LANE: &str = "scheduled-one-runtime/src/node/units/lane.rs";
const NODE_CONTROL: &str = "scheduled-one-runtime/src/node/control.rs";

pub(super) const MUTANTS: &[Mutant] = &[
    // A pause is only what nodes know of it.
    Mutant {
        name: "no-pause-in-claims",
        edits: &[
            Edit {
                file: CLAIM,
                old: "return paused and PAUSED or (version ~= ask.control and MOVED)",
                new: "return nil",
            },
            Edit {
                file: MACHINE_CLAIM,
                old: "Target::Tick(_) if in_force.paused => Some(Verdict::Paused),",
                new: "",
            },
            Edit {
                file: MACHINE_CLAIM,
                old: "(claim.control != in_force.version).then_some(Verdict::Moved)",
                new: "None",
            },
        ],
        suites: &[Suite::Model("a_job_is_paused_and_resumed")],
    },
    // Nodes keep what operators want for themselves.
    Mutant {
        name: "no-directive-repeated",
        edits: &[
            Edit {
                file: NODE_CONTROL,
                old: "if seen.control_version < self.read_version {",
                new: "if false {",
            },
            Edit {
                file: NODE_CONTROL,
                old: "newer.filter(|(subject, own)| own.version > version(*subject));",
                new: "newer.filter(|(subject, own)| own.version > version(*subject) && false);",
            },
        ],
        suites: &[Suite::Chaos("flushall-paused", &["S7"])],
    },
    // Who asks again, because no reply came, gets another run.
    Mutant {
        name: "no-request-id",
        edits: &[
            Edit {
                file: ASK,
                old: "  if known then\n",
                new: "  if false then\n",
            },
            Edit {
                file: MACHINE_LANE,
                old: "if let Some(tick) = known {",
                new: "if let Some(tick) = known.filter(|_| false) {",
            },
        ],
        suites: &[
            Suite::Chaos("request-repeated", &["S8"]),
            Suite::Model("an_id_is_asked_for_twice"),
        ],
    },
    // A store that forgot which ids have started does not learn it from the nodes.
    Mutant {
        name: "ids-of-requests-are-registered-again",
        edits: &[Edit {
            file: NODE_LANE,
            old: "requests: requests.remove(&index).unwrap_or_default(),",
            new: "requests: requests.remove(&index).map_or_else(Vec::new, |_| Vec::new()),",
        }],
        suites: &[Suite::Test(
            "redis_requests",
            "an_id_that_is_asked_for_three_times_without_a_reply_runs_once",
        )],
    },
    // A cancel stops whatever runs.
    Mutant {
        name: "no-token-in-cancels",
        edits: &[
            Edit {
                file: CANCEL,
                old: "if r.running and r.rtok == tonumber(ARGV[a]) then",
                new: "if r.running then",
            },
            // The token stands in the reason, too.
            Edit {
                file: CANCEL,
                old: "local why = ARGV[a] .. ' '",
                new: "local why = string.format('%.0f', r.rtok) .. ' '",
            },
            Edit {
                file: MACHINE_LANE,
                old: "if !record.running || record.run.token != cancel.token {",
                new: "if !record.running {",
            },
        ],
        suites: &[
            Suite::Chaos("cancel-races-finish", &["S9"]),
            Suite::Model("a_cancel_races_the_end_of_its_run"),
        ],
    },
];
