//! A node as far as the protocol goes: what it asks for, when it must, and
//! what it does with the answers. Follows `scheduler/node`, `claim.rs`,
//! `renewal.rs`, `finish.rs` and `watch.rs` of the runtime, for one unit.

use std::time::Duration;

use scheduled_one_runtime::__terms as terms;
use scheduled_one_runtime::store::message::{
    Caller, Claim, Claimed, Enroll, Finish, Finished, Head, Intent, Marks, Missed, Outcome, Renew,
    Renewed, Reply, RunId, Started, Verdict, Watched, WrittenOff,
};

use crate::config::{Config, EPOCH_MS, LEASE_MS, QUARANTINE_MS, QUARTER_MS};
use crate::history::History;
use crate::server::{Body, Request, identity};

/// The state of one node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Node {
    /// New with each start.
    pub id: String,
    /// It lives.
    pub up: bool,
    /// It stands still.
    pub paused: bool,
    /// It does not reach the store.
    pub cut: bool,
    /// The highest marks it ever saw.
    pub floors: Marks,
    /// Who serves, as far as it knows.
    pub serving: String,
    /// Until when nothing is granted, as far as it knows.
    pub quarantine_until_ms: i64,
    /// Whom it told its marks to, and in which quarantine.
    pub enrolled_for: Option<(String, i64)>,
    /// Since when an enrollment waits for its answer.
    pub enrolling: Option<(i64, (String, i64))>,
    /// The store's clock minus its own.
    pub clock_ms: i64,
    /// It claims nothing before, because the store's clock was set.
    pub holds_back_until: i64,
    /// Makes nonces.
    pub claims_sent: u8,
    /// The claim of a tick that is under way.
    pub claim: Option<Asked>,
    /// The same of what waits.
    pub next: Option<Asked>,
    /// A tick is not asked for before.
    pub again_at: i64,
    /// Something waits in the unit and can start, as far as it knows.
    pub ready: bool,
    /// The run that it sees stand still, and since when.
    pub watch: Option<(Watched, i64)>,
    /// Its runs.
    pub runs: Vec<Run>,
    /// Outcomes that the store has not confirmed.
    pub ends: Vec<Ended>,
}

/// A claim under way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Asked {
    /// What was asked; the same with each try.
    pub claim: Claim,
    /// When first.
    pub sent: i64,
    /// When last.
    pub tried: i64,
}

/// A run that was granted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Run {
    /// What identifies it, in the attempt it is at.
    pub id: RunId,
    /// From when its lease counts, as the node believes.
    pub proven: i64,
    /// From when it really counts: when the request was sent that was answered.
    pub sent: i64,
    /// When a renewal was sent last.
    pub renewed: i64,
    /// Where it is.
    pub phase: Phase,
    /// The store had forgotten it.
    pub readopted: bool,
    /// Stood still beyond its deadline, and nothing checks.
    pub overslept: bool,
}

/// Where a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Not polled yet.
    Granted,
    /// Polled: that start of the history.
    Running(usize),
    /// Waits until its last attempt is recorded.
    Between,
}

/// An outcome on its way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Ended {
    /// What is told.
    pub finish: Finish,
    /// When last.
    pub tried: Option<i64>,
}

/// What a node must do now.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Duty {
    /// Poll a granted run for the first time.
    Begin(usize),
    /// Ask the store.
    Ask(Request),
}

impl Node {
    /// A node that is up and has not asked anything.
    pub fn new(id: String, now: i64) -> Self {
        Node {
            id,
            up: true,
            paused: false,
            cut: false,
            floors: Marks {
                born_ms: EPOCH_MS + now,
                ..Marks::default()
            },
            serving: String::new(),
            quarantine_until_ms: 0,
            enrolled_for: None,
            enrolling: None,
            clock_ms: EPOCH_MS,
            holds_back_until: 0,
            claims_sent: 0,
            claim: None,
            next: None,
            again_at: 0,
            ready: false,
            watch: None,
            runs: Vec::new(),
            ends: Vec::new(),
        }
    }

    /// What its requests carry.
    pub fn caller(&self) -> Caller {
        Caller {
            node: self.id.clone(),
            name: self.id.clone(),
            quarantine_ms: QUARANTINE_MS,
            ledger_limit: 100,
            buckets: 1,
        }
    }

    /// It does what is to be done.
    pub fn acts(&self) -> bool {
        self.up && !self.paused
    }

    /// It acts and reaches the store.
    pub fn reaches(&self) -> bool {
        self.acts() && !self.cut
    }

    fn store_now(&self, now: i64) -> i64 {
        now + self.clock_ms
    }

