//! The audit: the schedule, tick by tick, each tick with its status. Pure: schedule, ledger and state in, ticks out.
//! [`Control::audit`](crate::Control::audit) and the runtime read what it is computed from.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, SystemTime};

use scheduled_one_protocol::{LedgerRecord, Outcome, PastPause, TickMs};
use scheduled_one_schedule::Schedule;

use crate::catalog::instant;

/// The ticks of a job in a range of time, each with what became of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Audit {
    /// The ticks, the oldest first.
    pub ticks: Vec<AuditedTick>,
    /// After this instant no tick is left out: since then the job has had the schedule that it has now. Which ticks it
    /// had up to then is not known any more, so of that time those are listed of which the ledger has a line, and those
    /// that run or wait; none is called a gap for want of a line. `None` if no tick of the range is left out.
    pub complete_since: Option<SystemTime>,
}

/// What became of one tick.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AuditedTick {
    /// The tick.
    pub tick: SystemTime,
    /// Which shard of it, from 0; 0 if the job has none.
    pub shard: u32,
    /// On which node, if each node runs the job by itself, or where it ran.
    pub node: Option<String>,
    /// The identity of that node, if each node runs the job by itself: several nodes may have one name.
    pub identity: Option<String>,
    /// What became of it.
    pub status: TickStatus,
    /// Why, in words; may be empty.
    pub reason: String,
    /// How late its last attempt started, if one did.
    pub late_by: Option<Duration>,
    /// How many attempts were made.
    pub attempts: u32,
    /// How many of them were taken over from a node that died.
    pub taken_over: u32,
}

/// What became of a tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TickStatus {
    /// It is decided, as the ledger says: ran (ok, failed, panicked, timed
    /// out, cancelled), skipped, missed or lost.
    Decided(Outcome),
    /// Its run is going, or waits to be tried again.
    Running,
    /// It waits for the run before it.
    Waiting,
    /// It is due and not decided yet.
    Due,
    /// It is in a pause of the job. When the pause is over, it is recorded as skipped, unless it is caught up with.
    Paused,
    /// It is older than the first line that the ledger still keeps.
    NoLongerKept,
    /// It was decided, and what became of it is not known: its record was lost
    /// with the store's memory.
    Unknown,
}

/// Most ticks in the audit of one unit (or node).
pub const MAX_TICKS: usize = 10_000;

/// What the store knows of a unit now.
#[derive(Clone, Debug, Default)]
pub struct UnitState {
    /// Ticks up to this one are decided, ms.
    pub decided_to_ms: i64,
    /// When it was first seen, ms: it has no tick up to then.
    pub first_seen_ms: i64,
    /// Since when the schedule decides, ms: it has no tick up to then. 0 if it has from the beginning.
    pub since_ms: i64,
    /// The ticks that run.
    pub running: Vec<i64>,
    /// The ticks that wait.
    pub waiting: Vec<i64>,
}

/// What the audit of a job is computed from.
#[derive(Debug)]
pub struct AuditInput {
    /// The ledger of the job, oldest line first.
    pub lines: Vec<LedgerRecord>,
    /// Whether the ledger is full, so that older lines are gone.
    pub full: bool,
    /// The units of the job, by shard; none of a local job.
    pub units: Vec<(u32, UnitState)>,
    /// The pauses of the job; one that holds ends with [`i64::MAX`].
    pub pauses: Vec<PastPause>,
}

impl AuditInput {
    /// The ticks of the schedule after `from_ms` up to `to_ms`, and what the ledger has of the time before it decided.
    pub fn whole(&self, schedule: &Schedule, from_ms: i64, to_ms: i64) -> Audit {
        let since_ms = self.units.iter().map(|(_, unit)| unit.since_ms);
        let since_ms = since_ms.max().unwrap_or_default();
        let audits = self.by_unit(schedule);
        let before = audits
            .iter()
            .flat_map(|audit| audit.ticks_before(from_ms, to_ms));
        let mut ticks: Vec<AuditedTick> = before.collect();
        ticks.extend(self.audit(schedule, from_ms, to_ms));
        ticks.sort_by_key(|tick| (tick.tick, tick.shard));
        let had_another = self
            .units
            .iter()
            .any(|(_, unit)| unit.since_ms > unit.first_seen_ms.max(from_ms));
        Audit {
            ticks,
            complete_since: had_another.then(|| instant(since_ms)),
        }
    }

    /// The ticks of the schedule after `from_ms` up to `to_ms`, oldest first.
    pub fn audit(&self, schedule: &Schedule, from_ms: i64, to_ms: i64) -> Vec<AuditedTick> {
        let audits = match self.units.is_empty() {
            true => self.by_node(schedule),
            false => self.by_unit(schedule),
        };
        let ticks = audits.iter().flat_map(|audit| audit.ticks(from_ms, to_ms));
        let mut ticks: Vec<AuditedTick> = ticks.collect();
        ticks.sort_by_key(|tick| (tick.tick, tick.shard));
        ticks
    }

