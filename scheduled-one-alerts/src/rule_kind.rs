//! What a rule looks at, and its words.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::alert::Severity;

/// What a rule looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RuleKind {
    /// Outcomes in a row are failures.
    Failed,
    /// Ticks in a row could not start.
    Missed,
    /// The node of a run is gone, and no other attempt follows.
    Lost,
    /// No run has succeeded for a time.
    NoSuccess,
    /// A tick is due and has not started.
    Late,
    /// A run takes long.
    RunsLonger,
    /// A job is paused for long.
    PausedLonger,
    /// Ticks are neither decided nor explained.
    Unaccounted,
    /// No node has the job.
    NoNodeHas,
    /// The store did not reply.
    StoreLost,
    /// The store grants nothing for now, because it may have forgotten leases.
    Quarantine,
    /// A job or a store cannot be read, so no rule looks at it.
    Unreadable,
    /// Too few nodes.
    NodesBelow,
    /// Nodes have had different versions of a job, other schedules of it, or another version of the protocol, for long.
    Drift,
    /// A channel takes no messages any more.
    Channel,
    /// Somebody tries a channel.
    Test,
}

impl RuleKind {
    /// All rules that fire by themselves.
    pub const ALL: [RuleKind; 15] = [
        RuleKind::Failed,
        RuleKind::Missed,
        RuleKind::Lost,
        RuleKind::NoSuccess,
        RuleKind::Late,
        RuleKind::RunsLonger,
        RuleKind::PausedLonger,
        RuleKind::Unaccounted,
        RuleKind::NoNodeHas,
        RuleKind::StoreLost,
        RuleKind::Quarantine,
        RuleKind::Unreadable,
        RuleKind::NodesBelow,
        RuleKind::Drift,
        RuleKind::Channel,
    ];

    /// The word for the rule, in messages for machines.
    pub fn as_str(self) -> &'static str {
        match self {
            RuleKind::Failed => "failed",
            RuleKind::Missed => "missed",
            RuleKind::Lost => "lost",
            RuleKind::NoSuccess => "no_success",
            RuleKind::Late => "late",
            RuleKind::RunsLonger => "runs_longer",
            RuleKind::PausedLonger => "paused_longer",
            RuleKind::Unaccounted => "unaccounted",
            RuleKind::NoNodeHas => "no_node_has",
            RuleKind::StoreLost => "store_lost",
            RuleKind::Quarantine => "quarantine",
            RuleKind::Unreadable => "unreadable",
            RuleKind::NodesBelow => "nodes_below",
            RuleKind::Drift => "drift",
            RuleKind::Channel => "channel",
            RuleKind::Test => "test",
        }
    }

    /// What is the case while the rule fires.
    pub(crate) fn phrase(self) -> &'static str {
        match self {
            RuleKind::Failed => "failed",
            RuleKind::Missed => "missed",
            RuleKind::Lost => "lost",
            RuleKind::NoSuccess => "no success for too long",
            RuleKind::Late => "due and not started",
            RuleKind::RunsLonger => "runs longer than it should",
            RuleKind::PausedLonger => "paused for long",
            RuleKind::Unaccounted => "ticks without an outcome",
            RuleKind::NoNodeHas => "no node has it",
            RuleKind::StoreLost => "store did not reply",
            RuleKind::Quarantine => "nothing starts: quarantine",
            RuleKind::Unreadable => "cannot be read, so no rule looks at it",
            RuleKind::NodesBelow => "too few nodes",
            RuleKind::Drift => "nodes differ",
            RuleKind::Channel => "takes no alerts",
            RuleKind::Test => "a message to try this channel",
        }
    }

    /// What somebody does about it.
    pub(crate) fn advice(self) -> &'static str {
        match self {
            RuleKind::Failed => "read the error and the log of the run",
            RuleKind::Missed => {
                "find out why nothing could start; catch up by hand if the job has no misfire policy"
            }
            RuleKind::Lost => {
                "look at the node of the run; decide whether the work has to be done by hand"
            }
            RuleKind::NoSuccess => {
                "read the ledger of the job: it fails, does not start, or never ran"
            }
            RuleKind::Late => "look whether nodes are up, claim, and are not overloaded",
            RuleKind::RunsLonger => "look at the log of the run; cancel it if it hangs",
            RuleKind::PausedLonger => "resume the job, or pause it until an instant",
            RuleKind::Unaccounted => "audit the job; the store has lost what it had recorded",
            RuleKind::NoNodeHas => "start a release that has the job, or remove the job for good",
            RuleKind::StoreLost => "look at the store and the network to it",
            RuleKind::Quarantine => "find out who restarts, flushes or fails over the store",
            RuleKind::Unreadable => {
                "correct what the error names in the store; the doctor shows more"
            }
            RuleKind::NodesBelow => "look why replicas of the service are gone",
            RuleKind::Drift => {
                "finish the deployment: give all nodes the same release and zone data"
            }
            RuleKind::Channel => "correct the address of the channel, and start the service again",
            RuleKind::Test => "nothing",
        }
    }

    /// What several subjects of the rule are called.
    pub(crate) fn subjects(self) -> &'static str {
        match self {
            RuleKind::StoreLost | RuleKind::Quarantine => "stores",
            RuleKind::Channel => "channels",
            _ => "jobs",
        }
    }

    pub(crate) fn severity(self) -> Severity {
        match self {
            RuleKind::Late
            | RuleKind::RunsLonger
            | RuleKind::PausedLonger
            | RuleKind::Quarantine
            | RuleKind::Drift
            | RuleKind::Channel
            | RuleKind::Test => Severity::Warning,
            _ => Severity::Error,
        }
    }
}

impl fmt::Display for RuleKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
