//! The attempts that a history shows, by unit.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::LazyLock;

use super::{Event, EventKind, FaultKind, FaultWindow, History, JobRules, Rule, Violation};

/// A job's shard, or the lane of its requests; of a local job, on one node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Unit {
    pub(super) job: String,
    pub(super) shard: u32,
    pub(super) node: Option<String>,
    pub(super) lane: bool,
}

impl Unit {
    /// The lane of it.
    pub(super) fn lane(&self) -> Self {
        Unit {
            lane: true,
            ..self.clone()
        }
    }

    /// The unit of a lane.
    fn of_lane(&self) -> Self {
        Unit {
            lane: false,
            ..self.clone()
        }
    }
}

/// One attempt of a run, from its start to the last sign of it.
#[derive(Clone, Debug)]
pub(super) struct Attempt<'a> {
    pub(super) start: &'a Event,
    /// Its polls, and its end if it ended by itself.
    pub(super) signs: Vec<&'a Event>,
}

impl<'a> Attempt<'a> {
    /// The last sign of it: end, poll, or only the start.
    pub(super) fn last(&self) -> &'a Event {
        self.signs.last().unwrap_or(&self.start)
    }

    pub(super) fn ended(&self, how: EventKind) -> bool {
        self.signs.last().is_some_and(|last| last.kind == how)
    }

    fn is_of(&self, event: &Event) -> bool {
        let start = self.start;
        run_of(start) == run_of(event) && start.attempt == event.attempt
    }

    /// As a line of evidence.
    pub(super) fn line(&self) -> String {
        format!("{} … last seen {}", self.start, self.last().at_us)
    }
}

/// What tells runs of a unit apart: all attempts of a run share it.
pub(super) fn run_of(event: &Event) -> (u64, i64, &str) {
    (event.token, event.tick_ms, &event.node)
}

/// What was observed of one unit, in the order of time.
#[derive(Clone, Debug, Default)]
pub(super) struct UnitEvents<'a> {
    pub(super) attempts: Vec<Attempt<'a>>,
    pub(super) grants: Vec<&'a Event>,
    /// What the sink accepted and rejected.
    pub(super) effects: Vec<&'a Event>,
}

impl<'a> UnitEvents<'a> {
    /// The attempts at a tick, in the order of their starts.
    pub(super) fn at_tick(&self, tick_ms: i64) -> Vec<&Attempt<'a>> {
        let attempts = self.attempts.iter();
        attempts.filter(|it| it.start.tick_ms == tick_ms).collect()
    }

    /// With what was observed of the lane of the unit.
    fn with(mut self, lane: &UnitEvents<'a>) -> Self {
        self.attempts.extend(lane.attempts.iter().cloned());
        self.attempts.sort_by_key(|attempt| attempt.start.at_us);
        self.grants.extend(&lane.grants);
        self.grants.sort_by_key(|grant| grant.at_us);
        self.effects.extend(&lane.effects);
        self.effects.sort_by_key(|effect| effect.at_us);
        self
    }

    fn add(&mut self, event: &'a Event) -> Result<(), &'a Event> {
        match event.kind {
            EventKind::Start => self.attempts.push(Attempt {
                start: event,
                signs: Vec::new(),
            }),
            EventKind::Grant => self.grants.push(event),
            EventKind::Accepted | EventKind::Rejected => self.effects.push(event),
            kind if kind.is_sign() => {
                let mut newest_first = self.attempts.iter_mut().rev();
                let attempt = newest_first.find(|it| it.is_of(event)).ok_or(event)?;
                attempt.signs.push(event);
            }
            _ => {}
        }
        Ok(())
    }
}

/// A history as the rules read it.
#[derive(Debug)]
pub(super) struct Observed<'a> {
    pub(super) history: &'a History,
    /// In the order of time.
    pub(super) events: Vec<&'a Event>,
    pub(super) units: BTreeMap<Unit, UnitEvents<'a>>,
    /// Signs of runs whose start nobody saw.
    orphans: Vec<&'a Event>,
    /// Job and id of the requests whose runs the schedule does not wait for.
    beside: HashSet<(&'a str, &'a str)>,
}

