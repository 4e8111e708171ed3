//! Drives the path of a tick: due → claimed → run. Reads like the protocol's
//! table of contents; the steps are in the files it calls.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::run::Runner;
use crate::claim::{self, Batch, Decided};
use crate::clock::Clock;
use crate::cluster_clock::ClusterClock;
use crate::event;
use crate::job::CompiledJob;
use crate::link::{Answered, Link, View};
use crate::store::StoreError;
use crate::store::message::{
    Beat, Claim, Claimed, Enroll, Intent, MAX_BATCH, Marks, Pulse, RunId, Verdict, Watched,
    WrittenOff,
};
use crate::tick::plan;
use crate::timer::{Timer, UnitIndex};
use crate::watch::Watch;

/// One call a node and second, however many jobs there are.
const BEAT_EVERY: Duration = Duration::from_secs(1);
/// Batches of claims that may be under way at a time.
const MAX_CLAIMS_UNDER_WAY: usize = 8;
/// How often a unit is looked at that waits for a dead run to be written off.
const STALE_LOOK_MS: i64 = 500;
/// Longest sleep: a clock may be set, a machine may be suspended.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);
/// Offsets of the wall clock beyond this are warned of.
const OFFSET_WARNED_MS: i64 = 1_000;
/// A restart of the store, as the reason of what was missed.
const DOWN_THEN_QUARANTINE: &str = "store down, then quarantine";
/// How long claims under way may take to be answered when the node stops.
const STOP_PATIENCE: Duration = Duration::from_secs(2);

/// A job, or one shard of it, and what this node saw decided of it.
pub(crate) struct Unit {
    pub(crate) job: Arc<CompiledJob>,
    pub(crate) marks: Marks,
}

pub(crate) struct Node {
    link: Arc<Link>,
    runner: Arc<Runner>,
    clock: Arc<dyn Clock>,
    cluster: Arc<ClusterClock>,
    default_lease: Duration,
    units: Vec<Unit>,
    timer: Timer,
    watch: Watch,
    calls: JoinSet<Answer>,
    claims_under_way: usize,
    claims_sent: u64,
    next_beat: Duration,
    started_ms: i64,
    /// Whose memory the marks were told to.
    enrolled_for: Arc<str>,
    enrolling: bool,
    /// Why nothing was claimed lately: the reason of what was missed.
    held_up_by: &'static str,
    /// Whether that is so now.
    held_up: bool,
    offset_warned_ms: i64,
}

/// What a call under way comes back with.
enum Answer {
    Decided(Decided),
    Enrolled(Arc<str>, Vec<Vec<Marks>>),
    Pulse(Answered<Pulse>),
    WrittenOff(Vec<Watched>, Result<Answered<Vec<WrittenOff>>, StoreError>),
}

impl Node {
    pub(crate) fn new(
        link: Arc<Link>,
        runner: Arc<Runner>,
        jobs: &[Arc<CompiledJob>],
        default_lease: Duration,
    ) -> Self {
        let clock = Arc::clone(&runner.clock);
        let cluster = Arc::clone(&runner.cluster);
        let started_ms = cluster.now_ms();
        let units = jobs.iter().map(|job| Unit {
            job: Arc::clone(job),
            marks: Marks {
                born_ms: started_ms,
                ..Marks::default()
            },
        });
        Node {
            units: units.collect(),
            next_beat: clock.boottime(),
            link,
            runner,
            clock,
            cluster,
            default_lease,
            timer: Timer::default(),
            watch: Watch::default(),
            calls: JoinSet::new(),
            claims_under_way: 0,
            claims_sent: 0,
            started_ms,
            enrolled_for: "".into(),
            enrolling: false,
            held_up_by: "node was behind",
            held_up: false,
            offset_warned_ms: 0,
        }
    }

    /// Makes the node's units known to the store, and learns what was decided
    /// of them. Before it, nothing is due.
    pub(crate) async fn enroll_first(&mut self) -> Result<(), StoreError> {
        let serving = Arc::clone(&self.link.view().borrow().serving);
        let mut marks = Vec::new();
        for batch in self.enrollments() {
            let answer = self.link.ask(|store, caller| store.enroll(caller, &batch));
            marks.push(answer.await?.body);
        }
        self.learn_all(serving, marks);
        for unit in 0..self.units.len() {
            self.set_next(unit as UnitIndex);
        }
        Ok(())
    }

