//! How long a due tick is undecided while nothing is in the way (L in `docs/protocol.md`).

use scheduled_one_protocol::TickMs;
use scheduled_one_protocol::machine::unit_quarantine_until_ms;

use super::{Action, World};
use crate::config::{Config, Leaves};
use crate::node::Node;

/// For how many quarters of a lease a due tick may be undecided: it is unclaimed, until the next heartbeat.
const UNCLAIMED: u8 = 1;
/// The same behind a run whose lease is over: a node has to observe that run for nine tenths of a lease.
const BEHIND_RUN: u8 = 5;

impl World {
    /// Something happens that may delay what is due: the quarters are counted from here.
    pub(super) fn note_disturbance(&mut self, action: &Action) {
        let is_calm = matches!(
            action,
            Action::Begin(..)
                | Action::Ask(..)
                | Action::Returns(..)
                | Action::Fails(..)
                | Action::Time
        );
        if !is_calm {
            self.history.undecided = None;
            self.history.undecided_behind_run = None;
        }
    }

    /// A quarter is about to pass: all that nodes must do is done.
    pub(super) fn note_undecided(&mut self, config: &Config) {
        let waits = self.undecided(config).filter(|_| self.is_calm(config));
        let is_behind_run = self.news().lease_over;
        let (waits, behind_run) = match is_behind_run {
            true => (None, waits),
            false => (waits, None),
        };
        let history = &mut self.history;
        history.undecided = one_more(history.undecided, waits);
        history.undecided_behind_run = one_more(history.undecided_behind_run, behind_run);
        let is_longer = |waits: Option<(TickMs, u8)>, most| waits.is_some_and(|(_, it)| it > most);
        history.too_late |= is_longer(history.undecided, UNCLAIMED)
            || is_longer(history.undecided_behind_run, BEHIND_RUN);
    }

    /// The first due tick that nobody has decided. Only of jobs with one schedule, which a node that may leave ticks
    /// to others claims in the end.
    fn undecided(&self, config: &Config) -> Option<TickMs> {
        let faults = &config.faults;
        let is_one = config.other_ticks.is_empty() && config.wanted_ticks.is_empty();
        let is_kept = faults.gone + faults.forgets == 0;
        let decided_to = self.server.memory.record.marks.decided_to();
        let is_promised = is_one && is_kept && config.leaves != Leaves::Everything;
        let mut ticks = config.ticks.iter().map(|tick| Config::tick(*tick));
        let is_due = |tick: &TickMs| tick.ms() <= self.store_now() && Some(*tick) > decided_to;
        ticks.find(is_due).filter(|_| is_promised)
    }

    /// Whether a node can decide what is due, and the store lets it.
    fn is_calm(&self, config: &Config) -> bool {
        let memory = &self.server.memory;
        let (meta, now_ms) = (&memory.meta, self.store_now());
        let is_over = |(n, node): (usize, &Node)| {
            let (lease_ms, caller) = (config.lease_ms(n), node.caller());
            unit_quarantine_until_ms(meta, &memory.record, lease_ms, &caller) <= now_ms
        };
        let decides = |node: &Node| {
            let knows_clock = node.clock_ms == self.clock_ms;
            node.reaches() && node.claims && knows_clock && !node.held_up(self.now)
        };
        let directive = meta.directives.get(Config::unit().job());
        self.server.noticed()
            && !directive.is_some_and(|directive| directive.is_paused(now_ms))
            && self.nodes.iter().enumerate().all(is_over)
            && self.nodes.iter().any(decides)
    }
}

/// A quarter more, if it is the same tick.
fn one_more(before: Option<(TickMs, u8)>, tick: Option<TickMs>) -> Option<(TickMs, u8)> {
    let tick = tick?;
    let before = before.filter(|(same, _)| *same == tick);
    Some((tick, before.map_or(0, |(_, quarters)| quarters) + 1))
}