static DEFAULT_RULES: LazyLock<JobRules> = LazyLock::new(JobRules::default);

impl<'a> Observed<'a> {
    pub(super) fn new(history: &'a History) -> Self {
        let mut events: Vec<&Event> = history.events.iter().collect();
        events.sort_by_key(|event| event.at_us);
        let mut observed = Observed {
            history,
            events: Vec::new(),
            units: BTreeMap::new(),
            orphans: Vec::new(),
            beside: HashSet::new(),
        };
        let beside = history.requests.iter().filter(|request| request.beside);
        let beside = beside.map(|request| (request.job.as_str(), request.id.as_str()));
        observed.beside.extend(beside);
        for event in &events {
            let unit = observed.unit_of(event);
            let result = observed.units.entry(unit).or_default().add(event);
            observed.orphans.extend(result.err());
        }
        observed.events = events;
        observed
    }

    pub(super) fn rules(&self, job: &str) -> &'a JobRules {
        let found = self.history.jobs.iter().find(|rules| rules.name == job);
        found.unwrap_or(&DEFAULT_RULES)
    }

    pub(super) fn unit_of(&self, event: &Event) -> Unit {
        let local = self.rules(&event.job).is_local();
        Unit {
            job: event.job.clone(),
            shard: event.shard,
            node: local.then(|| event.node.clone()),
            lane: !event.request.is_empty(),
        }
    }

    /// The units that the store grants, without their lanes; also one of which only the lane was observed.
    pub(super) fn shared_units(&self) -> BTreeSet<Unit> {
        let shared = self.units.keys().filter(|unit| unit.node.is_none());
        shared.map(Unit::of_lane).collect()
    }

    /// What was observed of a unit and its lane: tokens increase over both.
    pub(super) fn with_lane(&self, unit: &Unit) -> Cow<'_, UnitEvents<'a>> {
        let own = self
            .units
            .get(unit)
            .map_or_else(Cow::default, Cow::Borrowed);
        match self.units.get(&unit.lane()) {
            Some(lane) => Cow::Owned(own.into_owned().with(lane)),
            None => own,
        }
    }

    /// The attempts of a unit and its lane that exclude each other.
    pub(super) fn exclusive(&self, unit: &Unit) -> Cow<'_, [Attempt<'a>]> {
        let excludes = |attempt: &Attempt<'_>| {
            let start = attempt.start;
            !self
                .beside
                .contains(&(start.job.as_str(), start.request.as_str()))
        };
        match self.with_lane(unit) {
            Cow::Borrowed(events) => Cow::Borrowed(&events.attempts),
            Cow::Owned(mut events) => {
                events.attempts.retain(excludes);
                Cow::Owned(events.attempts)
            }
        }
    }

    pub(super) fn faults_of(&self, kind: FaultKind) -> impl Iterator<Item = &'a FaultWindow> {
        let faults = self.history.faults.iter();
        faults.filter(move |fault| fault.kind == kind)
    }

    /// What shows that the history lacks something.
    pub(super) fn incomplete(&self) -> Vec<Violation> {
        let violation = |event: &&Event| {
            let what = "a sign of a run that never started";
            Violation::new(Rule::Incomplete, &event.job, event.at_us, what)
                .of_ticks([event.tick_ms])
                .shown_by([event.to_string()])
        };
        self.orphans.iter().map(violation).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{History, event, rules_of};
    use super::*;

    #[test]
    fn a_sign_without_a_start_is_no_history() {
        let poll = event(EventKind::Poll, 10, "a", 1, 100);
        assert_eq!(rules_of(&History::of([poll.clone()])), [Rule::Incomplete]);
        let start = event(EventKind::Start, 9, "a", 1, 100);
        assert_eq!(rules_of(&History::of([start, poll])), []);
        // To be dropped before the first poll is none.
        let drop = event(EventKind::Drop, 10, "a", 1, 100);
        assert_eq!(rules_of(&History::of([drop])), []);
    }

    #[test]
    fn events_are_put_in_order() {
        let events = [
            event(EventKind::End, 20, "a", 1, 100),
            event(EventKind::Start, 10, "a", 1, 100),
        ];
        assert_eq!(rules_of(&History::of(events)), []);
    }
}
