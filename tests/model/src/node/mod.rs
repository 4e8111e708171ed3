//! The model of a node: its requests, when each has to be sent, and the effect of each reply. The model follows the
//! runtime for one unit; the names of the files of the runtime are in brackets.
//!
//! Along the path of a tick:
//!
//! - [`duties`]: the actions that are due before time passes, and their order;
//! - [`register`]: the node sends its lower bounds to the store, before anything is due;
//! - [`claim`] (`claim.rs`): claims of due and of waiting ticks, and their verdicts;
//! - [`control`] (`control.rs`): directives are read and repeated;
//! - [`lane`] (`lane.rs`): requests for runs are taken;
//! - [`run`] (`run.rs`, `finish.rs`): from the first poll to the
//!   recorded outcome;
//! - [`renewal`] (`renewal.rs`): renewals of the lease during the run;
//! - [`seen`] (`heartbeat.rs`, `describing.rs`): the store knows that the node has the job;
//! - [`watch`] (`watch.rs`): the run of another node is seen to stand still;
//! - [`answers`]: sending requests, and applying the replies.

mod answers;
mod claim;
mod control;
mod duties;
mod lane;
mod register;
mod renewal;
mod run;
mod seen;
mod watch;

use std::time::Duration;

use scheduled_one_protocol::message::{Caller, Claim, Finish, OverdueRun, RunId, Watermarks};

use scheduled_one_protocol::{DecidingSchedule, ScheduleId};

use crate::config::{Config, EPOCH_MS, MARGIN_MS};

pub(crate) use control::Known;
pub use duties::{Duty, News};
pub use lane::{AskedTake, OfLane};
pub use run::{deadline, true_deadline};
pub use seen::Seen;

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
    /// What it knows of directives.
    pub(crate) known: Known,
    /// What the store knows of it.
    pub seen: Seen,
    /// The highest watermarks it ever saw.
    pub marks: Watermarks,
    /// Who serves, as far as it knows.
    pub serving: String,
    /// The lease of its job.
    pub lease_ms: i64,
    /// The schedule of its job, if nodes have different ones.
    pub schedule: Option<ScheduleId>,
    /// The schedule that decides, as far as it knows.
    pub decides: Option<DecidingSchedule>,
    /// It is to register because no schedule decides.
    pub succeeds: bool,
    /// The longest quarantine of its jobs.
    pub quarantine_ms: i64,
    /// When the last quarantine began, as far as it knows.
    pub quarantine_from_ms: i64,
    /// Until when the unit is in quarantine, as far as it knows.
    pub quarantine_until_ms: i64,
    /// Whom it registered with, and in which quarantine.
    pub registered_with: Option<(String, i64)>,
    /// Since when a registration waits for its answer.
    pub registering: Option<(i64, (String, i64))>,
    /// The store's clock minus its own.
    pub clock_ms: i64,
    /// It claims nothing before, because the store's clock was set.
    pub holds_back_until: i64,
    /// It claims ticks: it does not hang.
    pub claims: bool,
    /// It claims what is due, because heartbeats say that nobody does.
    pub adopts: bool,
    /// Makes nonces.
    pub claims_sent: u8,
    /// The claim of a tick that is under way.
    pub claim: Option<Asked>,
    /// The same of what waits.
    pub next: Option<Asked>,
    /// The next claim brings the lane.
    pub with_lane: bool,
    /// What it knows of the lane.
    pub lane: OfLane,
    /// Instant before which no tick is claimed.
    pub again_at: i64,
    /// Instant before which nothing that waits is claimed.
    pub next_again_at: i64,
    /// Something waits in the unit and can start, as far as it knows.
    pub ready: bool,
    /// The run that it sees stand still, and since when.
    pub watch: Option<(OverdueRun, i64)>,
    /// Its runs.
    pub runs: Vec<Run>,
    /// Outcomes that the store has not confirmed.
    pub ends: Vec<Ended>,
}

/// A claim under way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Asked {
    /// The claim, the same in each repetition.
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
    /// The outcome is reported, or about to be, and the run is renewed all the same: only without the guard against
    /// that.
    Ended,
}

/// An outcome on its way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Ended {
    /// The request that reports the outcome.
    pub finish: Finish,
    /// When last.
    pub tried: Option<i64>,
}

impl Node {
    /// A node that is up and has sent no request.
    pub fn new(config: &Config, index: usize, id: String, now: i64) -> Self {
        Node {
            id,
            lease_ms: config.lease_ms(index),
            schedule: config.schedule(index),
            decides: None,
            succeeds: false,
            quarantine_ms: config.quarantine_ms(index),
            up: true,
            paused: false,
            cut: false,
            known: Known::default(),
            seen: Seen::default(),
            marks: Watermarks {
                first_seen_ms: Some(EPOCH_MS + now),
                ..Watermarks::default()
            },
            serving: String::new(),
            quarantine_from_ms: 0,
            quarantine_until_ms: 0,
            registered_with: None,
            registering: None,
            clock_ms: EPOCH_MS,
            holds_back_until: 0,
            claims: !(config.first_hangs && index == 0),
            adopts: false,
            claims_sent: 0,
            claim: None,
            next: None,
            next_again_at: 0,
            with_lane: false,
            lane: OfLane::default(),
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
            quarantine_ms: self.quarantine_ms,
            margin_ms: MARGIN_MS,
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

    /// It claims nothing for now.
    pub(crate) fn held_up(&self, now: i64) -> bool {
        self.quarantine_until_ms > self.store_now(now) || now < self.holds_back_until
    }
}

fn duration(ms: i64) -> Duration {
    Duration::from_millis(ms.unsigned_abs())
}

fn ms(duration: Duration) -> i64 {
    duration.as_millis() as i64
}