    fn held_up(&self, now: i64) -> bool {
        self.quarantine_until_ms > self.store_now(now) || now < self.holds_back_until
    }

    /// Whether the run may be polled now.
    pub fn polls(&self, run: &Run, now: i64) -> bool {
        let running = matches!(run.phase, Phase::Running(_));
        self.acts() && running && (now < deadline(run) || run.overslept)
    }

    /// What it must do before time passes. Renewals come first: in what order
    /// those and others are executed within one instant makes no difference.
    pub fn duties(&self, config: &Config, now: i64, pulse: &Pulse) -> Vec<Duty> {
        if !self.acts() {
            return Vec::new();
        }
        let mut duties = Vec::new();
        for (index, run) in self.runs.iter().enumerate() {
            if run.phase == Phase::Granted {
                duties.push(Duty::Begin(index));
            }
        }
        if self.cut || !duties.is_empty() {
            return duties;
        }
        let mut ask = |request| duties.push(Duty::Ask(request));
        if self.serving.is_empty() {
            ask(Request::Beat); // a new node learns the clock first
            return duties;
        }
        for run in &self.runs {
            if now - run.renewed >= QUARTER_MS {
                ask(Request::Renew(self.renewal(config, run)));
            }
        }
        // One after the other: an outcome waits until the one before is told.
        let first = self.ends.first();
        if let Some(ended) = first.filter(|ended| ended.tried.is_none_or(|tried| now > tried)) {
            ask(Request::Finish(Box::new(ended.finish.clone())));
        }
        let waits = self
            .enrolling
            .as_ref()
            .is_some_and(|(tried, _)| now <= *tried);
        if self.enrolls(config) && !waits {
            ask(Request::Enroll(self.enroll(config)));
        }
        if self.enrolled_for.is_none() {
            return duties; // before it, nothing is due
        }
        for asked in [&self.claim, &self.next].into_iter().flatten() {
            if now > asked.tried {
                ask(Request::Claim(Box::new(self.repeated(config, asked, now))));
            }
        }
        if !self.held_up(now) {
            if let Some(claim) = self.claim_due(config, now) {
                ask(Request::Claim(Box::new(claim)));
            }
            if self.ready && self.next.is_none() {
                ask(Request::Claim(Box::new(self.claim_next(config, now))));
            }
        }
        if let Some(watched) = self.write_off_due(config, now, pulse) {
            ask(Request::WriteOff(watched));
        }
        if self.learns_from(pulse, now) {
            ask(Request::Beat);
        }
        duties
    }

    /// A beat would tell it something.
    fn learns_from(&self, pulse: &Pulse, now: i64) -> bool {
        let ready = pulse.ready && !self.ready && self.next.is_none() && !self.held_up(now);
        let watched = self.watch.as_ref().map(|(watched, _)| watched);
        ready
            || !pulse.noticed
            || identity(pulse.serving) != self.serving
            || pulse.quarantine_until_ms != self.quarantine_until_ms
            || (watched != pulse.overdue.as_ref() && !self.owns(pulse.overdue.as_ref()))
    }

    /// Watching its own run would do no harm, and only adds states: a node
    /// that polls renews.
    fn owns(&self, overdue: Option<&Watched>) -> bool {
        let mine = |watched: &Watched| self.runs.iter().any(|run| run.id.nonce == watched.nonce);
        overdue.is_some_and(mine)
    }

    fn enrolls(&self, config: &Config) -> bool {
        match &self.enrolled_for {
            None => true,
            Some(_) if !config.guards.enrolls_again => false,
            Some(told_to) => *told_to != self.memory(),
        }
    }

    /// As `View::memory`.
    fn memory(&self) -> (String, i64) {
        (self.serving.clone(), self.quarantine_until_ms)
    }

    fn enroll(&self, config: &Config) -> Enroll {
        let floors = self.told_floors(config);
        let runs = self.runs.iter().map(|run| Started {
            tick_ms: run.id.tick_ms,
            attempt: run.id.attempt,
        });
        Enroll {
            unit: "job".to_owned(),
            first_seen_ms: self.floors.born_ms,
            floor_hwm_ms: floors.hwm_ms,
            floor_token: floors.token,
            // Of attempts that were made since the grant, only the runs know.
            floor_started: match config.guards.floors {
                true => runs.fold(floors.started, Started::max),
                false => floors.started,
            },
        }
    }

    fn told_floors(&self, config: &Config) -> Marks {
        match config.guards.floors {
            true => self.floors,
            false => Marks::default(),
        }
    }

