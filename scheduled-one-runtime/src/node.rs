//! The driver of a node in one bucket. [`Node::turn`] is the path of a tick; each step is in the file that it calls.

// In the order of the path: units and claims of them, verdicts, jobs without claims …
mod adoption;
mod aside;
mod catch_up;
mod claiming;
mod lane;
pub(crate) mod lead;
mod planning;
pub(crate) mod preference;
mod unit_set;
pub(crate) mod units;
mod verdict;
mod void_overrides;
mod waiting;

mod local_jobs;

// … and what a node does in addition to its ticks.
mod audit_watch;
mod backfill;
mod control;
mod describing;
mod gone;
mod heartbeat;
pub(crate) mod hold_up;
mod inbox;
mod mode;
mod news;
pub(crate) mod outlook;
mod pause_after;
mod registration;
pub(crate) mod stall_watch;
mod standstill;
mod succession;
mod takeover;
mod waking;

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use scheduled_one_schedule::ZoneData;
use scheduled_one_schedule::policy::Scope;
use tokio::sync::{mpsc, watch};

use crate::claim::{ClaimBatch, DecidedBatch, send_claims};
use crate::compiled_job::CompiledJob;
use crate::finish::UnitReleased;
use crate::run::{Runner, Stopping};
use crate::scheduler::program::Program;
use crate::store_client::{StoreClient, StoreHealth};
use scheduled_one_protocol::StoreError;

use audit_watch::AuditWatch;
use backfill::Backfills;
use claiming::Claiming;
use control::KnownDirectives;
use describing::Describing;
use gone::GoneWatch;
use heartbeat::HeartbeatTimer;
use hold_up::{Conditions, Hold};
use inbox::{Event, Inbox};
use local_jobs::LocalJobs;
use mode::Mode;
pub(crate) use mode::NodeSignals;
use outlook::Outlook;
use preference::NodeTraits;
use registration::{Registration, Why, register_again};
use stall_watch::StallWatch;
use standstill::{Known, wait_in_quarantine, warn_of_marks};
use succession::take_over_ticks;
use takeover::{lost, taken_over};
use units::Units;
use verdict::DecidedClaim;

const LONGEST_SLEEP: Duration = Duration::from_secs(1); // a clock may be set, a machine may be suspended

/// One node in one bucket.
pub(crate) struct Node {
    /// The way to the store of the bucket.
    client: Arc<StoreClient>,
    /// Makes the runs of granted ticks and of local jobs.
    runner: Arc<Runner>,
    /// The jobs and shards that this node claims, each with the watermarks that the node has seen.
    units: Units,
    /// Which unit is claimed when, and which claims have no reply yet.
    claiming: Claiming,
    /// Whether claims are sent, and why not.
    hold: Hold,
    /// With which store the units are registered.
    registration: Registration,
    /// The rules of time zones, for schedules that operators want.
    zones: ZoneData,
    /// What operators want of the jobs.
    directives: KnownDirectives,
    /// Backfills that this node drives.
    backfills: Backfills,
    /// What the catalog has of the jobs.
    describing: Describing,
    /// Jobs that the program has dropped.
    gone: GoneWatch,
    /// When the next heartbeat is sent.
    heartbeat: HeartbeatTimer,
    /// Overdue runs, which are written off if they stay unchanged.
    stalls: StallWatch,
    /// Jobs that each node runs by itself.
    local_jobs: LocalJobs,
    /// Which jobs are audited when.
    audit_watch: AuditWatch,
    /// Requests without a reply, and the ends of runs.
    inbox: Inbox,
    /// Changes when permits for runs may have become free.
    permits: watch::Receiver<u64>,
}

impl Node {
    /// A node whose units are registered. Fails if the store does not reply, or refuses all units.
    pub(crate) async fn register(
        client: Arc<StoreClient>,
        runner: Arc<Runner>,
        (jobs, default_lease): (&[Arc<CompiledJob>], Duration),
        outlook: Outlook,
        (program, zones): (Arc<Program>, ZoneData),
        traits: NodeTraits,
        released: mpsc::UnboundedReceiver<UnitReleased>,
    ) -> Result<Self, StoreError> {
        let started_ms = runner.cluster.now_ms();
        let of_scope = |local: bool| {
            let jobs = jobs.iter().cloned();
            jobs.filter(move |job| (job.rules.scope == Scope::EveryNode) == local)
        };
        let settings = (default_lease, program.generation);
        let mut units = Units::new(of_scope(false), started_ms, settings, outlook);
        let registration = Registration::first(&client, &mut units, started_ms).await?;
        let leases = jobs.iter().map(|job| job.lease(default_lease));
        let shortest_lease = leases.min().unwrap_or(default_lease);
        let node = client.node();
        wait_in_quarantine(&client, &mut units, started_ms, Known::Never);
        warn_of_marks(&client, &units, started_ms);
        Ok(Node {
            claiming: Claiming::new(node, started_ms, shortest_lease, &units, traits),
            audit_watch: AuditWatch::new(&client, &units, started_ms),
            units,
            hold: Hold::START,
            registration,
            zones,
            directives: KnownDirectives::default(),
            describing: Describing::new(
                jobs,
                Arc::clone(&program),
                client.caller.ledger_limit,
                client.health_now().identity,
            ),
            gone: GoneWatch::new(program),
            backfills: Backfills::default(),
            heartbeat: HeartbeatTimer::new(client.now(), node),
            stalls: StallWatch::default(),
            local_jobs: LocalJobs::new(of_scope(true), started_ms),
            inbox: Inbox::new(released),
            permits: runner.permits.changes(),
            client,
            runner,
        })
    }

