//! Operators of a world: they pause and resume jobs, ask for runs, and cancel runs, at any time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use scheduled_one_runtime::clock::Clock;
use scheduled_one_runtime::control::{CancelledRun, Changed, Control, OnBusy, RunHandle, RunState};
use scheduled_one_runtime::{Overlap, Scope};
use scheduled_one_testkit::ForgetfulStore;
use scheduled_one_testkit::checker::{CancelRequested, Directed, EventKind, InForce, Requested};

use super::jobs::JobPlan;
use super::releases::is_counted;
use super::{Random, World};

/// Who asks for all of that.
pub(crate) const NAME: &str = "operator";

/// All jobs, as the subject of a directive.
const ALL: &str = "*";

/// How many runs are asked for, at most: each takes up to some seconds.
const MOST_REQUESTS: usize = 4;

/// By then, living nodes have read a directive: what only the store knew is gone with its memory.
const READ_AFTER: Duration = Duration::from_millis(2_500);

/// Longest wait for the requests at the end: nothing of the schedule is in their way.
const ENDED_WITHIN: Duration = Duration::from_secs(60);

/// What operators did.
#[derive(Debug)]
pub(crate) struct Operator {
    control: Control,
    jobs: Vec<JobPlan>,
    random: Random,
    /// Which subjects are paused.
    paused: BTreeMap<String, bool>,
    handles: Vec<RunHandle>,
    /// The schedules that they put in the place of those in the code, and these again.
    pub(crate) in_force: Vec<InForce>,
    /// How often that was done.
    pub(crate) rescheduled: u64,
    pub(crate) directives: Vec<Directed>,
    pub(crate) requests: Vec<Requested>,
    pub(crate) cancels: Vec<CancelRequested>,
    /// How many runs the store found and cancelled.
    pub(crate) cancelled: u64,
}

impl Operator {
    /// An operator of the jobs that can be controlled.
    pub(crate) fn new(store: &ForgetfulStore, jobs: &[JobPlan], random: &mut Random) -> Self {
        let jobs = jobs
            .iter()
            .filter(|job| job.enabled && job.scope == Scope::One);
        Operator {
            control: Control::of_stores(vec![Arc::new(store.clone())]).expect("random numbers"),
            jobs: jobs.cloned().collect(),
            random: Random::new(random.next()),
            paused: BTreeMap::new(),
            handles: Vec::new(),
            in_force: Vec::new(),
            rescheduled: 0,
            directives: Vec::new(),
            requests: Vec::new(),
            cancels: Vec::new(),
            cancelled: 0,
        }
    }

    /// Does something. With a store that forgets, it waits until nodes know of it.
    pub(crate) async fn act(&mut self, world: &World, forgets: bool) {
        if self.jobs.is_empty() {
            return;
        }
        let job = self.jobs[self.random.range(0, self.jobs.len() as u64 - 1) as usize].clone();
        match self.random.range(0, 9) {
            0..=2 => {
                let subject = match self.random.chance(20) {
                    true => ALL,
                    false => job.name.as_str(),
                };
                let pauses = !self.paused.get(subject).is_some_and(|paused| *paused);
                self.direct(world, subject, pauses).await;
                if forgets {
                    world.clock.sleep(READ_AFTER).await;
                }
            }
            3 | 4 if is_counted(&job) => {
                self.reschedule(world, &job).await;
                if forgets {
                    world.clock.sleep(READ_AFTER).await;
                }
            }
            3..=7 => self.ask(world, &job).await,
            _ => self.cancel(world).await,
        }
    }

    /// Whether it was done.
    async fn direct(&mut self, world: &World, subject: &str, pauses: bool) -> bool {
        let asked_us = now_us(world);
        let change = match (subject, pauses) {
            (ALL, true) => self.control.pause_all(),
            (ALL, false) => self.control.resume_all(),
            (job, true) => self.control.pause(job),
            (job, false) => self.control.resume(job),
        };
        let change = match !pauses && self.random.chance(30) {
            true => change.catch_up(),
            false => change,
        };
        // A namespace that was flushed knows no jobs until its nodes describe them again.
        let Ok(Changed {
            version, already, ..
        }) = change.by(NAME).await
        else {
            return false;
        };
        self.paused.insert(subject.to_owned(), pauses);
        if !already {
            self.directives.push(Directed {
                subject: subject.to_owned(),
                version,
                pauses,
                asked_us,
                replied_us: now_us(world),
            });
        }
        true
    }

    /// The time between the ticks of a job, if that was ever changed.
    pub(crate) fn in_force_of(&self, job: &str) -> Option<i64> {
        let mut of_job = self.in_force.iter().filter(|it| it.job == job);
        of_job.next_back().map(|it| it.every_ms)
    }

    /// Whether they want nothing of a job, and asked for no run of it.
    pub(crate) fn has_nothing_of(&self, job: &str) -> bool {
        let asked = self.requests.iter().any(|request| request.job == job);
        let directed = self.paused.contains_key(job) || self.in_force_of(job).is_some();
        !asked && !directed
    }

