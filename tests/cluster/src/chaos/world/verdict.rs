//! The verdict on a round: the audits of the nodes, and the violations that the checker finds.

use std::fs;
use std::io;
use std::ops::Range;
use std::thread;
use std::time::{Duration, Instant};

use scheduled_one_testkit::checker::{
    Audit, AuditTick, Expectation, Expected, FaultKind, FaultWindow, History, Note, Rule,
    TickStatus, Violation,
};

use super::{BOUND, LEASE, LOOK_AGAIN, MINUTE, MINUTE_LEASE, World, limits};
use crate::audit;
use crate::chaos::disk_watch::DiskWatch;
use crate::job::JobSpec;
use crate::log::Event;
use crate::node::{Node, Order};

/// How long after a loss of memory a tick may start that was granted before.
const GRANTED_BEFORE: Duration = Duration::from_secs(2);

impl World {
    /// Has a node audit all ticks since the last audit, again until all are decided or a long time has passed, and
    /// keeps the result.
    ///
    /// # Errors
    ///
    /// No node answers.
    pub fn audit(&mut self) -> io::Result<()> {
        self.log.read_on();
        let (from_ms, to_ms) = (self.audits_from_ms, self.newest_tick_ms() + 1);
        let until = Instant::now() + BOUND;
        loop {
            let audits = self.audit_once(from_ms, to_ms);
            let late = Instant::now() > until;
            match audits {
                Ok(audits) if late || self.all_decided(&audits, from_ms..to_ms) => {
                    self.audits.extend(audits);
                    self.audits_from_ms = to_ms;
                    return Ok(());
                }
                Err(error) if late => return Err(error),
                _ => thread::sleep(LOOK_AGAIN * 10),
            }
        }
    }

    fn audit_once(&mut self, from_ms: i64, to_ms: i64) -> io::Result<Vec<Audit>> {
        self.audit_orders += 1;
        let path = self
            .folder
            .path()
            .join(format!("audit-{}", self.audit_orders));
        let order = Order::Audit {
            from_ms,
            to_ms,
            path: path.clone(),
        };
        let node = self.nodes.first_mut();
        node.ok_or_else(|| io::Error::other("no node lives"))?
            .order(&order)?;
        self.wait("a node audits", |_| path.exists())?;
        let text = fs::read_to_string(&path)?;
        let mut audits = audit::from_text(&text).map_err(io::Error::other)?;
        let changed = self.changed_since(from_ms);
        audits.retain(|audit| !changed.contains(&audit.job));
        for audit in &mut audits {
            audit.every_ms = self.every(&audit.job).as_millis() as i64;
            let open = |tick: &AuditTick| tick.status == TickStatus::Open;
            if let Some(index) = audit
                .ticks
                .iter()
                .position(open)
                .filter(|_| audit.job == MINUTE)
            {
                // The quarantine of this job lasts longer than a test waits: its ticks are judged up to there.
                audit.to_ms = Some(audit.ticks[index].tick_ms);
                audit.ticks.truncate(index);
            }
        }
        let operator = self.operator()?;
        for job in &changed {
            audits.push(self.audit_by_schedules(&operator, job, from_ms..to_ms)?);
        }
        Ok(audits)
    }

    fn all_decided(&self, audits: &[Audit], range_ms: Range<i64>) -> bool {
        let changed = self.changed_since(range_ms.start);
        audits
            .iter()
            .filter(|audit| audit.job != MINUTE)
            .all(|audit| {
                let mut ticks = audit.ticks.iter();
                ticks.all(|tick| tick.status != TickStatus::Open)
                    && (!changed.contains(&audit.job) || self.is_complete(audit, range_ms.clone()))
            })
    }

    /// Ends all nodes, gracefully if they can.
    ///
    /// # Errors
    ///
    /// One does not end.
    pub fn end(&mut self) -> io::Result<()> {
        self.nodes.iter().for_each(Node::terminate);
        let ended = self.must("all nodes have ended", |world| {
            world.nodes.iter_mut().all(Node::has_ended)
        });
        while !self.nodes.is_empty() {
            self.bury_by_itself(0);
        }
        ended
    }

