//! The closed labels of the instruments: each value there is, in the order of the counters.

use scheduled_one_protocol::message::{RunId, Verdict};
use scheduled_one_protocol::{Outcome, SkipReason, StoreError};

/// The label with the name of a scheduled job. Prometheus has one called `job` itself, and would rename ours.
pub(crate) const JOB_NAME: &str = "job_name";

/// Outcomes of runs that the node itself reports. Lost runs and missed ticks have counters of their own.
pub(crate) const OUTCOMES: [Outcome; 5] = [
    Outcome::Ok,
    Outcome::Failed,
    Outcome::Panicked,
    Outcome::TimedOut,
    Outcome::Cancelled,
];

/// Why a run was made: its schedule, or a request.
pub(crate) const CAUSES: [&str; 4] = ["schedule", "manual", "rerun", "backfill"];

/// Why a run was made, in a word of [`CAUSES`].
pub(crate) fn cause(run: &RunId) -> &'static str {
    let origin = run.origin.as_ref();
    origin.map_or("schedule", |origin| origin.cause.as_str())
}

/// Reasons of ticks that were granted, and missed all the same.
pub(crate) const TOO_LATE: &str = "the claim was answered too late to start";
pub(crate) const NOT_REPLICATED: &str = "too few replicas had the claim";
pub(crate) const REQUEST_DELETED: &str = "its request was deleted";
/// The reason of what waited in a job that no living node has. No job of the node's own has it, so it is not in
/// [`MISSED_REASONS`].
pub(crate) const JOB_GONE: &str = "job gone";

/// Why ticks were missed, in the words of the ledger.
pub(crate) const MISSED_REASONS: [&str; 11] = [
    "no node was up",
    "store down",
    "quarantine",
    "store down, then quarantine",
    "store clock jumped",
    "another number of buckets",
    "max_running",
    "node was behind",
    TOO_LATE,
    NOT_REPLICATED,
    REQUEST_DELETED,
];

/// The counter of a reason; `None` if no node gives it.
pub(crate) fn missed_reason(reason: &str) -> Option<usize> {
    MISSED_REASONS.iter().position(|known| *known == reason)
}

/// Why a node skipped ticks. What was superseded is recorded by the store, without a reply that says so.
pub(crate) const SKIP_REASONS: [SkipReason; 4] = [
    SkipReason::Overlap,
    SkipReason::QueueFull,
    SkipReason::Disabled,
    SkipReason::Paused,
];

/// The verdicts on claims; the last is for claims that the store refuses.
pub(crate) const VERDICTS: [&str; 17] = [
    "granted",
    "not_replicated",
    "skipped",
    "queued",
    "marked_missed",
    "decided",
    "other_schedule",
    "quarantined",
    "early",
    "late",
    "stale",
    "busy",
    "conflict",
    "queue_empty",
    "paused",
    "moved",
    "lane",
];

/// The counter of claims that the store refuses.
pub(crate) const REFUSED: &str = "refused";

/// The counter of a verdict.
pub(crate) fn verdict(verdict: &Verdict) -> usize {
    let word = match verdict {
        Verdict::Granted(_) => "granted",
        Verdict::NotReplicated(_) => "not_replicated",
        Verdict::Skipped => "skipped",
        Verdict::Queued => "queued",
        Verdict::MarkedMissed => "marked_missed",
        Verdict::Decided { .. } => "decided",
        Verdict::OtherSchedule(_) => "other_schedule",
        Verdict::Quarantined { .. } => "quarantined",
        Verdict::Early { .. } => "early",
        Verdict::Late => "late",
        Verdict::Stale(_) => "stale",
        Verdict::Busy => "busy",
        Verdict::Conflict => "conflict",
        Verdict::QueueEmpty => "queue_empty",
        Verdict::Paused => "paused",
        Verdict::Moved => "moved",
        Verdict::Lane => "lane",
    };
    let known = VERDICTS.iter().position(|known| *known == word);
    known.unwrap_or_default()
}

/// A request to the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    Checkpoint,
    Claim,
    Control,
    Ask,
    Finish,
    Heartbeat,
    Inspect,
    Ledger,
    Record,
    Register,
    Renew,
    Take,
    WriteOff,
}

impl Op {
    pub(crate) const ALL: [Op; 13] = [
        Op::Checkpoint,
        Op::Claim,
        Op::Control,
        Op::Ask,
        Op::Finish,
        Op::Heartbeat,
        Op::Inspect,
        Op::Ledger,
        Op::Record,
        Op::Register,
        Op::Renew,
        Op::Take,
        Op::WriteOff,
    ];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Op::Checkpoint => "checkpoint",
            Op::Claim => "claim",
            Op::Control => "control",
            Op::Ask => "ask",
            Op::Finish => "finish",
            Op::Heartbeat => "heartbeat",
            Op::Inspect => "inspect",
            Op::Ledger => "ledger",
            Op::Record => "record",
            Op::Register => "register",
            Op::Renew => "renew",
            Op::Take => "take",
            Op::WriteOff => "write_off",
        }
    }
}

/// Results of requests.
pub(crate) const RESULTS: [&str; 3] = ["ok", "refused", "failed"];

/// The place of a result in [`RESULTS`].
pub(crate) fn result<T>(reply: &Result<T, StoreError>) -> usize {
    match reply {
        Ok(_) => 0,
        Err(StoreError::Refused(_) | StoreError::Statement(_)) => 1,
        Err(_) => 2,
    }
}