    /// Runs until the scheduler stops the node and, when the outcomes are reported, lets it leave.
    pub(crate) async fn drive(mut self, mut signals: NodeSignals) {
        let mut health = self.client.health();
        let mut mode = Mode::Working;
        self.wait_for_news(0, Duration::ZERO);
        loop {
            let seen = health.borrow_and_update().clone();
            self.read_directives_if_changed(&seen);
            self.describe_jobs(&seen);
            self.register_if_forgotten(&seen);
            self.claiming
                .wait_after_jump(&self.client, &mut self.units, &self.runner.cluster);
            match self.next_mode(mode, &signals) {
                Some(next) => mode = next,
                None => return,
            }
            self.send_heartbeat_if_due(mode);
            self.look_if_due(mode, &seen);
            self.drive_backfills(mode, &seen);
            if mode == Mode::Working {
                self.write_off_stalled(&seen);
                self.local_jobs.start_due(&self.runner);
            }
            let turn = self.turn(mode, &seen, &mut health, &mut signals).await;
            if turn.is_break() {
                return;
            }
        }
    }

    /// One turn of the loop, and the path of a tick: due → planned → claimed → decided → run → finished. In the middle
    /// the node waits for whatever happens first.
    async fn turn(
        &mut self,
        mode: Mode,
        seen: &StoreHealth,
        health: &mut watch::Receiver<StoreHealth>,
        signals: &mut NodeSignals,
    ) -> ControlFlow<()> {
        let held_up_for = self.held_up_for(mode, seen);
        if self.permits.has_changed().unwrap_or(false) {
            self.permits.mark_unchanged();
            let now_ms = self.runner.cluster.now_ms();
            self.claiming.release_held(&self.units, now_ms);
        }
        // Due → planned.
        while held_up_for.is_none()
            && let Some(batch) = self.plan_due()
        {
            // Planned → claimed.
            self.claim(batch);
        }
        if held_up_for.is_none() {
            self.take_requests();
        }
        let wake = self.next_wake(mode, seen, held_up_for);
        match self.next_event(mode, wake, health, signals).await {
            // Claimed → decided → run.
            Event::Decided(batch) => self.follow(batch),
            Event::Taken(batch) => self.follow_taken(batch),
            // Run → finished.
            Event::RunEnded(released) => {
                let now_ms = self.runner.cluster.now_ms();
                if released.failed {
                    self.run_failed(&released.unit);
                }
                self.claiming.release(&mut self.units, released, now_ms);
            }
            Event::Registered(reply) => self.registration.settle(&mut self.units, reply),
            Event::Controlled(reply) => self.take_directives(reply),
            Event::Gone(event) => self.gone_jobs_replied(event),
            Event::Described => self.describing.settle(),
            Event::News(count) => self.follow_news(count),
            Event::Heartbeat(reply) => self.heartbeat_acknowledged(mode, reply),
            Event::Succeeded(units) => {
                let now_ms = self.runner.cluster.now_ms();
                take_over_ticks(&mut self.units, &mut self.claiming, units, now_ms);
            }
            Event::StandsAside(index, decides) => self.units.stand_aside(index, decides),
            Event::Adopted(units) => {
                let now_ms = self.runner.cluster.now_ms();
                self.claiming.adopt(&mut self.units, units, now_ms);
            }
            Event::WrittenOff(runs) => {
                for run in lost(&runs) {
                    self.run_failed(&run);
                }
                let ready = taken_over(&self.client.metrics, runs);
                self.claiming.ready.extend(ready);
            }
            Event::Looked(looked) => self.looked(looked),
            Event::Backfilled { job, read } => self.backfilled(&job, read),
            Event::Woken => {}
            Event::Abandoned => return ControlFlow::Break(()),
        }
        ControlFlow::Continue(())
    }

