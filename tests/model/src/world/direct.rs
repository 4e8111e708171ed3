//! An operator: one process more, that never fails.

use scheduled_one_protocol::message::{Caller, Changed, ControlRequest, DirectiveChange, Verdict};
use scheduled_one_protocol::{FencingToken, Pause};

use super::World;
use crate::config::Config;
use crate::server::{Body, Request};

fn operator() -> Caller {
    Caller {
        node: "operator".to_owned(),
        name: "operator".to_owned(),
        quarantine_ms: 0,
        margin_ms: 0,
        ledger_limit: 100,
        buckets: 1,
    }
}

impl World {
    /// Pauses the job, or ends the pause.
    pub(super) fn direct(&mut self) {
        self.left.directives -= 1;
        let (job, now_ms) = (Config::unit().job().to_owned(), self.store_now());
        let stored = self.server.memory.meta.directives.get(&job);
        let mut directive = stored.cloned().unwrap_or_default();
        let seen = directive.version;
        let pauses = self.history.pause.is_none();
        match pauses {
            true => {
                directive.pause = Some(Pause {
                    since_ms: now_ms,
                    until_ms: None,
                });
            }
            false => directive.end_pause(now_ms, false),
        }
        let request = Request::Control(ControlRequest {
            seen: Vec::new(),
            change: Some(DirectiveChange {
                subject: job,
                seen,
                directive,
                action: String::new(),
            }),
            ..ControlRequest::default()
        });
        let reply = self.serve(&request, &operator());
        if let Body::Controlled(reply) = reply.body
            && let Changed::To(version) = reply.changed
        {
            self.history.pause = pauses.then_some(version);
            self.history.pause_is_lost = false;
        }
    }

    /// Whether a tick was granted in the pause: takeovers may go on.
    pub(super) fn judge_pause(&mut self, reply: &Body, newest: FencingToken) {
        let Body::Claimed(claimed) = reply else {
            return;
        };
        if let Verdict::Granted(grant) = &claimed.verdict {
            let is_new = grant.token > newest && grant.attempt == 1;
            let holds = self.history.pause.is_some() && !self.history.pause_is_lost;
            self.history.granted_in_pause |= is_new && holds;
        }
    }

    /// A pause that only the store knew, which forgot it, is gone.
    pub(super) fn note_lost_pause(&mut self) {
        let Some(version) = self.history.pause else {
            return;
        };
        let stored = self.server.memory.meta.directives.get(Config::unit().job());
        let is_stored = stored.is_some_and(|stored| stored.version >= version);
        let knows = |known: u64| known >= version;
        let mut living = self.nodes.iter().filter(|node| node.up);
        let is_known = living.any(|node| knows(node.known.directive.version));
        self.history.pause_is_lost |= !is_stored && !is_known;
    }
}
