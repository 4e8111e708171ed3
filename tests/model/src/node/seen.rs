//! What the store knows of the node: that it lives and has the job, which heartbeats say, and the catalog entry
//! (`heartbeat.rs`, `describing.rs`). Only where an operator may forget the job; nothing else depends on it.

use scheduled_one_protocol::message::{ControlRequest, Heartbeat, JobList};

use super::Node;
use crate::config::Config;
use crate::server::Request;

/// The list of all nodes: the job.
fn list() -> JobList {
    JobList::from_text(Config::unit().job())
}

/// What a node knows of that.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Seen {
    /// When the last heartbeat was sent.
    beat: Option<i64>,
    /// A heartbeat had a reply.
    pub by_store: bool,
    /// The store had the list of the node's jobs once.
    has_list: bool,
    /// It lacks the list now.
    lacks_list: bool,
    /// The unit is to be registered again, because the store did not know that the node has it.
    pub(super) registers: bool,
    /// The store has the description of the job.
    described: bool,
    /// Since when a description waits for its reply.
    describing: Option<i64>,
}

impl Seen {
    /// The store knows that the node has the job.
    pub fn is_known(&self) -> bool {
        self.has_list && !self.lacks_list
    }
}

impl Node {
    /// A heartbeat each second, from the first registration on, and a description.
    pub(super) fn seen_due(&self, config: &Config, now: i64) -> Vec<Request> {
        let seen = &self.seen;
        if config.faults.forgets == 0 {
            return Vec::new();
        }
        let beats = seen.beat.is_none_or(|beat| now > beat);
        let beat = || Heartbeat {
            jobs: list().digest(),
            job_list: seen.lacks_list.then(list),
            ..Heartbeat::default()
        };
        let waits = seen.describing.is_some_and(|asked| now <= asked);
        let describes = !seen.described && !waits;
        let description = || ControlRequest {
            described: vec![(Config::unit().job().to_owned(), String::new())],
            ..ControlRequest::default()
        };
        let beat = beats.then(|| Request::Beat(Box::new(beat())));
        let description = describes.then(|| Request::Describe(Box::new(description())));
        beat.into_iter().chain(description).collect()
    }

    pub(super) fn sends_beat(&mut self, now: i64) {
        self.seen.beat = Some(now);
    }

    pub(super) fn sends_description(&mut self, now: i64) {
        self.seen.describing = Some(now);
    }

    /// The reply to a heartbeat: whether the store has the list of jobs, which this heartbeat may have brought.
    pub(super) fn beat_acknowledged(&mut self, config: &Config, has_list: bool) {
        let seen = &mut self.seen;
        seen.by_store = true;
        let brought = std::mem::replace(&mut seen.lacks_list, !has_list);
        seen.has_list |= has_list;
        if has_list && brought && config.guards.registers_unseen {
            seen.registers = true;
            seen.described = false;
            seen.describing = None;
        }
    }

    pub(super) fn description_acknowledged(&mut self, sent: i64) {
        let seen = &mut self.seen;
        let waited = seen.describing.take_if(|asked| *asked == sent);
        seen.described |= waited.is_some();
    }
}