    /// All violations, each with its timeline; of an ended world.
    pub fn violations(&mut self) -> Vec<Violation> {
        let history = self.history();
        let mut found = history.check();
        let panics = self.notes.iter().filter(|it| it.text.contains("panicked"));
        found.extend(panics.map(|note| {
            history.violation(Rule::Custom("panic"), "", note.at_us, note.text.clone())
        }));
        found.extend(self.deaths.iter().map(|(boot_us, text)| {
            history.violation(Rule::Custom("death"), "", *boot_us, text.clone())
        }));
        let is_local = |job: &str| {
            self.jobs
                .iter()
                .any(|it| it.name == job && it.on_every_node())
        };
        let counts = |event: &Event| !is_local(&event.job);
        let exceeded = limits::exceeded(&self.log.events, &self.limits, counts);
        found.extend(
            exceeded
                .into_iter()
                .map(|it| history.violation(Rule::Custom("limit"), &it.job, it.at_us, it.what)),
        );
        found
    }

    /// All that was seen, as the checker reads it.
    pub fn history(&mut self) -> History {
        self.log.read_on();
        let is_there = |job: &&JobSpec| self.jobs.iter().any(|it| it.name == job.name);
        let dropped = self.dropped.iter().filter(|job| !is_there(job));
        History {
            events: self.log.events.iter().map(Into::into).collect(),
            jobs: self
                .jobs
                .iter()
                .chain(dropped)
                .map(|job| job.rules(LEASE))
                .collect(),
            schedules: self.in_force.clone(),
            directives: self.operated.directives.clone(),
            requests: self.operated.requests.clone(),
            cancels: self.operated.cancels.clone(),
            faults: [self.fault_windows.clone(), self.stalls()].concat(),
            audits: self.audits.clone(),
            expectations: [self.expectations.clone(), self.quarantines()].concat(),
            notes: self.notes.clone(),
            ..History::default()
        }
    }

    /// When the disk took long for a flush, if the store waits for it.
    pub fn stalls(&self) -> Vec<FaultWindow> {
        let watch = self.disk_watch.as_ref();
        watch.map(DiskWatch::stalls).unwrap_or_default()
    }

    /// What follows from each loss of memory: the job with a lease of a minute does not start within that minute. A
    /// clock of the store that was moved ends it sooner.
    fn quarantines(&self) -> Vec<Expectation> {
        let windows = self.fault_windows.iter();
        let losses = windows.filter(|it| it.kind == FaultKind::MemoryLoss);
        let quarantine = |loss: &FaultWindow| {
            let healed_us = loss.to_us + GRANTED_BEFORE.as_micros() as u64;
            let moved = self
                .fault_windows
                .iter()
                .filter(|it| it.what.contains("clock"));
            let moved = moved
                .map(|it| it.from_us)
                .filter(|us| *us > loss.from_us)
                .min();
            let lease_us = MINUTE_LEASE.as_micros() as u64;
            let until_us = (loss.from_us + lease_us).min(moved.unwrap_or(u64::MAX));
            Expectation {
                fault: loss.what.clone(),
                job: MINUTE.to_owned(),
                healed_us,
                expected: Expected::NoStart {
                    within: Duration::from_micros(until_us.saturating_sub(healed_us)),
                },
            }
        };
        losses.map(quarantine).collect()
    }

    pub(super) fn newest_tick_ms(&self) -> i64 {
        let of_schedule = self.log.events.iter().filter(|it| it.request.is_empty());
        let ticks = of_schedule.map(|event| event.tick_ms);
        ticks.max().unwrap_or_default()
    }
}

/// The lines of a node's log; those without an instant belong to the one
/// before them.
pub(super) fn notes_of(node: &Node) -> Vec<Note> {
    let mut boot_us = 0;
    let text = node.stderr();
    let lines = text.lines().map(|line| {
        let first = line.split_whitespace().next().unwrap_or_default();
        boot_us = first.parse().unwrap_or(boot_us);
        let text = line.strip_prefix(first).unwrap_or(line);
        Note {
            at_us: boot_us,
            text: format!("{}: {}", node.name(), text.trim_start()),
        }
    });
    lines.collect()
}