    /// Whether a unit (or a node) has more ticks after `from_ms` up to `to_ms` than an audit has: [`MAX_TICKS`].
    pub fn is_too_long(&self, schedule: &Schedule, from_ms: i64, to_ms: i64) -> bool {
        let audits = match self.units.is_empty() {
            true => self.by_node(schedule),
            false => self.by_unit(schedule),
        };
        let mut audits = audits.iter();
        audits.any(|audit| audit.instants(from_ms, to_ms).nth(MAX_TICKS).is_some())
    }

    fn by_unit<'a>(&'a self, schedule: &'a Schedule) -> Vec<UnitAudit<'a>> {
        let audit = |(shard, state): &(u32, UnitState)| UnitAudit {
            schedule,
            shard: *shard,
            node: None,
            from_ms: state.first_seen_ms.max(state.since_ms),
            to_ms: i64::MAX,
            state: state.clone(),
            lines: self
                .lines
                .iter()
                .filter(|line| line.unit.shard() == *shard && is_of_schedule(line))
                .collect(),
            full: self.full,
            pauses: &self.pauses,
        };
        self.units.iter().map(audit).collect()
    }

    /// The audit of a local job has a part for each node, by its identity: the
    /// ticks from the first line of the node to its last.
    fn by_node<'a>(&'a self, schedule: &'a Schedule) -> Vec<UnitAudit<'a>> {
        let mut by_node: BTreeMap<NodeKey<'a>, Vec<&LedgerRecord>> = BTreeMap::new();
        for line in self.lines.iter().filter(|line| is_of_schedule(line)) {
            let node = (&*line.node, line.identity.as_deref());
            by_node.entry(node).or_default().push(line);
        }
        let audit = |(node, lines): (NodeKey<'a>, Vec<&'a LedgerRecord>)| {
            let ticks = lines.iter().map(|line| line.tick.ms());
            let lasts = lines.iter().map(|line| line.last_tick.ms());
            let to_ms = lasts.max().unwrap_or_default();
            UnitAudit {
                schedule,
                shard: 0,
                node: Some(node),
                from_ms: ticks.min().unwrap_or_default().saturating_sub(1),
                to_ms,
                state: UnitState {
                    decided_to_ms: to_ms,
                    ..UnitState::default()
                },
                lines,
                full: self.full,
                pauses: &self.pauses,
            }
        };
        by_node.into_iter().map(audit).collect()
    }
}

/// Name and identity of a node.
type NodeKey<'a> = (&'a str, Option<&'a str>);

/// The audit of one unit, or of one node of a local job.
struct UnitAudit<'a> {
    schedule: &'a Schedule,
    shard: u32,
    /// The node, if the job is local.
    node: Option<NodeKey<'a>>,
    /// The audit begins after this instant.
    from_ms: i64,
    /// The audit ends with this instant.
    to_ms: i64,
    state: UnitState,
    /// The lines of the unit, oldest first.
    lines: Vec<&'a LedgerRecord>,
    full: bool,
    pauses: &'a [PastPause],
}