    /// Runs until told to stop; then starts nothing new, but waits for claims
    /// that are under way and runs what they were granted.
    pub(crate) async fn drive(mut self, mut stop: watch::Receiver<bool>) {
        let mut view = self.link.view();
        while !*stop.borrow() {
            let seen = view.borrow_and_update().clone();
            self.enroll_if_forgotten(&seen);
            self.beat_if_due();
            self.write_off_due(&seen);
            let held_up_for = self.claim_due(&seen);
            let sleep = self.clock.sleep(self.next_wake(held_up_for));
            tokio::select! {
                Some(answer) = self.calls.join_next() => self.answered(answer),
                () = sleep => {}
                _ = view.changed() => {}
                _ = stop.changed() => {}
            }
        }
        self.finish_claims().await;
    }

    /// How long nothing may be claimed, zero if something may.
    fn held_up(&mut self, view: &View) -> Duration {
        let pause = view
            .claims_pause_until
            .saturating_sub(self.clock.boottime());
        let quarantine = self.cluster.until(view.quarantine_until_ms);
        let (wait, reason) = if !view.up {
            (LONGEST_SLEEP, "store down")
        } else if !quarantine.is_zero() {
            (quarantine, "quarantine")
        } else if !pause.is_zero() {
            (pause, "store clock jumped")
        } else {
            self.held_up = false;
            return Duration::ZERO;
        };
        self.held_up_by = match (self.held_up, self.held_up_by, reason) {
            (true, "store down" | DOWN_THEN_QUARANTINE, "quarantine") => DOWN_THEN_QUARANTINE,
            _ => reason,
        };
        self.held_up = true;
        wait
    }

    fn next_wake(&self, held_up_for: Duration) -> Duration {
        let now = self.clock.boottime();
        let mut wake = LONGEST_SLEEP.min(self.next_beat.saturating_sub(now));
        if let Some(at) = self.watch.next_due() {
            wake = wake.min(at.saturating_sub(now));
        }
        if !held_up_for.is_zero() {
            return wake.min(held_up_for);
        }
        match self.timer.next_ms() {
            // With all claims under way, an answer wakes us.
            Some(at_ms) if self.claims_under_way < MAX_CLAIMS_UNDER_WAY => {
                wake.min(self.cluster.until(at_ms))
            }
            _ => wake,
        }
    }

    /// Claims all that is due, in batches. Returns for how long it may not.
    fn claim_due(&mut self, view: &View) -> Duration {
        let held_up_for = self.held_up(view);
        if !held_up_for.is_zero() {
            return held_up_for;
        }
        while self.claims_under_way < MAX_CLAIMS_UNDER_WAY {
            let batch = self.gather();
            if batch.claims.is_empty() {
                break;
            }
            self.claims_under_way += 1;
            let sent = self.clock.boottime();
            let link = Arc::clone(&self.link);
            self.calls
                .spawn(async move { Answer::Decided(claim::claim(link, batch, sent).await) });
        }
        Duration::ZERO
    }

    fn gather(&mut self) -> Batch {
        let now_ms = self.cluster.now_ms();
        let mut batch = Batch {
            units: Vec::new(),
            claims: Vec::new(),
        };
        while batch.claims.len() < MAX_BATCH {
            let Some(index) = self.timer.take_due(now_ms) else {
                break;
            };
            match self.claim_of(index, now_ms) {
                Some(claim) => {
                    batch.units.push(index);
                    batch.claims.push(claim);
                }
                None => self.set_next(index),
            }
        }
        batch
    }

