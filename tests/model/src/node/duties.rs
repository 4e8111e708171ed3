//! The actions that a node must take before time passes. The search chooses the order in which the store receives the
//! requests.

use scheduled_one_protocol::message::{OverdueRun, Target};

use super::{Node, Phase};
use crate::config::{Config, Leaves};
use crate::server::{Request, identity};

/// What a node must do now.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Duty {
    /// Poll a granted run for the first time.
    Begin(usize),
    /// Send a request to the store.
    Ask(Request),
    /// Send a request to the store, or leave that to other nodes.
    MayAsk(Request),
}

/// What a heartbeat would report now.
pub struct News {
    /// Who serves.
    pub serving: u8,
    /// Whether a request has come since the store began to serve.
    pub noticed: bool,
    /// The version of the directives.
    pub control_version: u64,
    /// When the last quarantine began.
    pub quarantine_from_ms: i64,
    /// Something waits and can start.
    pub ready: bool,
    /// A request waits and can start.
    pub lane_ready: bool,
    /// A tick was due a while ago, and is undecided.
    pub unclaimed: bool,
    /// A run is recorded whose lease has ended. No reply reports it, and no request depends on it.
    pub lease_over: bool,
    /// A run whose renewal is overdue.
    pub overdue: Option<OverdueRun>,
}

impl Node {
    /// What it must do before time passes. Renewals come first: in what order
    /// those and others are executed within one instant makes no difference.
    pub fn duties(&self, config: &Config, now: i64, news: &News) -> Vec<Duty> {
        if !self.acts() {
            return Vec::new();
        }
        let runs = self.runs.iter().enumerate();
        let granted = runs.filter(|(_, run)| run.phase == Phase::Granted);
        let begins: Vec<Duty> = granted.map(|(index, _)| Duty::Begin(index)).collect();
        if self.cut || !begins.is_empty() {
            return begins;
        }
        let requests = self.requests(config, now, news);
        let leaves = match config.leaves {
            Leaves::Nothing => false,
            Leaves::UntilUnclaimed => !self.adopts,
            Leaves::Everything => true,
        };
        let duty = |request| match leaves && self.is_first_claim(&request) {
            true => Duty::MayAsk(request),
            false => Duty::Ask(request),
        };
        requests.into_iter().map(duty).collect()
    }

    /// Whether the request is the first claim of a due tick: a repetition is not left to others.
    fn is_first_claim(&self, request: &Request) -> bool {
        let Request::Claim(claim) = request else {
            return false;
        };
        matches!(claim.target, Target::Tick(_)) && self.claim.is_none()
    }

    fn requests(&self, config: &Config, now: i64, news: &News) -> Vec<Request> {
        if self.serving.is_empty() {
            return vec![Request::Heartbeat]; // a new node learns the clock first
        }
        let mut requests = self.renewals_due(config, now);
        requests.extend(self.finish_due(now));
        requests.extend(self.register_due(config, now));
        requests.extend(self.lane_register_due(config, now));
        requests.extend(self.control_due(config, now));
        if self.registered_with.is_none() {
            return requests; // before it, nothing is due
        }
        requests.extend(self.seen_due(config, now));
        if config.faults.forgets > 0 && !self.seen.by_store {
            return requests; // no unit prefers anybody
        }
        requests.extend(self.claims_again(config, now));
        requests.extend(self.takes_again(now));
        if !self.held_up(now) {
            requests.extend(self.claim_due(config, now));
            requests.extend(self.next_due(config, now));
            requests.extend(self.take_due(config, now));
        }
        requests.extend(self.write_off_due(config, now, news));
        if self.learns_from(config, news, now) {
            requests.push(Request::Heartbeat);
        }
        requests
    }

    /// Whether the reply to a heartbeat would change the state of the node.
    fn learns_from(&self, config: &Config, news: &News, now: i64) -> bool {
        let may_claim = self.next.is_none() && now >= self.next_again_at && !self.held_up(now);
        let ready = news.ready && !self.ready && may_claim;
        let lane = &self.lane;
        let may_take = lane.take.is_none() && now >= lane.again_at && !self.held_up(now);
        let lane_ready = news.lane_ready && !lane.ready && may_take;
        let adopts = self.may_adopt(config) && !self.adopts && !self.held_up(now);
        let unclaimed = news.unclaimed && adopts && self.claim_due(config, now).is_some();
        let watched = self.watch.as_ref().map(|(run, _)| run);
        ready
            || lane_ready
            || unclaimed
            || !news.noticed
            || news.control_version != self.known.head
            || identity(news.serving) != self.serving
            || news.quarantine_from_ms != self.quarantine_from_ms
            || (watched != news.overdue.as_ref() && !self.owns(news.overdue.as_ref()))
    }

    /// Whether it claims what heartbeats call unclaimed.
    pub(super) fn may_adopt(&self, config: &Config) -> bool {
        let leaves = config.leaves == Leaves::UntilUnclaimed;
        leaves && config.guards.adopts_unclaimed
    }

    /// Watching its own run would do no harm, and only adds states: a node
    /// that polls renews.
    fn owns(&self, overdue: Option<&OverdueRun>) -> bool {
        let mine = |overdue: &OverdueRun| {
            let mut runs = self.runs.iter();
            runs.any(|run| run.id.nonce == overdue.nonce)
        };
        overdue.is_some_and(mine)
    }
}
