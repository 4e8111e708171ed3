//! Outages and quarantines: they are said when they are over, for nobody evaluates rules while they last.

use super::{Step, key, words};
use crate::facts::{Outage, Quarantine};
use crate::rule_kind::RuleKind;

impl Step<'_> {
    pub(super) fn outage(&mut self, outage: &Outage) {
        let said_to_ms = self.state.ended_outages.get(&outage.store);
        let now_ms = self.state.clock_ms;
        let lasted_ms = outage.until_ms.unwrap_or(now_ms) - outage.since_ms;
        let is_long = self.rules.store_lost_ms.is_some_and(|ms| lasted_ms >= ms);
        // Another node saw the same outage, and not to the millisecond.
        if !is_long || said_to_ms.is_some_and(|to_ms| outage.since_ms <= *to_ms) {
            return;
        }
        let text = words::outage(outage);
        let (rule, store) = (RuleKind::StoreLost, &outage.store);
        if !self.state.active.contains_key(&key(rule, store)) {
            self.fire(rule, store, outage.since_ms, text);
        }
        if let Some(until_ms) = outage.until_ms {
            let ended = &mut self.state.ended_outages;
            ended.insert(outage.store.clone(), until_ms);
            self.resolve_at(rule, store, until_ms);
        }
    }

    /// A quarantine that is over. Nobody evaluates rules while it lasts, unless some jobs start earlier than others.
    pub(super) fn quarantine(&mut self, seen: &Quarantine) {
        let said_ms = self.state.ended_quarantines.get(&seen.store);
        let is_over = seen.until_ms <= self.state.clock_ms;
        let is_said = said_ms.is_some_and(|said_ms| seen.since_ms <= *said_ms);
        if !self.rules.quarantine || !is_over || is_said {
            return;
        }
        let (rule, store) = (RuleKind::Quarantine, &seen.store);
        if !self.state.active.contains_key(&key(rule, store)) {
            self.fire(rule, store, seen.since_ms, words::quarantine(seen.until_ms));
        }
        let ended = &mut self.state.ended_quarantines;
        ended.insert(store.clone(), seen.since_ms);
        self.resolve_at(rule, store, seen.until_ms);
    }
}
