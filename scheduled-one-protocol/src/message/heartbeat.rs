//! Heartbeats: a node shows that it is alive, and learns which other nodes are, and which units need a claim.

use std::fmt;
use std::sync::Arc;

use super::OverdueRun;
use crate::hash::hash;
use crate::machine::FIRST_VERSION;
use crate::unit::UnitName;

/// A node's sign of life, one each second.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Heartbeat {
    /// The node is leaving: it no longer counts as living.
    pub leaving: bool,
    /// Digest of the jobs that the node runs.
    pub jobs: JobsDigest,
    /// The jobs themselves, if the store may not have them.
    pub job_list: Option<JobList>,
    /// The version of the membership that the node has seen, 0 for none.
    pub known_version: u64,
    /// A digest of other nodes whose jobs the caller asks for.
    pub wanted_list: Option<JobsDigest>,
    /// What the node is labelled with.
    pub labels: Labels,
    /// How much the node does now.
    pub load: Load,
    /// Whether the caller asks how much all nodes do.
    pub wants_load: bool,
    /// Wall clock of the node minus the store's clock, in ms, as far as the node knows it. Nobody decides by it.
    pub clock_offset_ms: Option<i64>,
}

impl Heartbeat {
    /// The heartbeat of a node that is up and runs no jobs.
    pub fn alive() -> Self {
        Heartbeat::default()
    }

    /// The heartbeat of a node that is leaving.
    pub fn leaving() -> Self {
        Heartbeat {
            leaving: true,
            ..Heartbeat::default()
        }
    }
}

/// The answer to a [`Heartbeat`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct HeartbeatReply {
    /// The living nodes.
    pub membership: Membership,
    /// Identities of living nodes whose last heartbeat is older than [`SUSPECT_MS`](super::SUSPECT_MS).
    pub suspects: Vec<String>,
    /// Identities of living nodes that have more to do than others, at most [`MAX_NODES`](super::MAX_NODES).
    pub busy: Vec<String>,
    /// Identities of living nodes that take no further runs, at most [`MAX_NODES`](super::MAX_NODES).
    pub full: Vec<String>,
    /// Active runs of all living nodes, if the caller asked.
    pub running: Option<u64>,
    /// Whether the store has the list of the caller's jobs.
    pub has_job_list: bool,
    /// The list that the caller asked for, if the store has it.
    pub wanted_list: Option<JobList>,
    /// Units in which something waits and can start, at most [`MAX_BATCH`](super::MAX_BATCH).
    pub ready: Vec<UnitName>,
    /// Units with a tick that was due [`UNCLAIMED_MS`](super::UNCLAIMED_MS) ago and is undecided, at most
    /// [`MAX_BATCH`](super::MAX_BATCH).
    pub unclaimed: Vec<UnitName>,
    /// Runs whose renewal is overdue, at most [`MAX_BATCH`](super::MAX_BATCH), oldest first.
    pub overdue: Vec<OverdueRun>,
}

/// The living nodes of a bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Membership {
    /// Changes whenever a node comes or goes, or has other jobs.
    pub version: u64,
    /// The nodes by identity, at most [`MAX_NODES`](super::MAX_NODES); `None` if the caller has seen this version.
    pub members: Option<Vec<Member>>,
}

/// A living node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Member {
    /// Identity of the started scheduler.
    pub node: String,
    /// The node's label in ledgers.
    pub name: String,
    /// Digest of the jobs that it runs.
    pub jobs: JobsDigest,
    /// What it is labelled with.
    pub labels: Labels,
    /// Its [`Heartbeat::clock_offset_ms`] when the membership was read; `None` of a node of an older release. Another
    /// one is no news of the membership.
    pub clock_offset_ms: Option<i64>,
}

/// How much a node does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Load {
    /// Active runs, at most [`MAX_RUNNING`](super::MAX_RUNNING).
    pub running: u32,
    /// Whether there is room for more.
    pub room: Room,
}

/// Whether a node has room for more runs, as it says itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Room {
    /// The node takes any run.
    #[default]
    Free,
    /// The node has more to do than others.
    Busy,
    /// The node takes no further runs.
    Full,
}

/// What a node is labelled with, as one text: words in order, with a space between two.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Labels(Arc<str>);

impl Labels {
    /// These words, which have no spaces.
    pub fn new<'a>(words: impl IntoIterator<Item = &'a str>) -> Self {
        let mut words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
        words.sort_unstable();
        words.dedup();
        Labels(words.join(" ").into())
    }

    /// Labels that were stored.
    pub fn from_text(text: &str) -> Self {
        Labels(text.into())
    }

    /// The text to store.
    pub fn as_text(&self) -> &str {
        &self.0
    }

    /// The words.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        self.0.split(' ').filter(|word| !word.is_empty())
    }

    /// Whether this word is one of them.
    pub fn has(&self, word: &str) -> bool {
        self.words().any(|it| it == word)
    }
}

/// Digest of the names of the jobs that a node runs. `Display` gives 16 hexadecimal digits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobsDigest(pub u64);

impl JobsDigest {
    /// Reads what `Display` wrote.
    pub fn parse(text: &str) -> Option<Self> {
        let is_digest = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = u64::from_str_radix(text, 16).ok().filter(|_| is_digest);
        number.map(JobsDigest)
    }
}

impl fmt::Display for JobsDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// The names of the jobs that a node runs, as one text: in order, separated by spaces. Names have no spaces.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct JobList(Arc<str>);

impl JobList {
    /// What stands in front of the version of the protocol that a node speaks, in an entry that is no name of a job.
    pub const PROTOCOL: &str = "*protocol=";
    /// What stands in front of the version of the node's program, likewise.
    pub const RELEASE: &str = "*release=";
    /// What stands between the name of a job and its version, of a job that has another one than the program, or none.
    pub const OF_JOB: &str = "*=";

    /// The list of these names.
    pub fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let mut names: Vec<&str> = names.into_iter().collect();
        names.sort_unstable();
        JobList(names.join(" ").into())
    }

    /// A list that was stored.
    pub fn from_text(text: &str) -> Self {
        JobList(text.into())
    }

    /// The text to store.
    pub fn as_text(&self) -> &str {
        &self.0
    }

    /// The digest of the list.
    pub fn digest(&self) -> JobsDigest {
        JobsDigest(hash(&self.0, 0))
    }

    /// The version of the protocol that the node speaks; the first one if it does not say so.
    pub fn protocol(&self) -> u64 {
        let said = self
            .names()
            .find_map(|entry| entry.strip_prefix(Self::PROTOCOL));
        let said = said.and_then(|version| version.parse().ok());
        said.unwrap_or(FIRST_VERSION)
    }

    /// The jobs that have several shards, and how many: the entries `job*shards`.
    pub fn shards(&self) -> impl Iterator<Item = (String, u32)> {
        let entries = self.names().filter_map(|entry| entry.split_once('*'));
        entries.filter_map(|(job, shards)| Some((job.to_owned(), shards.parse().ok()?)))
    }

    /// The names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.split(' ').filter(|name| !name.is_empty())
    }
}
