//! Writes the text in front of each script: constants of the protocol and codes of its reply, as local variables. No
//! number is written both in Rust and in Lua.

use std::fmt::Write;

use scheduled_one_protocol::machine::damage::{
    MAX_AHEAD_MS, MAX_COUNT, MAX_EXACT, MAX_LEASE_MS, MAX_NONCE_BYTES, MAX_SEQ, MAX_TOKEN,
};
use scheduled_one_protocol::machine::{
    CONTROL_VERSION, FIRST_VERSION, MAX_QUARANTINE_MS, OVERDUE_PERCENT, VERSION,
};
use scheduled_one_protocol::message::{
    ASK_AGAIN_MS, EARLY_TOLERANCE_MS, KNOWN_REQUESTS, LATE_MS, MAX_BATCH, MAX_NODES, MAX_RUNNING,
    MAX_WAITING_REQUESTS, NODE_GONE_MS,
};
use scheduled_one_protocol::{MAX_GENERATION, MAX_TRAIL, Outcome, ScheduleId, SkipReason};

use crate::codes::Named;
use crate::keys::MAX_UNIT_BYTES;

/// Most entries of `ready` that a heartbeat chooses the named units from.
const MAX_READY: usize = 64 * MAX_BATCH;

/// Fields that a script reads at once, at most: so many values `unpack` takes without fear for the stack.
const FIELDS_AT_ONCE: u64 = 500;

/// Between the load of a node that has room, of one that is busy, and of one that is full.
pub(crate) const LOAD_STEP: i64 = 1 << 20;
const _: () = assert!((MAX_RUNNING as i64) < LOAD_STEP);

/// Constants of the protocol by name. All are integers of at most 2^53, which Lua represents exactly as doubles.
const CONSTANTS: [(&str, u64); 26] = [
    ("VERSION", VERSION),
    ("FIRST_VERSION", FIRST_VERSION),
    ("CONTROL_VERSION", CONTROL_VERSION),
    ("MAX_EXACT", MAX_EXACT),
    ("MAX_TOKEN", MAX_TOKEN),
    ("MAX_SEQ", MAX_SEQ),
    ("MAX_COUNT", MAX_COUNT as u64),
    ("MAX_AHEAD_MS", MAX_AHEAD_MS as u64),
    ("MAX_LEASE_MS", MAX_LEASE_MS as u64),
    ("MAX_QUARANTINE_MS", MAX_QUARANTINE_MS as u64),
    ("MAX_NONCE_BYTES", MAX_NONCE_BYTES as u64),
    ("MAX_UNIT_BYTES", MAX_UNIT_BYTES as u64),
    ("MAX_READY", MAX_READY as u64),
    ("ASK_AGAIN_MS", ASK_AGAIN_MS as u64),
    ("FIELDS_AT_ONCE", FIELDS_AT_ONCE),
    ("LOAD_STEP", LOAD_STEP as u64),
    ("MAX_WAITING_REQUESTS", MAX_WAITING_REQUESTS as u64),
    ("KNOWN_REQUESTS", KNOWN_REQUESTS as u64),
    ("MAX_TRAIL", MAX_TRAIL as u64),
    ("EARLY_TOLERANCE_MS", EARLY_TOLERANCE_MS as u64),
    ("LATE_MS", LATE_MS as u64),
    ("NODE_GONE_MS", NODE_GONE_MS as u64),
    ("MAX_NODES", MAX_NODES as u64),
    ("MAX_GENERATION", MAX_GENERATION as u64),
    ("SCHEDULE_DIGITS", ScheduleId::DIGITS as u64),
    ("OVERDUE_PERCENT", OVERDUE_PERCENT as u64),
];

/// Outcomes that scripts write into ledgers themselves.
const OUTCOMES: [(&str, Outcome); 5] = [
    ("OUTCOME_SKIPPED", Outcome::Skipped),
    ("OUTCOME_MISSED", Outcome::Missed),
    ("OUTCOME_LOST", Outcome::Lost),
    ("OUTCOME_TAKEN_OVER", Outcome::TakenOver),
    ("OUTCOME_WITHOUT_LEASE", Outcome::FinishedWithoutLease),
];

/// Reasons that scripts write into ledgers with a skipped tick.
const SKIP_REASONS: [(&str, SkipReason); 3] = [
    ("SKIP_OVERLAP", SkipReason::Overlap),
    ("SKIP_QUEUE_FULL", SkipReason::QueueFull),
    ("SKIP_SUPERSEDED", SkipReason::Superseded),
];

/// Scripts that write nothing that somebody asked for, so that a user who may only read can call them.
pub(crate) const LOOKING: [&str; 3] = ["inspect", "control", "heartbeat"];

/// The text in front of a script. `name` is that of its own file; `values` is the number of ARGV values for each item
/// of a batch, named `VALUES` in the script.
pub(crate) fn prologue(name: &str, values: usize, codes: &[&[Named]]) -> String {
    let mut text = String::from("-- Made by `prologue.rs`.\n");
    let mut local = |name: &str, value: &dyn std::fmt::Display| {
        // Writing into a `String` does not fail.
        let _ = writeln!(text, "local {name} = {value}");
    };
    for (name, number) in CONSTANTS {
        local(name, &number);
    }
    for (name, outcome) in OUTCOMES {
        local(name, &format_args!("'{outcome}'"));
    }
    for (name, reason) in SKIP_REASONS {
        local(name, &format_args!("'{reason}'"));
    }
    local("NO_SCHEDULE", &format_args!("'{}'", ScheduleId::NONE));
    local("VALUES", &values);
    local("LOOKS", &LOOKING.contains(&name));
    for (name, code) in codes.iter().copied().flatten() {
        local(name, code);
    }
    text
}