impl<'a> UnitAudit<'a> {
    /// When the ticks after `from_ms` up to `to_ms` are, oldest first.
    fn instants(&self, from_ms: i64, to_ms: i64) -> impl Iterator<Item = i64> + 'a {
        let (from_ms, to_ms) = (from_ms.max(self.from_ms), to_ms.min(self.to_ms));
        let ticks = self.schedule.after(from_ms);
        ticks.take_while(move |tick_ms| *tick_ms <= to_ms)
    }

    /// The ticks after `from_ms` up to `to_ms`, oldest first.
    fn ticks(&self, from_ms: i64, to_ms: i64) -> Vec<AuditedTick> {
        let by_tick = self.by_tick();
        let ranges: Vec<&'a LedgerRecord> = self.ranges().collect();
        let oldest_ms = self.lines.first().map(|line| line.tick.ms());
        self.instants(from_ms, to_ms)
            .take(MAX_TICKS)
            .map(|tick_ms| {
                let lines = by_tick.get(&tick_ms).map_or(&[][..], Vec::as_slice);
                let missed = ranges.iter().find(|range| covers(range, tick_ms)).copied();
                let last = lines.iter().rev().find(|line| !line.retried).copied();
                let status = match last.or(missed) {
                    Some(line) => TickStatus::Decided(line.outcome),
                    None => self.undecided(tick_ms, oldest_ms),
                };
                self.audited(tick_ms, lines, last.or(missed), status)
            })
            .collect()
    }

    /// What is known of the ticks after `from_ms` up to `to_ms` that were due before the schedule decided.
    fn ticks_before(&self, from_ms: i64, to_ms: i64) -> Vec<AuditedTick> {
        let to_ms = to_ms.min(self.state.since_ms);
        let is_wanted = |tick_ms: &i64| from_ms < *tick_ms && *tick_ms <= to_ms;
        let by_tick = self.by_tick();
        let open = self.state.running.iter().chain(&self.state.waiting);
        let known: BTreeSet<i64> = by_tick.keys().chain(open).copied().collect();
        let single = known.into_iter().filter(is_wanted).filter_map(|tick_ms| {
            let lines = by_tick.get(&tick_ms).map_or(&[][..], Vec::as_slice);
            let last = lines.iter().rev().find(|line| !line.retried).copied();
            let status = match last {
                Some(line) => TickStatus::Decided(line.outcome),
                None if self.state.running.contains(&tick_ms) => TickStatus::Running,
                None if self.state.waiting.contains(&tick_ms) => TickStatus::Waiting,
                None => TickStatus::Decided(lines.last()?.outcome),
            };
            let last = last.or(lines.last().copied());
            Some(self.audited(tick_ms, lines, last, status))
        });
        let several = self.ranges().filter_map(|line| {
            let ends = [line.tick.ms(), line.last_tick.ms()];
            let tick_ms = ends.into_iter().find(is_wanted)?;
            let mut tick =
                self.audited(tick_ms, &[], Some(line), TickStatus::Decided(line.outcome));
            tick.reason = format!("one of {} ticks: {}", line.count, tick.reason);
            Some(tick)
        });
        single.chain(several).collect()
    }

    /// Lines of runs and of single ticks, by tick; notes are no outcomes.
    fn by_tick(&self) -> HashMap<i64, Vec<&'a LedgerRecord>> {
        let mut by_tick: HashMap<i64, Vec<&'a LedgerRecord>> = HashMap::new();
        let outcomes = self
            .lines
            .iter()
            .filter(|line| line.count == 1 && line.outcome != Outcome::FinishedWithoutLease);
        for line in outcomes {
            let lines = by_tick.entry(line.tick.ms()).or_default();
            lines.push(line);
        }
        by_tick
    }

    /// Lines that stand for several ticks.
    fn ranges(&self) -> impl Iterator<Item = &'a LedgerRecord> {
        self.lines.iter().copied().filter(|line| line.count > 1)
    }

    fn undecided(&self, tick_ms: i64, oldest_ms: Option<i64>) -> TickStatus {
        if self.state.running.contains(&tick_ms) {
            TickStatus::Running
        } else if self.state.waiting.contains(&tick_ms) {
            TickStatus::Waiting
        } else if tick_ms > self.state.decided_to_ms {
            match self.pauses.iter().any(|pause| pause.has(TickMs(tick_ms))) {
                true => TickStatus::Paused,
                false => TickStatus::Due,
            }
        } else if self.full && oldest_ms.is_none_or(|oldest_ms| tick_ms < oldest_ms) {
            TickStatus::NoLongerKept
        } else {
            TickStatus::Unknown
        }
    }

    fn audited(
        &self,
        tick_ms: i64,
        lines: &[&LedgerRecord],
        last: Option<&'a LedgerRecord>,
        status: TickStatus,
    ) -> AuditedTick {
        let ran = lines.iter().filter(|line| line.fired_at_ms.is_some());
        let of_line = |line: &'a LedgerRecord| (&*line.node, line.identity.as_deref());
        let node = self.node.or(last.map(of_line));
        let taken_over = lines
            .iter()
            .filter(|line| line.outcome == Outcome::TakenOver);
        AuditedTick {
            tick: instant(tick_ms),
            shard: self.shard,
            node: node.map(|(name, _)| name.to_owned()),
            identity: node.and_then(|(_, identity)| identity.map(str::to_owned)),
            status,
            reason: last.map_or_else(String::new, |line| line.reason.clone()),
            late_by: lines.iter().rev().find_map(|line| lateness(line)),
            attempts: ran.count() as u32,
            taken_over: taken_over.count() as u32,
        }
    }
}

/// Whether the schedule asked for the run. The line of a requested run has the tick that the request is for, and is no
/// outcome of that tick.
fn is_of_schedule(line: &LedgerRecord) -> bool {
    line.cause.is_none()
}

/// How long after its tick the function was called.
fn lateness(line: &LedgerRecord) -> Option<Duration> {
    let late_ms = line.fired_at_ms?.saturating_sub(line.tick.ms());
    u64::try_from(late_ms).ok().map(Duration::from_millis)
}

fn covers(range: &LedgerRecord, tick_ms: i64) -> bool {
    let (first, last) = (range.tick, range.last_tick);
    (first.ms()..=last.ms()).contains(&tick_ms)
}
