//! What is the case now, as far as ledgers do not say it.

use std::collections::{BTreeMap, BTreeSet};

use scheduled_one_protocol::LedgerRecord;
use scheduled_one_schedule::alert::JobRules;

use crate::rule::job_of;

/// The subject of alerts about the cluster as a whole.
pub const CLUSTER: &str = "cluster";

/// What a node sees at one instant. Times are milliseconds since the Unix epoch, by the store's clock.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// When it was seen.
    pub at_ms: i64,
    /// The jobs, a row for each shard. A job that is not listed keeps what is known of it.
    pub units: Vec<UnitFacts>,
    /// What jobs say of their alerts themselves. The rules that the program gives for a job come first.
    pub declared: BTreeMap<String, JobRules>,
    /// Jobs (or shards) that are none any more: their alerts are over, what is known of them is forgotten, and new
    /// lines of their ledgers are passed over.
    pub gone: Vec<String>,
    /// All jobs that the stores or the nodes know of, if all of that could be read, each with the most shards that a
    /// living node has of it, if one has it. A job that is in no such list for a minute is none any more; nor is a
    /// shard with a higher number.
    pub jobs: Option<BTreeMap<String, Option<u32>>>,
    /// How many nodes send heartbeats, if that is known.
    pub nodes: Option<u32>,
    /// The identities of these nodes, which are new with each start. What failed on another node, of a job that each
    /// node runs by itself, is over with the next success.
    pub identities: Option<BTreeSet<String>>,
    /// How the living nodes differ, if they do: the schedules of a job, zone data included; its versions, as nodes say
    /// them; the version of the protocol.
    pub drift: Option<String>,
    /// Outages of stores that ended lately, or continue, of any length.
    pub outages: Vec<Outage>,
    /// Quarantines that continue, or ended lately, except that of a new namespace.
    pub quarantines: Vec<Quarantine>,
    /// What could not be read although its store replies, or a store without a reply whose outage is not in `outages`.
    pub unreadable: Vec<Unreadable>,
    /// Whether a store did not reply: then what is not listed is not known.
    pub is_partial: bool,
}

/// One job, or one shard of it, as it is now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnitFacts {
    /// The job, followed by `#3` for a shard: as in the store.
    pub name: String,
    /// The time zone of the job, in whose time ticks are shown.
    pub zone: Option<String>,
    /// When it was registered for the first time.
    pub first_seen_ms: Option<i64>,
    /// The oldest tick that is due, was not decided, and may start.
    pub due_ms: Option<i64>,
    /// Since when the oldest active run runs, whether its schedule started it or somebody asked for it.
    pub running_since_ms: Option<i64>,
    /// Since when it is paused.
    pub paused_since_ms: Option<i64>,
    /// Whether the program has switched it off.
    pub is_disabled: bool,
    /// A digest of what the store has of it. While it is the same, its ledger has no new line that counts. None if
    /// that is not known: then the ledger is read each time.
    pub mark: Option<u64>,
    /// How many ticks the audit cannot explain; none if this node has not audited the job.
    pub unaccounted: Option<u64>,
    /// That no node has the job, although the store knows it.
    pub no_node_has: bool,
}

/// Something that could not be read: nobody looks at it as long as that is so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// A job (or shard), or a store: "store", "bucket 3".
    pub what: String,
    /// What the store said.
    pub error: String,
}

impl UnitFacts {
    /// Whether nothing of its schedule starts because somebody wants that.
    pub(crate) fn is_off(&self) -> bool {
        self.is_disabled || self.paused_since_ms.is_some()
    }
}

/// The units that facts list.
pub(crate) struct Listed<'a> {
    units: BTreeMap<&'a str, &'a UnitFacts>,
    /// One of each job.
    jobs: BTreeMap<&'a str, &'a UnitFacts>,
}

impl<'a> Listed<'a> {
    pub(crate) fn of(facts: &'a Facts) -> Self {
        let units = facts.units.iter();
        Listed {
            units: units.clone().map(|unit| (&*unit.name, unit)).collect(),
            jobs: units.map(|unit| (job_of(&unit.name), unit)).collect(),
        }
    }

    pub(crate) fn unit(&self, name: &str) -> Option<&'a UnitFacts> {
        self.units.get(name).copied()
    }

    /// Any unit of the same job.
    pub(crate) fn of_job(&self, name: &str) -> Option<&'a UnitFacts> {
        self.jobs.get(job_of(name)).copied()
    }
}

/// A time in which a store did not reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outage {
    /// Which store: "store", or "bucket 3".
    pub store: String,
    /// When it began.
    pub since_ms: i64,
    /// When it ended, if it has.
    pub until_ms: Option<i64>,
    /// Until when jobs may be late because of it: the end of the quarantine that follows. Until then, nobody is alerted
    /// to a job without success, and missed ticks are one message.
    pub grace_until_ms: i64,
    /// What the store, or the network, said.
    pub error: String,
}

/// A time in which a store grants nothing, because it may have forgotten leases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarantine {
    /// Which store: "store", or "bucket 3".
    pub store: String,
    /// When it began.
    pub since_ms: i64,
    /// When the last job starts again.
    pub until_ms: i64,
}

/// What one evaluation takes in: the new lines of all ledgers, and the facts.
#[derive(Clone, Debug, Default)]
pub struct Input {
    /// New lines, each job's in the order of its ledger, oldest first.
    pub lines: Vec<LedgerRecord>,
    /// What is the case after these lines.
    pub facts: Facts,
}