    fn claim_due(&self, config: &Config, now: i64) -> Option<Claim> {
        if self.claim.is_some() || now < self.again_at {
            return None;
        }
        let decided_ms = self.floors.decided_to_ms();
        let ticks = config.ticks.iter().map(|tick| Config::tick_ms(*tick));
        let due: Vec<i64> = ticks
            .filter(|tick| *tick > decided_ms && *tick <= self.store_now(now))
            .collect();
        let (tick_ms, missed) = due.split_last()?;
        let missed = missed.first().map(|first_ms| Missed {
            first_ms: *first_ms,
            last_ms: missed[missed.len() - 1],
            count: missed.len() as u64,
            outcome: Outcome::Missed,
            reason: String::new(),
        });
        Some(Claim {
            tick_ms: *tick_ms,
            due_ms: *tick_ms,
            after_ms: decided_ms,
            missed,
            ..self.any_claim(config, now)
        })
    }

    fn claim_next(&self, config: &Config, now: i64) -> Claim {
        Claim {
            intent: Intent::Next,
            floor_started: self.told_floors(config).started,
            ..self.any_claim(config, now)
        }
    }

    fn any_claim(&self, config: &Config, now: i64) -> Claim {
        let floors = self.told_floors(config);
        Claim {
            unit: "job".to_owned(),
            tick_ms: 0,
            due_ms: 0,
            after_ms: 0,
            floor_hwm_ms: floors.hwm_ms,
            floor_token: floors.token,
            floor_started: Started::default(),
            nonce: format!("{}-{}", self.id, self.claims_sent + 1),
            valid_until_ms: match config.guards.valid_until {
                true => self.store_now(now) + LEASE_MS / 2,
                false => i64::MAX,
            },
            lease_ms: LEASE_MS,
            intent: Intent::Run,
            overlap: config.overlap,
            reruns: config.reruns,
            missed: None,
        }
    }

    fn repeated(&self, config: &Config, asked: &Asked, now: i64) -> Claim {
        match config.guards.same_nonce {
            true => asked.claim.clone(),
            false => Claim {
                nonce: format!("{}-{}'{now}", self.id, self.claims_sent),
                ..asked.claim.clone()
            },
        }
    }

    pub(crate) fn renewal(&self, config: &Config, run: &Run) -> Renew {
        Renew {
            run: run.id.clone(),
            valid_until_ms: match config.guards.valid_until {
                true => deadline(run) + self.clock_ms,
                false => i64::MAX,
            },
        }
    }

    /// The run to be written off.
    fn write_off_due(&self, config: &Config, now: i64, pulse: &Pulse) -> Option<Watched> {
        let (watched, since) = self.watch.as_ref()?;
        let stands_still = match config.guards.observed_takeover {
            true => since + ms(terms::stands_still_after(LEASE)) <= now,
            false => pulse.lease_over,
        };
        let due = stands_still && self.quarantine_until_ms <= self.store_now(now);
        due.then(|| watched.clone())
    }

    /// A request is sent.
    pub fn sends(&mut self, request: &Request, now: i64) {
        match request {
            Request::Enroll(_) => self.enrolling = Some((now, self.memory())),
            Request::Claim(claim) => {
                let next = claim.intent == Intent::Next;
                let slot = if next {
                    &mut self.next
                } else {
                    &mut self.claim
                };
                if next {
                    self.ready = false;
                }
                if let Some(asked) = slot {
                    asked.claim = (**claim).clone();
                    asked.tried = now;
                    return;
                }
                self.claims_sent += 1;
                *slot = Some(Asked {
                    claim: (**claim).clone(),
                    sent: now,
                    tried: now,
                });
            }
            Request::Renew(renew) => {
                if let Some(run) = self.run(&renew.run.nonce) {
                    run.renewed = now;
                }
            }
            Request::Finish(finish) => {
                let mut ends = self.ends.iter_mut();
                if let Some(ended) = ends.find(|ended| ended.finish == **finish) {
                    ended.tried = Some(now);
                }
            }
            Request::WriteOff(_) => self.watch = None,
            Request::Beat => {}
        }
    }

    fn run(&mut self, nonce: &str) -> Option<&mut Run> {
        self.runs.iter_mut().find(|run| run.id.nonce == nonce)
    }

