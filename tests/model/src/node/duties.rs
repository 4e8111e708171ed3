//! What a node must do before time passes. The store sees the requests in any
//! order that the model chooses; here is only what they are.

use scheduled_one_protocol::message::OverdueRun;

use super::{Node, Phase};
use crate::config::Config;
use crate::server::{Request, identity};

/// What a node must do now.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Duty {
    /// Poll a granted run for the first time.
    Begin(usize),
    /// Ask the store.
    Ask(Request),
}

/// What a heartbeat would report now.
pub struct News {
    /// Who serves.
    pub serving: u8,
    /// The store knows that it does: nobody has asked it since, if not.
    pub noticed: bool,
    /// Until when nothing is granted.
    pub quarantine_until_ms: i64,
    /// Something waits and can start.
    pub ready: bool,
    /// A run is recorded whose lease has ended: no node is told, or asks.
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
        requests.into_iter().map(Duty::Ask).collect()
    }

    fn requests(&self, config: &Config, now: i64, news: &News) -> Vec<Request> {
        if self.serving.is_empty() {
            return vec![Request::Heartbeat]; // a new node learns the clock first
        }
        let mut requests = self.renewals_due(config, now);
        requests.extend(self.finish_due(now));
        requests.extend(self.register_due(config, now));
        if self.registered_with.is_none() {
            return requests; // before it, nothing is due
        }
        requests.extend(self.claims_again(config, now));
        if !self.held_up(now) {
            requests.extend(self.claim_due(config, now));
            requests.extend(self.next_due(config, now));
        }
        requests.extend(self.write_off_due(config, now, news));
        if self.learns_from(news, now) {
            requests.push(Request::Heartbeat);
        }
        requests
    }

    /// A heartbeat would tell it something.
    fn learns_from(&self, news: &News, now: i64) -> bool {
        let ready = news.ready && !self.ready && self.next.is_none() && !self.held_up(now);
        let watched = self.watch.as_ref().map(|(run, _)| run);
        ready
            || !news.noticed
            || identity(news.serving) != self.serving
            || news.quarantine_until_ms != self.quarantine_until_ms
            || (watched != news.overdue.as_ref() && !self.owns(news.overdue.as_ref()))
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
