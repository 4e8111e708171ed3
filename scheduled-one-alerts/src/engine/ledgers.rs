//! What the lines of a ledger mean, and the lack of them.

use scheduled_one_protocol::{LedgerRecord, Outcome};

use super::{Step, Timer, key, words};
use crate::rule_kind::RuleKind;

impl Step<'_> {
    pub(super) fn line(&mut self, line: &LedgerRecord) {
        if line.retried || line.outcome == Outcome::FinishedWithoutLease {
            return;
        }
        let subject = line.unit.as_str().to_owned();
        self.state.units.entry(subject.clone()).or_default();
        match line.outcome {
            Outcome::Ok => self.succeeded(&subject, line),
            Outcome::Failed | Outcome::Panicked | Outcome::TimedOut | Outcome::Lost => {
                self.failed(&subject, line);
            }
            Outcome::Missed => self.missed(&subject, line),
            _ => {}
        }
    }

    fn succeeded(&mut self, subject: &str, line: &LedgerRecord) {
        let rules = self.rules.of(subject);
        // The line may be from a clock that was ahead.
        let at_ms = line.ended_at_ms.min(self.state.clock_ms);
        let living = self.living;
        let unit = self.unit(subject);
        unit.failures = 0;
        unit.failing_since_ms = None;
        unit.missed = 0;
        unit.oks = unit.oks.saturating_add(1);
        unit.last_ok_ms = unit.last_ok_ms.max(Some(at_ms));
        if let Some(living) = living {
            unit.by_node.keep(living, at_ms);
        }
        let failures = line
            .identity
            .as_deref()
            .map(|node| unit.by_node.succeeded(node));
        let others_fail = failures
            .zip(rules.failed)
            .is_some_and(|(failures, n)| failures >= n);
        let recovered = unit.oks >= rules.recover && !others_fail;
        for rule in [RuleKind::NoSuccess, RuleKind::Missed, RuleKind::Lost] {
            self.resolve(rule, subject);
        }
        if recovered {
            self.resolve(RuleKind::Failed, subject);
        }
        self.time_success(subject);
    }

    fn failed(&mut self, subject: &str, line: &LedgerRecord) {
        let rules = self.rules.of(subject);
        let unit = self.unit(subject);
        unit.oks = 0;
        unit.missed = 0;
        unit.failures = unit.failures.saturating_add(1);
        let since_ms = *unit.failing_since_ms.get_or_insert(line.ended_at_ms);
        let in_a_row = (unit.failures, since_ms);
        let of_node = line.identity.as_deref();
        let of_node = of_node.map(|node| unit.by_node.failed(node, line));
        let (failures, since_ms) = of_node.unwrap_or(in_a_row);
        let zone = unit.zone.clone();
        self.resolve(RuleKind::Missed, subject);
        let is_lost = line.outcome == Outcome::Lost;
        let text = words::run(line, zone.as_deref());
        if is_lost && rules.lost {
            self.fire(RuleKind::Lost, subject, line.ended_at_ms, text);
        } else if rules.failed.is_some_and(|n| failures >= n) {
            let text = words::in_a_row(failures, &text);
            self.fire(RuleKind::Failed, subject, since_ms, text);
        }
    }

    fn missed(&mut self, subject: &str, line: &LedgerRecord) {
        let wanted = self.rules.of(subject).missed;
        let unit = self.unit(subject);
        if unit.is_off() {
            return;
        }
        unit.missed = unit.missed.saturating_add(line.count);
        let (missed, zone) = (unit.missed, unit.zone.clone());
        if wanted.is_some_and(|n| missed >= n) {
            let text = words::missed(line, zone.as_deref());
            self.fire(RuleKind::Missed, subject, line.tick.ms(), text);
        }
    }

    /// When no success becomes too long, unless it fires already.
    fn success_due(&self, subject: &str) -> Option<(i64, i64)> {
        let unit = self.state.units.get(subject)?;
        let fires = || {
            self.state
                .active
                .contains_key(&key(RuleKind::NoSuccess, subject))
        };
        let time_ms = self.rules.of(subject).no_success_ms?;
        let since_ms = unit
            .last_ok_ms
            .max(unit.first_seen_ms)
            .max(unit.resumed_ms)?;
        if unit.is_off() || fires() {
            return None;
        }
        let due_ms = since_ms.saturating_add(time_ms);
        Some((due_ms.max(self.state.grace_until_ms), since_ms))
    }

    pub(super) fn time_success(&mut self, subject: &str) {
        if let Some((due_ms, _)) = self.success_due(subject) {
            let timer = Timer::NoSuccess(subject.to_owned());
            self.timers.insert((due_ms, timer));
        }
    }

    pub(super) fn no_success(&mut self, at_ms: i64, subject: &str) {
        match self.success_due(subject) {
            Some((due_ms, since_ms)) if due_ms <= at_ms => {
                let unit = self.unit(subject);
                let text = words::no_success(unit.last_ok_ms, since_ms, unit.zone.as_deref());
                self.fire(RuleKind::NoSuccess, subject, since_ms, text);
            }
            Some(_) => self.time_success(subject),
            None => {}
        }
    }
}
