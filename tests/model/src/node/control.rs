//! Directives: a node keeps a copy of the job's, and repeats it to a store that forgot it.

use scheduled_one_protocol::Directive;
use scheduled_one_protocol::message::{ControlReply, ControlRequest};

use super::Node;
use crate::config::Config;
use crate::server::Request;

/// What a node knows of directives.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Known {
    /// The job's directive.
    pub directive: Directive,
    /// The version in the head of the last reply.
    pub head: u64,
    /// The same when directives were read last.
    pub read: u64,
    /// The store has an older directive.
    pub unrepeated: bool,
    /// Since when a request waits for its reply.
    pub asked: Option<i64>,
}

impl Node {
    /// At once when the head of a reply shows another version; again when no reply came.
    pub(super) fn control_due(&self, config: &Config, now: i64) -> Option<Request> {
        let known = &self.known;
        let waits = known.asked.is_some_and(|asked| now <= asked);
        let is_due = known.head != known.read || known.unrepeated;
        if waits || !is_due {
            return None;
        }
        let repeats = known.directive.version > 0 && (known.unrepeated || known.head < known.read);
        let repeats = repeats && config.guards.repeats_directives;
        let seen = (Config::unit().job().to_owned(), known.directive.clone());
        Some(Request::Control(Box::new(ControlRequest {
            seen: repeats.then_some(seen).into_iter().collect(),
            ..ControlRequest::default()
        })))
    }

    /// The reply: the higher version counts.
    pub(super) fn controlled(&mut self, config: &Config, reply: &ControlReply) {
        let known = &mut self.known;
        known.asked = None;
        known.read = reply.version;
        let stored = reply.directives.get(Config::unit().job());
        let version = stored.map_or(0, |stored| stored.version);
        if let Some(stored) = stored.filter(|stored| stored.version > known.directive.version) {
            known.directive = stored.clone();
        }
        known.unrepeated = known.directive.version > version && config.guards.repeats_directives;
    }
}
