//! Guards of jobs that are forgotten, and of marks that are taken back.

use super::copy::Edit;
use super::list::{Mutant, Suite};

const MACHINE: &str = "scheduled-one-protocol/src/machine/forget.rs";
const SCRIPT: &str = "scheduled-one-redis/src/forget.lua";
const HEARTBEAT: &str = "scheduled-one-runtime/src/node/heartbeat.rs";

const STARTS: Suite = Suite::Test(
    "forget",
    "races::a_job_that_is_forgotten_while_a_node_starts_with_it_is_whole",
);
const CUT_OFF: Suite = Suite::Test(
    "forget",
    "races::a_job_that_is_forgotten_while_its_node_is_cut_off_is_whole_again",
);

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "living-nodes-keep-a-job-from-being-forgotten",
        edits: &[
            Edit {
                file: MACHINE,
                old: "if !with_job.is_empty() {",
                new: "if !with_job.is_empty() && request.units.is_empty() {",
            },
            Edit {
                file: SCRIPT,
                old: "elseif #labels > 0 then",
                new: "elseif false then",
            },
        ],
        suites: &[
            Suite::Machine("forget::tests::a_node_that_may_have_the_job_keeps_it"),
            Suite::Model("a_job_is_forgotten_while_a_node_starts"),
            STARTS,
        ],
    },
    // The operator looked before a node described it.
    Mutant {
        name: "described-jobs-are-looked-at-again",
        edits: &[
            Edit {
                file: MACHINE,
                old: "if described_ms.unwrap_or_default() != request.described_ms {",
                new: "if described_ms.unwrap_or_default() < 0 {",
            },
            Edit {
                file: SCRIPT,
                old: "elseif described ~= tonumber(ARGV[6]) then",
                new: "elseif false then",
            },
        ],
        suites: &[Suite::Machine(
            "forget::tests::what_was_seen_otherwise_is_not_removed",
        )],
    },
    Mutant {
        name: "runs-keep-a-job-from-being-forgotten",
        edits: &[
            Edit {
                file: MACHINE,
                old: "record.running && record.run.until_ms > now.ms() && !is_excused",
                new: "record.running && record.run.until_ms < 0 && !is_excused",
            },
            Edit {
                file: SCRIPT,
                old: "if r.running and r.until_ > now and not is_excused and",
                new: "if r.running and r.until_ < 0 and not is_excused and",
            },
        ],
        suites: &[
            Suite::Machine("forget::tests::a_run_whose_lease_is_not_over_is_in_the_way"),
            Suite::Test(
                "forget",
                "races::a_job_whose_run_may_go_on_is_not_forgotten",
            ),
        ],
    },
    Mutant {
        name: "no-job-is-forgotten-in-a-quarantine",
        edits: &[
            Edit {
                file: MACHINE,
                old: "if quarantined(meta, now) {",
                new: "if quarantined(meta, now) && request.units.is_empty() {",
            },
            Edit {
                file: SCRIPT,
                old: "if now < quarantine_until then",
                new: "if false then",
            },
        ],
        suites: &[Suite::Machine(
            "forget::tests::what_was_seen_otherwise_is_not_removed",
        )],
    },
    // A node that knows an older directive repeats it: the job would be paused again.
    Mutant {
        name: "directives-of-a-forgotten-job-are-kept-empty",
        edits: &[Edit {
            file: MACHINE,
            old: "    meta.directives.put(subject, directive);\n",
            new: "    let _ = directive;\n",
        }],
        suites: &[Suite::Machine(
            "forget::tests::directives_become_empty_ones_under_new_versions",
        )],
    },
    // Any run is one that a clock that was ahead has granted.
    Mutant {
        name: "runs-keep-marks-from-being-taken-back",
        edits: &[
            Edit {
                file: MACHINE,
                old: "let is_excused = may_be_ahead && is_leased_ahead(record, now.ms() + EARLY_TOLERANCE_MS);",
                new: "let is_excused = may_be_ahead;",
            },
            Edit {
                file: SCRIPT,
                old: "local is_excused = takes_back and is_leased_ahead(r)",
                new: "local is_excused = takes_back",
            },
        ],
        suites: &[Suite::Machine(
            "forget::tests::a_run_whose_lease_is_not_over_is_in_the_way",
        )],
    },
    Mutant {
        name: "only-marks-that-are-ahead-are-taken-back",
        edits: &[Edit {
            file: MACHINE,
            old: "    if !is_decided_ahead && !is_leased_ahead(record, far_ms) {\n",
            new: "    if !is_decided_ahead && !is_leased_ahead(record, far_ms) && now_ms < 0 {\n",
        }],
        suites: &[Suite::Machine(
            "forget::tests::only_what_no_claim_can_have_decided_is_taken_back",
        )],
    },
    // What waits in a lane is dropped as ticks are.
    Mutant {
        name: "requests-are-not-taken-back",
        edits: &[
            Edit {
                file: MACHINE,
                old: "let keeps_requests = unit.is_lane() && !record.free();",
                new: "let keeps_requests = unit.is_lane() && record.free();",
            },
            Edit {
                file: SCRIPT,
                old: "local keeps_requests = is_lane(key) and (r.running or r.wait ~= '')",
                new: "local keeps_requests = false",
            },
        ],
        suites: &[Suite::Machine("forget::tests::requests_that_wait_are_kept")],
    },
    Mutant {
        name: "jobs-that-the-store-did-not-see-are-registered-again",
        edits: &[Edit {
            file: HEARTBEAT,
            old: "            self.registration.was_unseen();\n",
            new: "            let _ = &self.registration;\n",
        }],
        suites: &[STARTS, CUT_OFF],
    },
    Mutant {
        name: "jobs-that-the-store-did-not-see-are-described-again",
        edits: &[Edit {
            file: HEARTBEAT,
            old: "            self.describing.again();\n",
            new: "            let _ = &self.describing;\n",
        }],
        suites: &[CUT_OFF],
    },
];