    fn claim_of(&mut self, index: UnitIndex, now_ms: i64) -> Option<Claim> {
        let unit = &self.units[index as usize];
        let after_ms = unit.marks.decided_to_ms();
        let plan = plan(&unit.job.schedule, after_ms, now_ms, |first_ms| {
            if first_ms < self.started_ms {
                "no node was up"
            } else {
                self.held_up_by
            }
        })?;
        let lease_ms = unit.job.lease(self.default_lease).as_millis() as i64;
        self.claims_sent += 1;
        Some(Claim {
            unit: unit.job.name.to_string(),
            tick_ms: plan.tick_ms,
            after_ms: plan.after_ms,
            floor_hwm_ms: unit.marks.hwm_ms,
            floor_token: unit.marks.token,
            nonce: format!("{}-{:x}", self.link.caller.node, self.claims_sent),
            // A run that starts after half its lease would be cancelled soon.
            valid_until_ms: now_ms + lease_ms / 2,
            lease_ms,
            intent: plan.intent,
            missed: plan.missed,
        })
    }

    fn answered(&mut self, answer: Result<Answer, tokio::task::JoinError>) {
        match answer {
            Ok(Answer::Decided(decided)) => self.decided(decided),
            Ok(Answer::Enrolled(serving, marks)) => self.learn_all(serving, marks),
            Ok(Answer::Pulse(pulse)) => {
                self.warn_of_offset();
                self.watch.overdue(pulse.body.overdue, pulse.received);
            }
            Ok(Answer::WrittenOff(runs, answer)) => self.written_off(runs, answer),
            // A call neither panics nor is aborted while the node runs.
            Err(error) => event::call_failed(&error),
        }
    }

    fn decided(&mut self, decided: Decided) {
        self.claims_under_way -= 1;
        let Decided {
            batch,
            answers,
            sent,
            received,
        } = decided;
        let claims = batch.units.into_iter().zip(batch.claims);
        for ((index, claim), answer) in claims.zip(answers) {
            self.learn(index, answer.marks);
            self.follow(index, claim, answer, sent, received);
        }
    }

    /// Does what the store decided.
    fn follow(
        &mut self,
        index: UnitIndex,
        claim: Claim,
        answer: Claimed,
        sent: Duration,
        received: Duration,
    ) {
        let now_ms = self.cluster.now_ms();
        match answer.verdict {
            Verdict::Granted { token, attempt, .. } => {
                event::claimed(&claim.unit, claim.tick_ms, token);
                report_missed(&claim);
                self.start(index, claim, token, attempt, sent);
            }
            Verdict::Skipped => {
                report_missed(&claim);
                event::skipped(&claim.unit, claim.tick_ms, "overlap");
            }
            Verdict::Forgone => report_missed(&claim),
            Verdict::Decided { owner } => {
                event::decided_elsewhere(&claim.unit, claim.tick_ms, &owner);
            }
            Verdict::Early { by_ms } => {
                event::early(&claim.unit, claim.tick_ms, by_ms);
                return self.timer.set(now_ms + by_ms, index);
            }
            Verdict::Stale(run) => {
                event::stale(&claim.unit, claim.tick_ms);
                self.watch.one(run, received);
                return self.timer.set(now_ms + STALE_LOOK_MS, index);
            }
            // Counted again from the marks just learned.
            Verdict::Moved | Verdict::Late | Verdict::Quarantined => {
                return self.timer.set(now_ms, index);
            }
        }
        self.set_next(index);
    }

    fn start(&self, index: UnitIndex, claim: Claim, token: u64, attempt: u32, sent: Duration) {
        let id = RunId {
            unit: claim.unit,
            tick_ms: claim.tick_ms,
            nonce: claim.nonce,
            token,
            attempt,
            lease_ms: claim.lease_ms,
            granted_at_ms: self.cluster.now_ms(),
        };
        let job = Arc::clone(&self.units[index as usize].job);
        self.runner.start(job, id, sent);
    }

    /// Remembers the highest marks ever seen: they are sent as floors.
    fn learn(&mut self, index: UnitIndex, seen: Marks) {
        let marks = &mut self.units[index as usize].marks;
        marks.hwm_ms = marks.hwm_ms.max(seen.hwm_ms);
        marks.token = marks.token.max(seen.token);
        if seen.born_ms > 0 {
            marks.born_ms = seen.born_ms;
        }
    }

    fn set_next(&mut self, index: UnitIndex) {
        let unit = &self.units[index as usize];
        if let Some(tick_ms) = unit.job.schedule.next_after(unit.marks.decided_to_ms()) {
            self.timer.set(tick_ms, index);
        }
    }

