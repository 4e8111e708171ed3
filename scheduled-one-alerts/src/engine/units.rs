//! What the facts say of jobs, or shards, and a job that is none any more.

use super::{Condition, Step, Unit, conditions};
use crate::facts::{Facts, Listed, UnitFacts};
use crate::rule_kind::RuleKind;

impl Step<'_> {
    pub(super) fn unit(&mut self, subject: &str) -> &mut Unit {
        self.state.units.entry(subject.to_owned()).or_default()
    }

    /// Takes over what the facts say that holds for the lines as well.
    pub(super) fn meet(&mut self, facts: &Facts) {
        let grace = facts.outages.iter().map(|outage| outage.grace_until_ms);
        let grace_until_ms = grace.max().unwrap_or_default();
        if grace_until_ms > self.state.grace_until_ms {
            self.state.grace_until_ms = grace_until_ms;
            self.defer(grace_until_ms);
        }
        for seen in &facts.units {
            let unit = self.unit(&seen.name);
            unit.zone.clone_from(&seen.zone);
            if unit.first_seen_ms.is_none() {
                // Of a job that each node runs by itself, the store has no record: then it counts since it was met.
                unit.first_seen_ms = seen.first_seen_ms.or(Some(facts.at_ms));
                self.time_success(&seen.name);
            }
        }
    }

    /// Takes over what the facts say of units now.
    pub(super) fn learn(&mut self, facts: &Facts) {
        for seen in &facts.units {
            self.learn_pause(&seen.name, seen, facts.at_ms);
        }
        for (name, of_job) in self.unlisted(&Listed::of(facts)) {
            self.learn_pause(&name, of_job, facts.at_ms);
        }
    }

    fn learn_pause(&mut self, name: &str, seen: &UnitFacts, at_ms: i64) {
        let unit = self.unit(name);
        if unit.is_off() && !seen.is_off() {
            unit.resumed_ms = Some(at_ms);
        }
        unit.paused_since_ms = seen.paused_since_ms;
        unit.is_disabled = seen.is_disabled;
        if seen.is_off() {
            self.resolve(RuleKind::NoSuccess, name);
        }
        self.time_success(name);
    }

    /// The shards of which something is known and that the facts do not list, with a listed one of their job: a pause
    /// is one of the whole job, and of a job of other nodes the first shard alone is listed.
    fn unlisted<'f>(&self, listed: &Listed<'f>) -> Vec<(String, &'f UnitFacts)> {
        let units = self.state.units.keys();
        let unlisted = units.filter(|name| listed.unit(name).is_none());
        let with_job = unlisted.filter_map(|name| Some((name.clone(), listed.of_job(name)?)));
        with_job.collect()
    }

    /// The pauses of such shards that are too long.
    pub(super) fn pauses_of_unlisted(&self, facts: &Facts) -> Vec<Condition> {
        let unlisted = self.unlisted(&Listed::of(facts)).into_iter();
        let paused = unlisted.map(|(name, of_job)| UnitFacts {
            name,
            zone: of_job.zone.clone(),
            paused_since_ms: of_job.paused_since_ms,
            ..UnitFacts::default()
        });
        let conditions = paused.flat_map(|unit| {
            let rules = self.rules.of(&unit.name);
            conditions::of_unit(&rules, &unit, facts.at_ms)
        });
        conditions.collect()
    }

    /// A job, or a shard, that is none any more.
    pub(super) fn forget(&mut self, subject: &str) {
        for rule in RuleKind::ALL {
            self.resolve(rule, subject);
        }
        self.state.units.remove(subject);
    }
}
