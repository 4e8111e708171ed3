//! Drives the path of a tick: due → claimed → run. Reads like the protocol's
//! table of contents; the steps are in the files it calls.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use scheduled_one_schedule::policy::{Misfire, Scope};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::every_node::EveryNode;
use super::run::{Granted, Runner};
use super::units::{Units, rank};
use crate::claim::{self, Asked, Batch, Decided};
use crate::clock::Clock;
use crate::cluster_clock::ClusterClock;
use crate::event;
use crate::finish::Freed;
use crate::job::CompiledJob;
use crate::link::{Answered, Link, View};
use crate::store::StoreError;
use crate::store::message::{
    Beat, Claim, Claimed, Intent, MAX_BATCH, Marks, Pulse, RunId, Verdict, Watched, WrittenOff,
    place_of,
};
use crate::timer::{Timer, UnitIndex};
use crate::watch::Watch;

/// One call a node and second, however many jobs there are.
const BEAT_EVERY: Duration = Duration::from_secs(1);
/// Batches of claims that may be under way at a time.
const MAX_CLAIMS_UNDER_WAY: usize = 8;
/// How often a unit is looked at whose tick waits, undecided, for a run to end.
const BUSY_LOOK_MS: i64 = 500;
/// How much later a node claims a shard for each node that goes before it.
const RANK_DELAY_MS: i64 = 150;
/// Nodes that go before it, as far as the delay is concerned.
const MAX_RANK: usize = 4;
/// How long after its window a disabled job's tick is recorded as skipped, if
/// no node has run it by then.
const DISABLED_AFTER_MS: i64 = 5_000;
/// Longest sleep: a clock may be set, a machine may be suspended.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);
/// Offsets of the wall clock beyond this are warned of.
const OFFSET_WARNED_MS: i64 = 1_000;
/// A restart of the store, as the reason of what was missed.
const DOWN_THEN_QUARANTINE: &str = "store down, then quarantine";
/// How long claims under way may take to be answered when the node stops.
const STOP_PATIENCE: Duration = Duration::from_secs(2);