    fn enrollments(&self) -> Vec<Vec<Enroll>> {
        let enroll = |unit: &Unit| Enroll {
            unit: unit.job.name.to_string(),
            first_seen_ms: unit.marks.born_ms,
            floor_hwm_ms: unit.marks.hwm_ms,
            floor_token: unit.marks.token,
        };
        self.units
            .chunks(MAX_BATCH)
            .map(|units| units.iter().map(enroll).collect())
            .collect()
    }

    /// Another store serves than the one the marks were told to: it may have
    /// forgotten what this node saw decided, so it is told, at once and for
    /// all units.
    fn enroll_if_forgotten(&mut self, view: &View) {
        if !view.up || self.enrolling || view.serving == self.enrolled_for {
            return;
        }
        self.enrolling = true;
        self.watch.clear();
        let serving = Arc::clone(&view.serving);
        let batches = self.enrollments();
        let link = Arc::clone(&self.link);
        self.calls.spawn(async move {
            let mut marks = Vec::new();
            for batch in batches {
                let mut tries = 0;
                loop {
                    let answer = link.ask(|store, caller| store.enroll(caller, &batch)).await;
                    if let Ok(answer) = answer {
                        marks.push(answer.body);
                        break;
                    }
                    tries += 1;
                    link.back_off(tries).await;
                }
            }
            Answer::Enrolled(serving, marks)
        });
    }

    fn learn_all(&mut self, serving: Arc<str>, marks: Vec<Vec<Marks>>) {
        self.enrolling = false;
        self.enrolled_for = serving;
        for (index, seen) in marks.into_iter().flatten().enumerate() {
            self.learn(index as UnitIndex, seen);
        }
    }

    fn beat_if_due(&mut self) {
        let now = self.clock.boottime();
        if now < self.next_beat {
            return;
        }
        self.next_beat = now + BEAT_EVERY;
        let link = Arc::clone(&self.link);
        self.calls.spawn(async move {
            let mut tries = 0;
            loop {
                let answer = link.ask(|store, caller| store.beat(caller, Beat::Alive));
                if let Ok(pulse) = answer.await {
                    return Answer::Pulse(pulse);
                }
                tries += 1;
                link.back_off(tries).await;
            }
        });
    }

    fn write_off_due(&mut self, view: &View) {
        if !view.up || !self.cluster.until(view.quarantine_until_ms).is_zero() {
            return;
        }
        let runs = self.watch.take_due(self.clock.boottime());
        if runs.is_empty() {
            return;
        }
        let link = Arc::clone(&self.link);
        self.calls.spawn(async move {
            let answer = link
                .ask(|store, caller| store.write_off(caller, &runs))
                .await;
            Answer::WrittenOff(runs, answer)
        });
    }

    fn written_off(
        &mut self,
        runs: Vec<Watched>,
        answer: Result<Answered<Vec<WrittenOff>>, StoreError>,
    ) {
        // Without an answer the runs are reported as overdue again.
        let Ok(answer) = answer else { return };
        for (run, written_off) in runs.iter().zip(answer.body) {
            if written_off == WrittenOff::Lost {
                event::written_off(&run.unit);
            }
        }
    }

    fn warn_of_offset(&mut self) {
        let offset_ms = self.cluster.wall_offset_ms();
        if (offset_ms - self.offset_warned_ms).abs() > OFFSET_WARNED_MS {
            event::clock_offset(offset_ms);
            self.offset_warned_ms = offset_ms;
        }
    }

    async fn finish_claims(&mut self) {
        let mut patience = self.clock.sleep(STOP_PATIENCE);
        while self.claims_under_way > 0 {
            tokio::select! {
                answer = self.calls.join_next() => match answer {
                    Some(answer) => self.answered(answer),
                    None => return,
                },
                () = &mut patience => return,
            }
        }
    }
}

fn report_missed(claim: &Claim) {
    if let Some(missed) = &claim.missed {
        event::missed(
            &claim.unit,
            missed.first_ms,
            missed.last_ms,
            missed.count,
            &missed.reason,
        );
    }
    debug_assert!(claim.intent == Intent::Run || claim.missed.is_some());
}
