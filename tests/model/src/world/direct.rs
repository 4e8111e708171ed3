//! Operators, and whoever asks for runs: one process more, that never fails.

use scheduled_one_protocol::message::{
    self, Ask, Asked, Caller, Cancel, Cause, Changed, ControlRequest, DirectiveChange, Verdict,
};
use scheduled_one_protocol::{Directive, FencingToken, Pause};

use super::World;
use crate::config::Config;
use crate::server::{Body, Request};

pub(super) fn operator() -> Caller {
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
    pub(super) fn direct(&mut self, config: &Config) {
        self.left.directives -= 1;
        let (pauses, now_ms) = (self.history.pause.is_none(), self.store_now());
        let version = self.change(config, |directive| match pauses {
            true => {
                directive.pause = Some(Pause {
                    since_ms: now_ms,
                    until_ms: None,
                });
            }
            false => directive.end_pause(now_ms, false),
        });
        if let Some(version) = version {
            self.history.pause = pauses.then_some(version);
            self.history.pause_is_lost = false;
        }
    }

    /// Changes the directive of the job that is stored. Returns the version of the new one.
    pub(super) fn change(
        &mut self,
        config: &Config,
        change: impl FnOnce(&mut Directive),
    ) -> Option<u64> {
        let job = Config::unit().job().to_owned();
        let stored = self.server.memory.meta.directives.get(&job);
        let mut directive = stored.cloned().unwrap_or_default();
        let seen = directive.version;
        change(&mut directive);
        let request = Request::Control(Box::new(ControlRequest {
            change: Some(DirectiveChange {
                subject: job,
                seen,
                directive,
                action: String::new(),
            }),
            ..ControlRequest::default()
        }));
        let reply = self.serve(config, &request, &operator());
        match reply.body {
            Body::Controlled(reply) => match reply.changed {
                Changed::To(version) => Some(version),
                _ => None,
            },
            _ => None,
        }
    }

    /// Asks for a run: each time with the same id, as somebody does who got no reply.
    pub(super) fn ask_for_run(&mut self, config: &Config) {
        self.left.asks -= 1;
        let request = message::Request {
            id: "r".to_owned(),
            cause: Cause::Manual,
            actor: String::new(),
            note: String::new(),
            logical: None,
            on_busy: None,
            parameters: String::new(),
        };
        let ask = Request::Ask(Box::new(Ask {
            unit: Config::unit(),
            request,
        }));
        if let Body::Asked(Asked::Queued { tick }) = self.serve(config, &ask, &operator()).body {
            // What has started before the store forgot it, in this millisecond, counts instead.
            let mut starts = self.history.starts.iter();
            let has_started = starts.any(|start| start.in_lane && start.tick == tick);
            self.history.asked = (!has_started).then_some(tick);
        }
    }

    /// Cancels the run of a start, of which it does not know whether it goes on.
    pub(super) fn cancel_run(&mut self, config: &Config, start: usize) {
        self.left.cancels -= 1;
        let poll = self.history.starts[start];
        let unit = match poll.in_lane {
            true => Config::unit().lane(),
            false => Config::unit(),
        };
        self.history.cancelled.push(poll.token);
        let cancel = Request::Cancel(Cancel {
            unit,
            token: poll.token,
            by: "an operator".to_owned(),
            note: String::new(),
        });
        self.serve(config, &cancel, &operator());
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
        self.history.pause_is_lost |= self.is_lost(version);
    }

    /// Neither the store nor a living node has the directive of this version, or a later one.
    pub(super) fn is_lost(&self, version: u64) -> bool {
        let stored = self.server.memory.meta.directives.get(Config::unit().job());
        let is_stored = stored.is_some_and(|stored| stored.version >= version);
        let mut living = self.nodes.iter().filter(|node| node.up);
        let is_known = living.any(|node| node.known.directive.version >= version);
        !is_stored && !is_known
    }
}