pub(crate) struct Node {
    link: Arc<Link>,
    runner: Arc<Runner>,
    clock: Arc<dyn Clock>,
    cluster: Arc<ClusterClock>,
    default_lease: Duration,
    /// How long ahead of their ticks units are claimed.
    lead_ms: i64,
    units: Units,
    timer: Timer,
    every_node: EveryNode,
    /// Units in which something waits that can start.
    ready: BTreeSet<String>,
    /// Of these, the ones that are being asked about.
    ready_asked: HashSet<String>,
    /// Word of runs that have ended.
    freed: mpsc::UnboundedReceiver<Freed>,
    /// Units whose run ended while a claim of them was under way.
    freed_while_asked: HashSet<UnitIndex>,
    /// The living nodes, by identity: shards are spread over them.
    nodes: Vec<String>,
    watch: Watch,
    calls: JoinSet<Answer>,
    claims_under_way: usize,
    claims_sent: u64,
    next_beat: Duration,
    /// A beat is under way: while the store is away it is one, not more.
    beating: bool,
    started_ms: i64,
    /// Whose memory the marks were told to.
    enrolled_for: Arc<str>,
    enrolling: bool,
    /// Why nothing was claimed lately: the reason of what was missed.
    held_up_by: &'static str,
    /// Whether that is so now.
    held_up: bool,
    /// When that ended: ticks from before were held up by it.
    released_ms: i64,
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
        freed: mpsc::UnboundedReceiver<Freed>,
    ) -> Self {
        let clock = Arc::clone(&runner.clock);
        let cluster = Arc::clone(&runner.cluster);
        let started_ms = cluster.now_ms();
        let of_scope = |each: bool| {
            let jobs = jobs.iter().cloned();
            jobs.filter(move |job| (job.rules.scope == Scope::EveryNode) == each)
        };
        let units = Units::new(of_scope(false), started_ms);
        let leases = jobs.iter().map(|job| job.lease(default_lease));
        let shortest_lease = leases.min().unwrap_or(default_lease);
        Node {
            lead_ms: lead_ms(units.indices().len(), shortest_lease),
            units,
            every_node: EveryNode::new(of_scope(true), started_ms),
            ready: BTreeSet::new(),
            ready_asked: HashSet::new(),
            freed,
            freed_while_asked: HashSet::new(),
            nodes: Vec::new(),
            next_beat: clock.boottime(),
            beating: false,
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
            held_up_by: "",
            held_up: false,
            released_ms: 0,
            offset_warned_ms: 0,
        }
    }

    /// Makes the node's units known to the store, and learns what was decided
    /// of them. Before it, nothing is due.
    pub(crate) async fn enroll_first(&mut self) -> Result<(), StoreError> {
        let serving = Arc::clone(&self.link.view().borrow().serving);
        let mut marks = Vec::new();
        for batch in self.units.enrollments(MAX_BATCH) {
            let answer = self.link.ask(|store, caller| store.enroll(caller, &batch));
            marks.push(answer.await?.body);
        }
        self.learn_all(serving, marks);
        for unit in self.units.indices() {
            self.set_next(unit);
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
            self.every_node.start_due(&self.runner);
            let held_up_for = self.claim_due(&seen);
            let wake = self.next_wake(held_up_for);
            let sleep = self.clock.sleep(wake);
            tokio::select! {
               biased;
                Some(answer) = self.calls.join_next() => self.answered(answer),
                Some(freed) = self.freed.recv() => self.freed(freed),
                () = sleep => {}
                _ = view.changed() => {}
                _ = stop.changed() => {}
            }
        }
        self.finish_claims().await;
    }

    /// How long nothing may be claimed, zero if something may.
    fn held_up(&mut self, view: &View) -> Duration {
        let pause = self.cluster.pause_left();
        let quarantine = self.cluster.until(view.quarantine_until_ms);
        let (wait, reason) = if !view.up {
            (LONGEST_SLEEP, "store down")
        } else if !quarantine.is_zero() {
            (quarantine, "quarantine")
        } else if !pause.is_zero() {
            (pause, "store clock jumped")
        } else {
            if self.held_up {
                self.held_up = false;
                self.released_ms = self.cluster.now_ms();
            }
            return Duration::ZERO;
        };
        self.held_up_by = match (self.held_up, self.held_up_by, reason) {
            (true, "store down" | DOWN_THEN_QUARANTINE, "quarantine") => DOWN_THEN_QUARANTINE,
            _ => reason,
        };
        self.held_up = true;
        wait
    }

    fn next_wake(&mut self, held_up_for: Duration) -> Duration {
        let now = self.clock.boottime();
        let mut wake = LONGEST_SLEEP;
        if !self.beating {
            wake = wake.min(self.next_beat.saturating_sub(now));
        }
        if let Some(at_ms) = self.every_node.next_ms() {
            wake = wake.min(self.cluster.until(at_ms));
        }
        if !held_up_for.is_zero() {
            return wake.min(held_up_for);
        }
        if let Some(at) = self.watch.next_due() {
            wake = wake.min(at.saturating_sub(now));
        }
        match self.timer.next_ms() {
            // With all claims under way, an answer wakes us.
            Some(at_ms) if self.claims_under_way < MAX_CLAIMS_UNDER_WAY => {
                wake.min(self.cluster.until(at_ms - self.lead_ms))
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

    /// What waits first, then what is due or will be in a moment: claims go
    /// out ahead, so that runs can start on time.
    fn gather(&mut self) -> Batch {
        let now_ms = self.cluster.now_ms() + self.lead_ms;
        let mut batch = Batch::default();
        while batch.claims.len() < MAX_BATCH {
            let claim = match self.next_ready(now_ms) {
                Some(claim) => claim,
                None => match self.timer.take_due(now_ms) {
                    Some(unit) => match self.claim_of(unit, now_ms) {
                        Some(claim) => claim,
                        None => {
                            self.set_next(unit);
                            continue;
                        }
                    },
                    None => break,
                },
            };
            batch.asked.push(claim.0);
            batch.claims.push(claim.1);
        }
        batch
    }

    /// Asks for what waits in a unit.
    fn next_ready(&mut self, now_ms: i64) -> Option<(Asked, Claim)> {
        let asked = &self.ready_asked;
        let name = self.ready.iter().find(|unit| !asked.contains(*unit))?;
        let name = name.clone();
        self.ready.remove(&name);
        let Some(unit) = self.units.find(&name) else {
            return self.next_ready(now_ms); // of a job this node does not have
        };
        let rules = &self.units.get(unit).job.rules;
        if !rules.enabled {
            return self.next_ready(now_ms);
        }
        let oldest_ms = now_ms - self.units.get(unit).job.ticks().window_ms();
        let claim = Claim {
            tick_ms: oldest_ms,
            due_ms: 0,
            after_ms: 0,
            intent: Intent::Next,
            unit: name.clone(),
            ..self.claim(unit, now_ms)
        };
        self.ready_asked.insert(name);
        let asked = Asked {
            unit,
            stands_for: 0,
        };
        Some((asked, claim))
    }

    fn claim_of(&mut self, index: UnitIndex, now_ms: i64) -> Option<(Asked, Claim)> {
        self.freed_while_asked.remove(&index);
        let unit = self.units.get(index);
        let (ticks, after_ms) = (unit.job.ticks(), unit.marks.decided_to_ms());
        let plan = if unit.job.rules.enabled {
            ticks.plan(after_ms, now_ms, unit.behind, |first_ms| {
                if first_ms < self.started_ms {
                    "no node was up"
                } else if first_ms <= self.released_ms {
                    self.held_up_by
                } else {
                    "node was behind"
                }
            })?
        } else {
            ticks.disabled(after_ms, now_ms - ticks.window_ms() - DISABLED_AFTER_MS)?
        };
        let asked = Asked {
            unit: index,
            stands_for: plan.stands_for,
        };
        let claim = Claim {
            tick_ms: plan.tick_ms,
            due_ms: plan.due_ms,
            after_ms: plan.after_ms,
            intent: plan.intent,
            missed: plan.missed,
            ..self.claim(index, now_ms)
        };
        Some((asked, claim))
    }

    /// What all claims of a unit have in common.
    fn claim(&mut self, index: UnitIndex, now_ms: i64) -> Claim {
        self.claims_sent += 1;
        let unit = self.units.get(index);
        let lease_ms = unit.job.lease(self.default_lease).as_millis() as i64;
        Claim {
            unit: unit.name(),
            tick_ms: 0,
            due_ms: 0,
            after_ms: 0,
            floor_hwm_ms: unit.marks.hwm_ms,
            floor_token: unit.marks.token,
            nonce: format!("{}-{:x}", self.link.caller.node, self.claims_sent),
            // A run that starts after half its lease would be cancelled soon.
            valid_until_ms: now_ms + lease_ms / 2,
            lease_ms,
            intent: Intent::Run,
            missed: None,
            overlap: unit.job.rules.overlap,
            reruns: unit.job.rules.reruns,
        }
    }

    fn answered(&mut self, answer: Result<Answer, tokio::task::JoinError>) {
        match answer {
            Ok(Answer::Decided(decided)) => self.decided(decided),
            Ok(Answer::Enrolled(serving, marks)) => self.learn_all(serving, marks),
            Ok(Answer::Pulse(pulse)) => {
                self.beating = false;
                self.warn_of_offset();
                self.nodes = pulse.body.nodes;
                self.ready.extend(pulse.body.ready);
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
        let claims = batch.asked.into_iter().zip(batch.claims);
        for ((asked, claim), answer) in claims.zip(answers) {
            if answer.ready {
                self.ready.insert(claim.unit.clone());
            }
            if claim.intent == Intent::Next {
                self.ready_asked.remove(&claim.unit);
                self.follow_next(asked, claim, answer, sent, received);
            } else {
                self.units.learn(asked.unit, answer.marks);
                let ticks = self.units.get(asked.unit).job.ticks();
                let on_time = ticks.is_on_time(claim.tick_ms, self.cluster.now_ms());
                let behind = claim.intent == Intent::CatchUp && !on_time;
                self.units.set_behind(asked.unit, behind);
                self.follow(asked, claim, answer, sent, received);
            }
        }
    }

    /// Does what the store decided of something that waited. If it could not
    /// start, the store tells again when it can.
    fn follow_next(
        &mut self,
        asked: Asked,
        claim: Claim,
        answer: Claimed,
        sent: Duration,
        received: Duration,
    ) {
        match answer.verdict {
            granted @ Verdict::Granted { .. } => self.start(asked, claim, granted, sent),
            Verdict::Stale(run) => self.watch.one(run, received),
            _ => {}
        }
    }

    /// Does what the store decided.
    fn follow(
        &mut self,
        asked: Asked,
        claim: Claim,
        answer: Claimed,
        sent: Duration,
        received: Duration,
    ) {
        let (unit, now_ms) = (asked.unit, self.cluster.now_ms());
        match answer.verdict {
            granted @ Verdict::Granted { .. } => {
                report_missed(&claim);
                self.start(asked, claim, granted, sent);
            }
            Verdict::Skipped => {
                report_missed(&claim);
                event::skipped(&claim.unit, claim.tick_ms, "overlap");
            }
            Verdict::Queued => {
                report_missed(&claim);
                event::queued(&claim.unit, claim.tick_ms);
            }
            Verdict::Forgone => report_missed(&claim),
            Verdict::Decided { owner } => {
                event::decided_elsewhere(&claim.unit, claim.tick_ms, &owner);
            }
            Verdict::Early { by_ms } => {
                event::early(&claim.unit, claim.tick_ms, by_ms);
                // Not ahead again: it is to be looked at when it is due.
                return self.timer.set(now_ms + by_ms + self.lead_ms, unit);
            }
            Verdict::Stale(run) => {
                event::stale(&claim.unit, claim.tick_ms);
                self.watch.one(run, received);
                return self.timer.set(now_ms + BUSY_LOOK_MS, unit);
            }
            Verdict::Busy => {
                let freed = self.freed_while_asked.remove(&unit);
                let wait_ms = if freed { 0 } else { BUSY_LOOK_MS };
                return self.timer.set(now_ms + wait_ms, unit);
            }
            // Counted again from the marks just learned.
            Verdict::Moved | Verdict::Late | Verdict::Quarantined | Verdict::Nothing => {
                return self.timer.set(now_ms, unit);
            }
        }
        self.set_next(unit);
    }

    fn start(&self, asked: Asked, claim: Claim, granted: Verdict, sent: Duration) {
        let Verdict::Granted {
            tick_ms,
            token,
            attempt,
            place,
            ..
        } = granted
        else {
            return;
        };
        event::claimed(&claim.unit, tick_ms, token);
        let unit = self.units.get(asked.unit);
        let reruns = claim.reruns.saturating_sub(attempt - 1);
        self.runner.start(Granted {
            id: RunId {
                unit: place_of(&claim.unit, place),
                tick_ms,
                nonce: claim.nonce,
                token,
                attempt,
                lease_ms: claim.lease_ms,
                granted_at_ms: self.cluster.now_ms(),
                reruns,
            },
            job: Arc::clone(&unit.job),
            due_ms: claim.due_ms,
            sent,
            shard: unit.shard(),
            missed: asked.stands_for,
            leased: true,
        });
    }

    /// A run of this node has ended.
    fn freed(&mut self, freed: Freed) {
        if freed.ready {
            self.ready.insert(freed.unit.clone());
        }
        let Some(unit) = self.units.find(&freed.unit) else {
            return;
        };
        if self.units.get(unit).job.rules.misfire == Misfire::RunAll {
            let now_ms = self.cluster.now_ms();
            if !self.timer.hasten(now_ms, unit) {
                self.freed_while_asked.insert(unit);
            }
        }
    }

    fn set_next(&mut self, index: UnitIndex) {
        let unit = self.units.get(index);
        let ticks = unit.job.ticks();
        let Some(tick_ms) = unit.job.schedule.next_after(unit.marks.decided_to_ms()) else {
            return;
        };
        let mut at_ms = ticks.due_ms(tick_ms);
        if unit.job.rules.shards > 1 {
            let me = &self.link.caller.node;
            let rank = rank(&unit.name(), me, &self.nodes).min(MAX_RANK);
            at_ms += rank as i64 * RANK_DELAY_MS;
        }
        if !unit.job.rules.enabled {
            at_ms += ticks.window_ms() + DISABLED_AFTER_MS;
        }
        self.timer.set(at_ms, index);
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
        let batches = self.units.enrollments(MAX_BATCH);
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
            self.units.learn(index as UnitIndex, seen);
        }
    }

    fn beat_if_due(&mut self) {
        let now = self.clock.boottime();
        if self.beating || now < self.next_beat {
            return;
        }
        self.beating = true;
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
            match written_off {
                WrittenOff::Lost => event::written_off(&run.unit),
                WrittenOff::TakenOver => {
                    event::taken_over(&run.unit);
                    self.ready.insert(run.unit.clone());
                }
                WrittenOff::Changed | WrittenOff::Quarantined => {}
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
                biased;
                answer = self.calls.join_next() => match answer {
                    Some(answer) => self.answered(answer),
                    None => return,
                },
                () = &mut patience => return,
            }
        }
    }
}

/// How long ahead ticks are claimed: what the claims of all units take if they
/// are due at once, and never so long that it costs much of a lease.
fn lead_ms(units: usize, shortest_lease: Duration) -> i64 {
    const LEAST_MS: i64 = 5;
    const UNITS_PER_MS: i64 = 100;
    const MOST_MS: i64 = 100;
    let of_units = LEAST_MS + units as i64 / UNITS_PER_MS;
    let of_lease = shortest_lease.as_millis() as i64 / 10;
    of_units.min(of_lease).min(MOST_MS)
}

fn report_missed(claim: &Claim) {
    if let Some(missed) = &claim.missed {
        event::missed(&claim.unit, missed);
    }
}