    /// An answer comes to a request that was sent at `sent`.
    pub fn hears(
        &mut self,
        config: &Config,
        history: &mut History,
        request: &Request,
        reply: Reply<Body>,
        sent: i64,
        now: i64,
    ) {
        // Renewals have a connection of their own, that does not look.
        if !matches!(request, Request::Renew(_)) {
            self.sees(&reply.head);
        }
        if sent == now {
            self.learns_clock(config, &reply.head, now);
        }
        match (request, reply.body) {
            (Request::Enroll(_), Body::Enrolled(marks)) => {
                let waited = self.enrolling.take_if(|(tried, _)| *tried == sent);
                if let Some((_, told_to)) = waited {
                    self.enrolled_for = Some(told_to);
                    self.learn(marks);
                }
            }
            (Request::Claim(claim), Body::Claimed(claimed)) => {
                self.claimed(config, claim, claimed, sent, now);
            }
            (Request::Renew(renew), Body::Renewed(renewed)) => {
                self.renewed(config, renew, renewed, sent, now);
            }
            (Request::Finish(finish), Body::Finished(finished)) => {
                self.finished(history, finish, finished, now);
            }
            (Request::WriteOff(_), Body::WrittenOff(WrittenOff::TakenOver)) => self.ready = true,
            (Request::Beat, Body::Pulse(ready, overdue)) => {
                self.ready |= ready;
                self.watch = overdue.map(|overdue| match self.watch.take() {
                    Some((same, since)) if same == overdue => (same, since),
                    _ => (overdue, now),
                });
            }
            _ => {}
        }
    }

    fn sees(&mut self, head: &Head) {
        self.quarantine_until_ms = head.quarantine_until_ms;
        if self.serving != head.serving {
            self.serving.clone_from(&head.serving);
            self.watch = None;
        }
    }

    fn learns_clock(&mut self, config: &Config, head: &Head, now: i64) {
        let clock_ms = (head.now_us / 1_000) as i64 - now;
        if clock_ms != self.clock_ms && config.guards.pauses_after_jump {
            self.holds_back_until = now + LEASE_MS;
        }
        self.clock_ms = clock_ms;
    }

    fn learn(&mut self, marks: Marks) {
        self.floors.hwm_ms = self.floors.hwm_ms.max(marks.hwm_ms);
        self.floors.token = self.floors.token.max(marks.token);
        self.floors.started = self.floors.started.max(marks.started);
        if marks.born_ms > 0 {
            self.floors.born_ms = marks.born_ms;
        }
    }

    fn claimed(&mut self, config: &Config, claim: &Claim, claimed: Claimed, sent: i64, now: i64) {
        let next = claim.intent == Intent::Next;
        let slot = if next {
            &mut self.next
        } else {
            &mut self.claim
        };
        let waited = slot.take_if(|asked| asked.claim.nonce == claim.nonce && asked.tried == sent);
        let Some(asked) = waited else {
            return; // given up on this try: its connection is closed
        };
        self.learn(claimed.marks);
        self.ready |= claimed.ready;
        match claimed.verdict {
            Verdict::Granted {
                tick_ms,
                token,
                attempt,
                ..
            } => {
                let id = RunId {
                    unit: "job".to_owned(),
                    tick_ms,
                    nonce: claim.nonce.clone(),
                    token,
                    attempt,
                    lease_ms: LEASE_MS,
                    granted_at_ms: self.store_now(now),
                    reruns: claim.reruns.saturating_sub(attempt - 1),
                };
                let proven = match config.guards.counted_from_sending {
                    true => asked.sent,
                    false => now,
                };
                let run = Run {
                    id,
                    proven,
                    sent: asked.sent,
                    renewed: asked.sent,
                    phase: Phase::Granted,
                    readopted: false,
                    overslept: false,
                };
                let too_late = proven + ms(terms::cancel_after(LEASE)) <= now;
                if too_late {
                    let outcome = match attempt {
                        1 => Outcome::Missed,
                        _ => Outcome::Lost,
                    };
                    self.ends(run.id, outcome, false);
                } else {
                    self.runs.push(run);
                }
            }
            Verdict::Stale(watched) => {
                let same = self
                    .watch
                    .as_ref()
                    .is_some_and(|(same, _)| *same == watched);
                if !same {
                    self.watch = Some((watched, now));
                }
                self.again_at = now + QUARTER_MS;
            }
            Verdict::Busy | Verdict::Quarantined | Verdict::Early { .. } if !next => {
                self.again_at = now + QUARTER_MS;
            }
            _ => {}
        }
    }