    /// The next batch of claims, if a tick is due or will be in a moment.
    fn plan_due(&mut self) -> Option<ClaimBatch> {
        let now_ms = self.runner.cluster.now_ms();
        self.claiming.plan_due(&self.units, &self.hold, now_ms)
    }

    fn claim(&mut self, batch: ClaimBatch) {
        let (client, sent) = (Arc::clone(&self.client), self.client.now());
        let decided = async move { Event::Decided(send_claims(&client, batch, sent).await) };
        self.inbox.request(decided);
    }

    /// Does what the store decided, claim by claim.
    fn follow(&mut self, decided: DecidedBatch) {
        let now_ms = self.runner.cluster.now_ms();
        self.claiming.settle_batch(decided.batch.wave, now_ms);
        let sent = decided.sent;
        let claims = decided.batch.pending.into_iter().zip(decided.batch.claims);
        for ((pending, claim), reply) in claims.zip(decided.replies) {
            let decided = DecidedClaim {
                pending,
                claim,
                reply,
                sent,
            };
            self.client.metrics.claimed(decided.reply.verdict());
            let (now_ms, unit) = (self.runner.cluster.now_ms(), decided.pending.unit);
            let (units, stalls) = (&mut self.units, &mut self.stalls);
            if decided.was_planned_otherwise() {
                self.directives.read_again();
            }
            let follow_up = self.claiming.apply(units, stalls, decided, now_ms);
            self.follow_up(follow_up, Some(unit));
        }
    }

    /// The mode after `mode`; `None` if the node has ended.
    fn next_mode(&mut self, mode: Mode, signals: &NodeSignals) -> Option<Mode> {
        let now = self.client.now();
        match mode {
            Mode::Working => match *signals.stop.borrow() {
                Some(Stopping { drain_until }) => {
                    // Until the others know that this node leaves, nobody claims what prefers it.
                    self.heartbeat.send_another(now);
                    let until = drain_until;
                    self.next_mode(Mode::Draining { until }, signals)
                }
                None => Some(mode),
            },
            Mode::Draining { until } if !self.claiming.is_pending() || now >= until => {
                if self.claiming.is_pending() {
                    self.abandon_requests();
                }
                signals.drained.send_replace(true);
                self.next_mode(Mode::Leaving, signals)
            }
            Mode::Leaving if *signals.leave.borrow() && !self.registration.is_pending() => None,
            same => Some(same),
        }
    }

    /// Drops the requests without a reply: a tick that is granted from now on must not start.
    fn abandon_requests(&mut self) {
        self.inbox.drop_requests();
        self.claiming.abandon();
        self.heartbeat.settle();
        self.registration.abandon();
        self.directives.abandon();
        self.backfills.abandon();
        self.describing.abandon();
        self.gone.abandon();
    }

    /// For how long no claims are sent; `None` if they are.
    fn held_up_for(&mut self, mode: Mode, seen: &StoreHealth) -> Option<Duration> {
        match mode {
            Mode::Working => {
                let now_ms = self.runner.cluster.now_ms();
                let conditions = Conditions {
                    bucket_mismatch: self.client.has_bucket_mismatch(),
                    store_up: seen.up,
                };
                let claims = self.hold.update(&conditions, now_ms);
                (!claims).then_some(Duration::MAX)
            }
            Mode::Draining { until } => Some(until.saturating_sub(self.client.now())),
            Mode::Leaving => Some(LONGEST_SLEEP),
        }
    }

    /// Registers all units again if another store replies than the one that they are registered with, or the same one
    /// after it was flushed; or if it did not know that this node has its jobs.
    fn register_if_forgotten(&mut self, seen: &StoreHealth) {
        let Some(why) = self.registration.take_due(seen) else {
            return;
        };
        if why == Why::Lost {
            self.stalls.clear();
            let now_ms = self.runner.cluster.now_ms();
            wait_in_quarantine(&self.client, &mut self.units, now_ms, Known::Before);
        }
        // Of attempts that were made since the grant, only the runs know.
        for (unit, started) in self.runner.active_runs.newest_starts() {
            if let Some(index) = self.units.find(&unit) {
                self.units.learn_start(index, &unit, started);
            }
        }
        let order = self.claiming.those_it_claims_first(&self.units);
        let batches = self.units.registrations_again(&order);
        let lanes = self.units.lane_registrations();
        let (client, identity) = (Arc::clone(&self.client), seen.identity.clone());
        self.inbox.request(async move {
            let registered = register_again(&client, identity, (order, batches), lanes).await;
            Event::Registered(registered)
        });
    }
}