    /// Puts another schedule in the place of that in the code, or that one back.
    async fn reschedule(&mut self, world: &World, job: &JobPlan) {
        let own_ms = job.every.as_millis() as i64;
        let in_force = self.in_force_of(&job.name);
        let is_own = in_force.is_none_or(|every_ms| every_ms == own_ms);
        let every_s = job.every.as_secs() % 5 + 1;
        let (change, every_ms) = match is_own {
            true => {
                let text = format!("every {every_s}s");
                let change = self.control.reschedule(&job.name, text);
                (change, every_s as i64 * 1_000)
            }
            false => (self.control.reset(&job.name), own_ms),
        };
        let asked_ms = world.clock.wall().as_millis() as i64;
        // As of a pause.
        if change.by(NAME).await.is_err() {
            return;
        }
        self.rescheduled += 1;
        self.in_force.push(InForce {
            since_ms: asked_ms..=world.clock.wall().as_millis() as i64,
            ..InForce::first(&job.name, every_ms)
        });
    }

    /// Asks for a run: for a new one, or once more for one that was asked for.
    async fn ask(&mut self, world: &World, job: &JobPlan) {
        let mut own = self
            .requests
            .iter()
            .filter(|request| request.job == job.name);
        let again = own.next_back().map(|request| request.id.clone());
        let again = again.filter(|_| self.random.chance(30));
        if again.is_none() && self.requests.len() >= MOST_REQUESTS {
            return;
        }
        let id = again.unwrap_or_else(|| format!("r{}", self.requests.len()));
        // What is asked for once more is the same request.
        let mut of_id = Random::new(id.bytes().fold(0, |sum, byte| sum * 256 + u64::from(byte)));
        let on_busy = on_busy(job, &mut of_id);
        let mut run = match of_id.chance(30) {
            true => {
                let tick = world.clock.wall().as_millis() as u64 / 5_000 * 5_000;
                let instant = std::time::UNIX_EPOCH + Duration::from_millis(tick);
                self.control.rerun(&job.name, instant)
            }
            false => self.control.run(&job.name),
        };
        if let Some(on_busy) = on_busy {
            run = run.on_busy(on_busy);
        }
        let asked_us = now_us(world);
        let handle = run.id(&id).by(NAME).await.ok();
        let acknowledged = handle.is_some();
        self.handles.extend(handle);
        for shard in 0..job.shards {
            self.requests.push(Requested {
                job: job.name.clone(),
                shard,
                id: id.clone(),
                beside: on_busy == Some(OnBusy::Allow),
                asked_us,
                acknowledged,
            });
        }
    }

    /// Cancels a run that was seen a moment ago, and may have ended.
    async fn cancel(&mut self, world: &World) {
        let seen = {
            let log = world.log.lock().expect("lock");
            let starts = log.iter().rev().filter(|event| {
                event.kind == EventKind::Start && self.jobs.iter().any(|job| job.name == event.job)
            });
            let some: Vec<(String, u32, u64)> = starts
                .take(6)
                .map(|event| (event.job.clone(), event.shard, event.token))
                .collect();
            some
        };
        if seen.is_empty() {
            return;
        }
        let (job, shard, token) =
            seen[self.random.range(0, seen.len() as u64 - 1) as usize].clone();
        self.cancels.push(CancelRequested {
            job: job.clone(),
            shard,
            token,
            asked_us: now_us(world),
        });
        let cancel = self.control.cancel(job, token).shard(shard);
        let cancelled = cancel.by(NAME).await;
        self.cancelled += u64::from(matches!(cancelled, Ok(CancelledRun::Cancelling)));
    }

    /// All that was asked for ends while the schedule is paused, and then the schedule goes on.
    pub(crate) async fn conclude(&mut self, world: &World) {
        if !self.handles.is_empty() {
            self.direct(world, ALL, true).await;
            let until = world.clock.boottime() + ENDED_WITHIN;
            while world.clock.boottime() < until && self.any_is_open().await {
                world.clock.sleep(Duration::from_secs(1)).await;
            }
        }
        let subjects: Vec<String> = self.paused.keys().cloned().collect();
        for subject in subjects {
            while !self.direct(world, &subject, false).await {
                world.clock.sleep(Duration::from_secs(1)).await;
            }
        }
    }

    async fn any_is_open(&self) -> bool {
        for handle in &self.handles {
            let states = handle.states().await.expect("the store answers");
            let is_open =
                |it: &RunState| matches!(it, RunState::Waiting | RunState::Running { .. });
            if states.iter().any(is_open) {
                return true;
            }
        }
        false
    }
}

/// What becomes of a request while the job is busy. One that waits for a queue that is never empty would wait for as
/// long as the test lasts.
fn on_busy(job: &JobPlan, random: &mut Random) -> Option<OnBusy> {
    match (random.range(0, 3), job.overlap) {
        (0, _) => None,
        (1, _) => Some(OnBusy::Allow),
        (2, _) => Some(OnBusy::Wait),
        (_, Overlap::Skip) => Some(OnBusy::Cancel),
        _ => Some(OnBusy::Skip),
    }
}

fn now_us(world: &World) -> u64 {
    world.clock.boottime().as_micros() as u64
}
