//! Releases of the program of the nodes: which jobs they have, and which schedule of a job decided its ticks when.

use std::collections::BTreeSet;
use std::io;

use scheduled_one_protocol::ScheduleId;
use scheduled_one_testkit::checker::{Audit, AuditTick, FaultKind, InForce, TickStatus, Tolerance};

use super::World;
use crate::job::JobSpec;
use crate::operator::{Deciding, Operator};

impl World {
    /// Replaces one node after the other by one of a release with these jobs, and notes which schedules are in force
    /// since. `waits`: for each new node to start, before an old one ends.
    ///
    /// # Errors
    ///
    /// A node does not end, or the schedules of the new ones do not decide.
    pub fn roll_out(&mut self, what: &str, jobs: Vec<JobSpec>, waits: bool) -> io::Result<()> {
        let before = std::mem::replace(&mut self.jobs, jobs);
        let old: Vec<String> = self.nodes.iter().map(|it| it.name().to_owned()).collect();
        let mut newest_ms = 0;
        let is_there = |job: &&JobSpec| self.jobs.iter().any(|it| it.name == job.name);
        let dropped: Vec<JobSpec> = before.iter().filter(|it| !is_there(it)).cloned().collect();
        self.dropped.extend(dropped.iter().cloned());
        self.window(what, FaultKind::Other, None, |world| {
            for name in old {
                world.start_node()?;
                if waits {
                    world.wait_for_nodes()?;
                }
                world.log.read_on();
                newest_ms = world.newest_tick_ms();
                let index = world.index_of(&name);
                world.nodes[index].terminate();
                world.wait("a node has ended", |world| world.nodes[index].has_ended())?;
                world.bury_by_itself(index);
            }
            world.wait_for_nodes()
        })?;
        for job in &dropped {
            self.nobody_has(job, newest_ms);
        }
        let operator = self.operator()?;
        for job in self.jobs.clone() {
            if !job.on_every_node() {
                self.note_schedule(&operator, &job)?;
            }
        }
        Ok(())
    }

    /// What is in force when all nodes have these jobs, and had no others before.
    pub(super) fn schedules_of(jobs: &[JobSpec]) -> Vec<InForce> {
        let jobs = jobs.iter().filter(|job| !job.on_every_node());
        jobs.map(|job| InForce::first(&job.name, job.every.as_millis() as i64))
            .collect()
    }

    /// From this tick on, no node has the job. Unless it is gone, the next node that has it accounts for that time.
    fn nobody_has(&mut self, job: &JobSpec, newest_ms: i64) {
        self.in_force.push(InForce {
            since_ms: newest_ms..=i64::MAX,
            ..InForce::first(&job.name, 0)
        });
    }

    /// Notes since when the schedule of the job decides, if another one was in force, or none.
    fn note_schedule(&mut self, operator: &Operator, job: &JobSpec) -> io::Result<()> {
        let every_ms = job.every.as_millis() as i64;
        let mut of_job = self.in_force.iter().filter(|it| it.job == job.name).rev();
        if of_job
            .clone()
            .next()
            .is_some_and(|it| it.every_ms == every_ms)
        {
            return Ok(());
        }
        let before = of_job.find(|it| it.every_ms > 0).cloned();
        let known_ms = before.as_ref().map_or(0, |it| *it.since_ms.end());
        let is_another = before.is_none_or(|it| it.every_ms != every_ms);
        let mut decides = None;
        let what = format!("the new schedule of {} decides", job.name);
        self.must(&what, |_| {
            decides = operator.decides(&job.name).ok().flatten();
            decides.is_some_and(|it| {
                it.id != ScheduleId::NONE && (!is_another || it.since_ms > known_ms)
            })
        })?;
        let since_ms = decides.map_or(0, |it| it.since_ms);
        let mut newest = self.in_force.iter().rposition(|it| it.job == job.name);
        let mut since_ms = since_ms..=since_ms;
        if let Some(nobody) = newest.take_if(|index| self.in_force[*index].every_ms == 0) {
            let from_ms = *self.in_force[nobody].since_ms.start();
            // After a loss of memory, a schedule may decide since the first node has repeated it.
            let is_the_same = *since_ms.end() <= known_ms.max(from_ms);
            if is_the_same && self.audits_from_ms <= from_ms {
                // It decided all the time, and the nodes that have it again account for that.
                self.in_force.remove(nobody);
                return Ok(());
            }
            if is_the_same {
                // They do that, too; but an audit was made in the meantime.
                since_ms = from_ms..=self.newest_tick_ms();
            }
            self.in_force[nobody].since_ms = from_ms..=*since_ms.end();
        }
        self.in_force.push(InForce {
            since_ms,
            ..InForce::first(&job.name, every_ms)
        });
        Ok(())
    }

    /// Waits until no schedule decides the job, because no node has it.
    ///
    /// # Errors
    ///
    /// Some schedule still does.
    pub fn wait_until_gone(&mut self, operator: &Operator, job: &str) -> io::Result<()> {
        self.must(&format!("{job} is gone"), |_| {
            let decides = operator.decides(job).ok().flatten();
            decides.is_some_and(|Deciding { id, .. }| id == ScheduleId::NONE)
        })
    }

    /// The jobs that had several schedules since this tick.
    pub(super) fn changed_since(&self, from_ms: i64) -> Vec<String> {
        let changes = self.in_force.iter().filter(|it| *it.since_ms.end() > 0);
        let changes = changes.filter(|it| *it.since_ms.end() >= from_ms);
        let mut names: Vec<String> = changes.map(|it| it.job.clone()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The audit of a job that had several schedules in this time: by the one that was in force, and its ledger.
    pub(super) fn audit_by_schedules(
        &self,
        operator: &Operator,
        job: &str,
        range_ms: std::ops::Range<i64>,
    ) -> io::Result<Audit> {
        let mut ledger = operator.ledger(job).map_err(io::Error::other)?;
        ledger.retain(|line| {
            let is_in_range = line.first_ms < range_ms.end && line.last_ms >= range_ms.start;
            is_in_range || !line.request.is_empty() || line.by_operator
        });
        let due = InForce::due(&self.in_force, job, range_ms.clone(), &Tolerance::default());
        let mut due = due.unwrap_or_default();
        // Those, too, for which nothing is promised, and which ran.
        let events = self.log.events.iter();
        let started = events.filter(|it| it.job == job && it.request.is_empty());
        let started = started.map(|it| it.tick_ms);
        due.extend(started.filter(|tick_ms| range_ms.contains(tick_ms)));
        Ok(Audit::of_ticks(job, due, range_ms, ledger))
    }

    /// Whether each tick has an outcome that must have one.
    pub(super) fn is_complete(&self, audit: &Audit, range_ms: std::ops::Range<i64>) -> bool {
        let due = InForce::due(&self.in_force, &audit.job, range_ms, &Tolerance::default());
        let is_known = |it: &&AuditTick| it.status != TickStatus::Unknown;
        let known: BTreeSet<i64> = audit
            .ticks
            .iter()
            .filter(is_known)
            .map(|it| it.tick_ms)
            .collect();
        due.is_none_or(|due| due.is_subset(&known))
    }
}
