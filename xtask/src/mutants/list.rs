//! The guards, and what stands in their place when they are removed.

use std::fmt;

use super::copy::Edit;

/// A build of the project with one guard removed.
pub(super) struct Mutant {
    /// The guard.
    pub(super) name: &'static str,
    pub(super) edits: &'static [Edit],
    /// Each of them must catch it.
    pub(super) suites: &'static [Suite],
}

/// What looks for a mutant.
#[derive(Clone, Copy)]
pub(super) enum Suite {
    /// `cargo xtask chaos --only` this fault must break one of these rules.
    Chaos(&'static str, &'static [&'static str]),
    /// A test of the model, in `promises.rs`, `pauses.rs`, `lanes.rs`, `schedules.rs`, `forget.rs` or `preferences.rs`
    /// of `tests/model/tests`.
    Model(&'static str),
    /// The contract suite, in the tests of this crate.
    Contract(&'static str),
    /// A test of PostgreSQL as the store, in `tests/server`.
    Postgres(&'static str),
    /// A test of the pure machine: its name, without `machine::`.
    Machine(&'static str),
    /// A test of the runtime: its target (`--lib`, or the name of one), and its name.
    Test(&'static str, &'static str),
}

impl fmt::Display for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Suite::Chaos(fault, _) => write!(f, "chaos, {fault}"),
            Suite::Model(test) => write!(f, "model, {test}"),
            Suite::Contract(krate) => write!(f, "contract, {krate}"),
            Suite::Postgres(test) => write!(f, "postgres, {test}"),
            Suite::Machine(test) => write!(f, "machine, {test}"),
            Suite::Test(_, test) => write!(f, "test, {test}"),
        }
    }
}

const ACTIVE_RUN: &str = "scheduled-one-runtime/src/active_run.rs";
pub(super) const CLAIM: &str = "scheduled-one-redis/src/claim.lua";
const CLAIM_RUNS: &str = "scheduled-one-redis/src/claim_runs.lua";
pub(super) const REGISTER: &str = "scheduled-one-redis/src/register.lua";
const ENTER: &str = "scheduled-one-redis/src/enter.lua";
const FINISH: &str = "scheduled-one-redis/src/finish.lua";
const RENEW: &str = "scheduled-one-redis/src/renew.lua";
pub(super) const RECORD: &str = "scheduled-one-protocol/src/machine/record.rs";
const META: &str = "scheduled-one-protocol/src/machine/meta.rs";
pub(super) const MACHINE_CLAIM: &str = "scheduled-one-protocol/src/machine/claim.rs";
pub(super) const MACHINE_SCHEDULE: &str = "scheduled-one-protocol/src/machine/schedule.rs";
pub(super) const MACHINE_RUN: &str = "scheduled-one-protocol/src/machine/run.rs";
const GUARD: &str = "scheduled-one-runtime/src/guard.rs";
const RENEWAL: &str = "scheduled-one-runtime/src/renewal.rs";
const RUN: &str = "scheduled-one-runtime/src/run.rs";
const STALL_WATCH: &str = "scheduled-one-runtime/src/node/stall_watch.rs";

const POSTGRES: &str = "scheduled-one-postgres";
const POSTGRES_LOAD: &str = "scheduled-one-postgres/src/load.rs";
const POSTGRES_UNITS: &str = "scheduled-one-postgres/src/units.rs";
const SQLITE: &str = "scheduled-one-sqlite";
const SQLITE_STEP: &str = "scheduled-one-sqlite/src/step.rs";

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "no-row-lock",
        edits: &[Edit {
            file: POSTGRES_UNITS,
            old: "FOR NO KEY UPDATE",
            new: "OFFSET 0",
        }],
        suites: &[Suite::Contract(POSTGRES)],
    },
    Mutant {
        name: "no-directives-lock",
        edits: &[Edit {
            file: POSTGRES_LOAD,
            old: "Access::Reads => Some(READ_DIRECTIVES)",
            new: "Access::Reads => Some(READ_DIRECTIVES).filter(|_| false)",
        }],
        suites: &[
            Suite::Postgres(
                "directives::nothing_is_granted_after_the_reply_to_a_pause_that_races_with_claims",
            ),
            Suite::Postgres("directives::a_pause_waits_for_a_claim_that_has_read_the_directives"),
        ],
    },
    Mutant {
        name: "no-write-lock",
        edits: &[Edit {
            file: SQLITE_STEP,
            old: "TransactionBehavior::Immediate",
            new: "TransactionBehavior::Deferred",
        }],
        suites: &[Suite::Contract(SQLITE)],
    },
    Mutant {
        name: "no-floor",
        edits: &[
            Edit {
                file: CLAIM,
                old: "if floor_hwm > r.hwm then",
                new: "if false then",
            },
            Edit {
                file: CLAIM,
                old: "if floor_token > r.tok then",
                new: "if false then",
            },
            Edit {
                file: REGISTER,
                old: "math.max(r.hwm, seen_hwm)",
                new: "r.hwm",
            },
            Edit {
                file: REGISTER,
                old: "math.max(r.tok, tonumber(ARGV[a + 2]))",
                new: "r.tok",
            },
            Edit {
                file: RECORD,
                old: "self.marks.decided = self.marks.decided.max(bounds.decided).max(started);",
                new: "let _ = started;",
            },
            Edit {
                file: RECORD,
                old: "self.marks.token = self.marks.token.max(bounds.token);",
                new: "",
            },
        ],
        suites: &[
            Suite::Chaos("flushall-new-node", &["L", "S1", "E1"]),
            Suite::Model("the_store_is_flushed"),
        ],
    },
    Mutant {
        name: "no-quarantine",
        edits: &[
            Edit {
                file: ENTER,
                old: "quarantine_from, quarantine_until = now, now + longest_of_caller",
                new: "quarantine_from, quarantine_until = now - MAX_QUARANTINE_MS, now",
            },
            Edit {
                file: META,
                old: "meta.quarantine_from_ms = now.ms();\n        meta.quarantine_until_ms = now.ms() + caller.quarantine_ms;",
                new: "meta.quarantine_from_ms = now.ms() - MAX_QUARANTINE_MS;\n        meta.quarantine_until_ms = now.ms();",
            },
        ],
        suites: &[
            Suite::Chaos("flushall", &["S1", "S2"]),
            Suite::Model("the_store_is_flushed"),
        ],
    },
    // Each unit waits for the longest lease of all.
    Mutant {
        name: "one-quarantine-for-all",
        edits: &[
            Edit {
                file: ENTER,
                old: "local own = quarantine_from + math.min(lease + margin, longest_of_caller)",
                new: "local own = quarantine_until",
            },
            Edit {
                file: META,
                old: "(from_ms + quarantine_ms(lease_ms, caller)).max(",
                new: "(meta.quarantine_until_ms + 0 * quarantine_ms(lease_ms, caller)).max(",
            },
        ],
        suites: &[
            Suite::Chaos("flushall", &["L"]),
            Suite::Model("a_unit_waits_for_its_own_lease"),
        ],
    },
    // Each unit waits for the lease of its claim, although another release has a longer one.
    Mutant {
        name: "no-stated-lease",
        edits: &[
            Edit {
                file: REGISTER,
                old: "if quarantine_from > 0 and now < stated and stated > r.q then",
                new: "if false then",
            },
            Edit {
                file: META,
                old: "if meta.quarantine_from_ms > 0 && now.ms() < until_ms {",
                new: "if until_ms < 0 {",
            },
        ],
        suites: &[Suite::Model(
            "a_unit_waits_for_the_longest_lease_that_was_stated",
        )],
    },
    // Ticks of two schedules run side by side.
    Mutant {
        name: "no-schedule-check",
        edits: &[
            Edit {
                file: CLAIM,
                old: "if r.sch and own ~= '' and sub(r.sch, 1, #own) ~= own and schedule_of(r.sch) then",
                new: "if false then",
            },
            Edit {
                file: MACHINE_CLAIM,
                old: "&& decides.id != own",
                new: "&& decides.id != own && false",
            },
        ],
        suites: &[
            Suite::Model("one_schedule_decides"),
            Suite::Chaos("rolling-deployment", &["schedule"]),
        ],
    },
    // Ticks from before a schedule was registered run.
    Mutant {
        name: "no-schedule-beginning",
        edits: &[
            Edit {
                file: REGISTER,
                old: "r.hwm = math.max(r.hwm, since)",
                new: "r.hwm = math.max(r.hwm, 0)",
            },
            Edit {
                file: MACHINE_SCHEDULE,
                old: "record.marks.decided = record.marks.decided.max(Some(TickMs(now.ms())));",
                new: "",
            },
        ],
        suites: &[Suite::Model("one_schedule_decides")],
    },
    Mutant {
        name: "no-observed-takeover",
        edits: &[Edit {
            file: STALL_WATCH,
            old: "const STALLED_PERCENT: u32 = 90;",
            new: "const STALLED_PERCENT: u32 = 0;",
        }],
        suites: &[Suite::Chaos("redis-clock-fast", &["S2"])],
    },
    Mutant {
        name: "deadline-from-reply",
        edits: &[
            Edit {
                file: RENEWAL,
                old: "run.lease.extend(sent);",
                new: "run.lease.extend(self.clock.boottime());",
            },
            Edit {
                file: RUN,
                old: "Lease::new(clock, length, claim_sent, mode)",
                new: "{ let (now, _) = (clock.boottime(), claim_sent); Lease::new(clock, length, now, mode) }",
            },
        ],
        suites: &[Suite::Chaos("late-replies", &["S4"])],
    },
    Mutant {
        name: "no-nonce-check",
        edits: &[
            // Claims have the same check; for them see below.
            Edit {
                file: RENEW,
                old: "elseif holds(r, nonce) then",
                new: "elseif r.running then",
            },
            Edit {
                file: FINISH,
                old: "local good = holds(r, nonce)",
                new: "local good = r.running",
            },
            Edit {
                file: RECORD,
                old: "self.running && self.run.nonce == nonce && self.run.token == self.marks.token",
                new: "{ let _ = nonce; self.running }",
            },
        ],
        suites: &[
            Suite::Chaos("node-stop", &["S2", "S4", "E1"]),
            Suite::Model("nodes_die_and_others_start"),
        ],
    },
    Mutant {
        name: "renewal-after-finish",
        edits: &[Edit {
            file: ACTIVE_RUN,
            old: "self.ended.load(Ordering::Acquire)",
            new: "false",
        }],
        suites: &[Suite::Chaos("flushall", &["L"])],
    },
    Mutant {
        name: "no-poll-check",
        edits: &[Edit {
            file: GUARD,
            old: "if !lease.allows(now, self.started) {",
            new: "if false {",
        }],
        suites: &[Suite::Chaos("node-stop", &["S2", "S4", "E1"])],
    },
    Mutant {
        name: "no-valid-until",
        edits: &[
            Edit {
                file: CLAIM,
                old: "if now > ask.valid_until then",
                new: "if false then",
            },
            Edit {
                file: RENEW,
                old: "if now > tonumber(ARGV[a + 8]) then",
                new: "if false then",
            },
            Edit {
                file: MACHINE_RUN,
                old: "if now.ms() > renew.valid_until_ms {",
                new: "if false {",
            },
            Edit {
                file: MACHINE_CLAIM,
                old: "None if now.ms() > claim.valid_until_ms => Verdict::Late,",
                new: "None if false => Verdict::Late,",
            },
        ],
        suites: &[
            Suite::Chaos("late-requests", &["L"]),
            Suite::Model("a_message_is_under_way_while_its_node_stands_still"),
        ],
    },
    Mutant {
        name: "no-answer-for-a-repeated-claim",
        edits: &[
            Edit {
                file: CLAIM_RUNS,
                old: "if holds(p, nonce) then",
                new: "if false then",
            },
            Edit {
                file: MACHINE_CLAIM,
                old: "        Some(grant) => Verdict::Granted(grant),\n",
                new: "        Some(grant) if false => Verdict::Granted(grant),\n        Some(_) => match &claim.target {\n            \
                      Target::Queued { oldest } => next(unit.own, claim, *oldest, caller, now, ledger),\n            \
                      Target::Tick(due) => decide(unit, claim, due, caller, now, ledger),\n        },\n",
            },
        ],
        suites: &[
            Suite::Chaos("claim-answer-cut", &["E1"]),
            Suite::Model("a_tick_waits"),
        ],
    },
];
