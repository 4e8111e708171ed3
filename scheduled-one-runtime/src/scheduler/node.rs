//! Drives the path of a tick: due → claimed → run. Reads like the protocol's
//! table of contents; the steps are in the files it calls.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use scheduled_one_schedule::policy::Scope;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

mod claims;
mod upkeep;

use claims::{MAX_CLAIMS_UNDER_WAY, lead_ms};
use upkeep::{enroll_once, written_off};

use super::every_node::EveryNode;
use super::run::Runner;
use super::units::Units;
use crate::claim::Decided;
use crate::cluster_clock::ClusterClock;
use crate::event;
use crate::finish::Freed;
use crate::link::{Answered, Link, View};
use crate::rules::CompiledJob;
use crate::timer::{Timer, UnitIndex};
use crate::watch::Watch;
use scheduled_one_protocol::StoreError;
use scheduled_one_protocol::UnitName;
use scheduled_one_protocol::clock::Clock;
use scheduled_one_protocol::message::{
    Heartbeat, HeartbeatReply, MAX_BATCH, OverdueRun, Watermarks, WrittenOff,
};

/// Longest sleep: a clock may be set, a machine may be suspended.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);
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
    ready: BTreeSet<UnitName>,
    /// Of these, the ones that are being asked about.
    ready_asked: HashSet<UnitName>,
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
    /// Whose memory the marks were told to, and the end of the quarantine it
    /// was in: a process that was flushed is the same, in another quarantine.
    enrolled_for: (Arc<str>, i64),
    enrolling: bool,
    /// Why nothing was claimed lately: the reason of what was missed.
    held_up_by: &'static str,
    /// Whether that is so now.
    held_up: bool,
    /// When that ended: ticks from before were held up by it.
    released_ms: i64,
    offset_warned_ms: i64,
}

/// The end of a node, as it is told and tells of it.
pub(crate) struct NodeEnds {
    /// No claim is under way any more: nothing will start.
    pub(crate) claimed: watch::Sender<bool>,
    /// All is told to the store.
    pub(crate) good_bye: watch::Receiver<bool>,
}

/// What a call under way comes back with.
enum Answer {
    Decided(Decided),
    /// None for units that the store refuses.
    Enrolled((Arc<str>, i64), Vec<Option<Watermarks>>),
    HeartbeatReply(Answered<HeartbeatReply>),
    WrittenOff(Vec<(OverdueRun, WrittenOff)>),
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
            enrolled_for: ("".into(), 0),
            enrolling: false,
            held_up_by: "",
            held_up: false,
            released_ms: 0,
            offset_warned_ms: 0,
        }
    }

    /// Makes the node's units known to the store, and learns what was decided
    /// of them. Before it, nothing is due. It is an error if the store does not
    /// answer, or refuses all of them.
    pub(crate) async fn enroll_first(&mut self) -> Result<(), StoreError> {
        let told_to = self.link.view().borrow().memory();
        let (mut marks, mut refused) = (Vec::new(), None);
        for batch in self.units.registrations(MAX_BATCH) {
            marks.extend(enroll_once(&self.link, &batch, &mut refused).await?);
        }
        if let Some(error) = refused.filter(|_| marks.iter().all(Option::is_none)) {
            return Err(error);
        }
        self.learn_all(told_to, marks);
        for unit in self.units.indices() {
            self.set_next(unit);
        }
        Ok(())
    }

    /// Runs until told to stop; then starts nothing new, but waits for claims
    /// that are under way and runs what they were granted. When that is done,
    /// it says so, and stays until it is bid good-bye.
    pub(crate) async fn drive(mut self, mut stop: watch::Receiver<bool>, ends: NodeEnds) {
        let mut view = self.link.view();
        while !*stop.borrow() {
            let seen = view.borrow_and_update().clone();
            self.enroll_if_forgotten(&seen);
            self.beat_if_due(Heartbeat::Alive);
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
        ends.claimed.send_replace(true);
        self.see_off(ends.good_bye).await;
    }

    /// Runs still go on, and their outcomes are told: what this node saw is told
    /// to a store that forgets meanwhile, as ever. Its beats find that out, and
    /// say that it is leaving, so that nobody's shards wait for it.
    async fn see_off(&mut self, mut good_bye: watch::Receiver<bool>) {
        let mut view = self.link.view();
        loop {
            let seen = view.borrow_and_update().clone();
            self.enroll_if_forgotten(&seen);
            if *good_bye.borrow_and_update() && !self.enrolling {
                return;
            }
            self.beat_if_due(Heartbeat::Leaving);
            let until_beat = self.next_beat.saturating_sub(self.clock.boottime());
            let wake = match self.beating {
                true => LONGEST_SLEEP,
                false => until_beat.min(LONGEST_SLEEP),
            };
            let sleep = self.clock.sleep(wake);
            tokio::select! {
                biased;
                Some(answer) = self.calls.join_next() => self.answered(answer),
                Some(freed) = self.freed.recv() => self.freed(freed),
                () = sleep => {}
                _ = view.changed() => {}
                told = good_bye.changed() => if told.is_err() {
                    return; // the scheduler was dropped
                },
            }
        }
    }

    /// How long nothing may be claimed, zero if something may.
    fn held_up(&mut self, view: &View) -> Duration {
        let pause = self.cluster.pause_left();
        let quarantine = self.cluster.until(view.quarantine_until_ms);
        // A bucket that refuses another number of them answers nothing: it is
        // not up either.
        let (wait, reason) = if self.link.disputed() {
            (LONGEST_SLEEP, "another number of buckets")
        } else if !view.up {
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

    fn answered(&mut self, answer: Result<Answer, tokio::task::JoinError>) {
        match answer {
            Ok(Answer::Decided(decided)) => self.decided(decided),
            Ok(Answer::Enrolled(told_to, marks)) => self.learn_all(told_to, marks),
            Ok(Answer::HeartbeatReply(pulse)) => {
                self.beating = false;
                self.warn_of_offset();
                self.nodes = pulse.body.nodes;
                // Others are of jobs this node does not have, or of nobody.
                let mut ready = pulse.body.ready;
                ready.retain(|unit| self.units.find(unit).is_some());
                self.ready.extend(ready);
                self.watch.overdue(pulse.body.overdue, pulse.received);
            }
            Ok(Answer::WrittenOff(runs)) => written_off(runs, &mut self.ready),
            // A call neither panics nor is aborted while the node runs.
            Err(error) => event::call_failed(&error),
        }
    }

    /// Nobody waits any more for what is granted now: it must not start.
    fn drop_calls(&mut self) {
        self.calls = JoinSet::new();
        (self.claims_under_way, self.beating, self.enrolling) = (0, false, false);
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
                () = &mut patience => return self.drop_calls(),
            }
        }
    }
}