    fn renewed(&mut self, config: &Config, renew: &Renew, renewed: Renewed, sent: i64, now: i64) {
        let Some(index) = self
            .runs
            .iter()
            .position(|run| run.id.nonce == renew.run.nonce)
        else {
            return;
        };
        match renewed {
            Renewed::Until(_) | Renewed::Stop(_) | Renewed::Readopted(_) => {
                let run = &mut self.runs[index];
                run.readopted |= matches!(renewed, Renewed::Readopted(_));
                run.sent = run.sent.max(sent);
                let proven = match config.guards.counted_from_sending {
                    true => sent,
                    false => now,
                };
                run.proven = run.proven.max(proven);
            }
            Renewed::Lost => {
                let run = self.runs.remove(index);
                self.ends(run.id, Outcome::Cancelled, false);
            }
            Renewed::Late => {}
        }
    }

    fn finished(&mut self, history: &mut History, finish: &Finish, finished: Finished, now: i64) {
        let before = self.ends.len();
        self.ends.retain(|ended| ended.finish != *finish);
        if self.ends.len() == before {
            return; // heard before
        }
        if !finish.retried {
            self.ready |= finished.ready;
            self.learn(Marks {
                started: Started {
                    tick_ms: finish.run.tick_ms,
                    attempt: finish.run.attempt,
                },
                ..Marks::default()
            });
            return;
        }
        let between = |run: &Run| run.id.nonce == finish.run.nonce && run.phase == Phase::Between;
        let Some(index) = self.runs.iter().position(between) else {
            return;
        };
        if finished.recorded {
            self.begin(history, index, now);
        } else {
            let run = self.runs.remove(index);
            self.ends(run.id, Outcome::Cancelled, false);
        }
    }

    fn ends(&mut self, run: RunId, outcome: Outcome, retried: bool) {
        self.ends.push(Ended {
            finish: Finish {
                run,
                outcome,
                retried,
                reason: String::new(),
                error: String::new(),
                fired_at_ms: 0,
                ended_at_ms: 0,
            },
            tried: None,
        });
    }

    /// Polls a run for the first time, if it still may.
    pub fn begin(&mut self, history: &mut History, index: usize, now: i64) {
        if now >= deadline(&self.runs[index]) {
            let run = self.runs.remove(index);
            return self.ends(run.id, Outcome::Cancelled, false);
        }
        let run = &mut self.runs[index];
        run.phase = Phase::Running(history.start(&run.id));
    }

    /// A function returns.
    pub fn returns(&mut self, index: usize) {
        let run = self.runs.remove(index);
        self.ends(run.id, Outcome::Ok, false);
    }

    /// A function fails, and is to be called again.
    pub fn fails(&mut self, config: &Config, history: &mut History, index: usize, now: i64) {
        let id = self.runs[index].id.clone();
        self.ends(id, Outcome::Failed, true);
        self.runs[index].phase = Phase::Between;
        self.runs[index].id.attempt += 1;
        if !config.guards.waits_for_recorded {
            self.begin(history, index, now);
        }
    }

    /// Time has come to `now`: timers drop what is beyond its deadline.
    pub fn passes(&mut self, now: i64) {
        if !self.acts() {
            return;
        }
        let (over, kept) = self.runs.drain(..).partition(|run| deadline(run) <= now);
        self.runs = kept;
        let over: Vec<Run> = over;
        for run in over {
            self.ends(run.id, Outcome::Cancelled, false);
        }
    }

    /// It goes on after it stood still.
    pub fn resumes(&mut self, config: &Config, now: i64) {
        self.paused = false;
        if config.guards.poll_check {
            return self.passes(now);
        }
        for run in &mut self.runs {
            run.overslept |= deadline(run) <= now;
        }
    }

    /// It dies.
    pub fn dies(&mut self) {
        let id = std::mem::take(&mut self.id);
        *self = Node {
            up: false,
            floors: Marks::default(),
            ..Node::new(id, 0)
        };
    }
}

/// What a beat would tell now.
pub struct Pulse {
    /// Who serves.
    pub serving: u8,
    /// The store knows that it does: nobody has asked it since, if not.
    pub noticed: bool,
    /// Until when nothing is granted.
    pub quarantine_until_ms: i64,
    /// Something waits and can start.
    pub ready: bool,
    /// A run is recorded whose lease has ended: no node is told, or asks.
    pub lease_over: bool,
    /// A run whose renewal is overdue.
    pub overdue: Option<Watched>,
}

const LEASE: Duration = Duration::from_millis(LEASE_MS as u64);

fn ms(duration: Duration) -> i64 {
    duration.as_millis() as i64
}

/// When the run is polled no more, unless renewed.
pub fn deadline(run: &Run) -> i64 {
    run.proven + ms(terms::deadline_after(LEASE))
}

/// The same as it should be: counted from before the request was sent.
pub fn true_deadline(run: &Run) -> i64 {
    run.sent + ms(terms::deadline_after(LEASE))
}
