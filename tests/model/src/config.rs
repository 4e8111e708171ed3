//! The configuration of a search: a job, a few nodes, and a budget of faults.

use scheduled_one_protocol::message::Overlap;
use scheduled_one_protocol::{ScheduleId, ScheduleOverride, TickMs, UnitName};

/// One quarter of a lease: the unit in which time passes. Renewals go out each
/// quarter, a run is polled for three of them without one, the store's lease
/// and the watcher's patience are over after four.
pub const QUARTER_MS: i64 = 1_000;
/// The lease of the job.
pub const LEASE_MS: i64 = 4 * QUARTER_MS;
/// The time to reconnect that is added to a lease for a quarantine, as `SchedulerBuilder` has it.
pub const MARGIN_MS: i64 = 1_000;
/// What the store's clock shows at the start.
pub const EPOCH_MS: i64 = 1_000_000;

/// The job, and what may happen to it.
#[derive(Clone, Debug)]
pub struct Config {
    /// For the report.
    pub name: &'static str,
    /// How many nodes.
    pub nodes: usize,
    /// When its ticks are due, in quarters of a lease after the start.
    pub ticks: Vec<i64>,
    /// The same of the schedule that the second node has, which is of another release; none if it has the same.
    pub other_ticks: Vec<i64>,
    /// The generation of that schedule; that of the first node has 0.
    pub other_generation: u32,
    /// The ticks of the schedule that an operator may put in the place of that in the code.
    pub wanted_ticks: Vec<i64>,
    /// What to do with a tick whose unit is busy.
    pub overlap: Overlap,
    /// How often a run may be taken over.
    pub takeovers: u32,
    /// How often a run that failed makes another attempt.
    pub retries: u32,
    /// The lease of the job on the first node, in quarters: another release may have another lease. It is four on the
    /// others.
    pub first_lease: i64,
    /// The lease of another job of all nodes, in quarters.
    pub other_lease: i64,
    /// Which due ticks a node may leave to others, whatever it believes of which node a unit prefers.
    pub leaves: Leaves,
    /// The first node hangs: it sends heartbeats, and claims nothing.
    pub first_hangs: bool,
    /// Nothing is explored after so many quarters.
    pub horizon: i64,
    /// How much may go wrong.
    pub faults: Faults,
    /// The promises end where all nodes that saw something die; it is to be
    /// seen that they do.
    pub starts_twice: bool,
    /// Which guards the nodes have: all, but for tests of the model itself.
    pub guards: Guards,
}

impl Config {
    /// Three nodes, one job with two ticks, all guards, no faults.
    pub fn new(name: &'static str) -> Self {
        Config {
            name,
            nodes: 3,
            ticks: vec![1, 3],
            other_ticks: Vec::new(),
            other_generation: 0,
            wanted_ticks: Vec::new(),
            overlap: Overlap::Skip,
            takeovers: 0,
            retries: 0,
            first_lease: 4,
            other_lease: 4,
            leaves: Leaves::Nothing,
            first_hangs: false,
            horizon: 9,
            faults: Faults::default(),
            starts_twice: false,
            guards: Guards::default(),
        }
    }

    /// The tick that is due so many quarters after the start.
    pub fn tick(quarter: i64) -> TickMs {
        TickMs(EPOCH_MS + quarter * QUARTER_MS)
    }

    /// The schedule of a node, if nodes have different ones, or may have none.
    pub fn schedule(&self, node: usize) -> Option<ScheduleId> {
        let differ = !self.other_ticks.is_empty();
        let id = if node == 1 && differ { 2 } else { 1 };
        let may_end = self.faults.gone + self.faults.forgets > 0;
        let matters = differ || !self.wanted_ticks.is_empty() || may_end;
        matters.then_some(ScheduleId(id))
    }

    /// The ticks of a schedule, or those of the one that operators want in its place (`job_schedules.rs`).
    pub fn planned<'a>(
        &'a self,
        schedule: Option<ScheduleId>,
        wanted: Option<&ScheduleOverride>,
    ) -> impl Iterator<Item = TickMs> + 'a {
        let wanted = wanted.filter(|wanted| Some(wanted.base) == schedule);
        let since = wanted.map_or(TickMs(0), |wanted| TickMs(wanted.since_ms));
        let is_replaced = wanted.is_some_and(|wanted| !wanted.is_reset());
        let own = self.ticks_of(schedule).filter(move |_| !is_replaced);
        let wanted = self.wanted_ticks.iter().filter(move |_| is_replaced);
        let wanted = wanted.map(|tick| Config::tick(*tick));
        own.chain(wanted).filter(move |tick| *tick > since)
    }

    /// The generation of a schedule.
    pub fn generation_of(&self, schedule: Option<ScheduleId>) -> u32 {
        match schedule {
            Some(ScheduleId(2)) => self.other_generation,
            _ => 0,
        }
    }

    /// The ticks of a schedule.
    pub fn ticks_of(&self, schedule: Option<ScheduleId>) -> impl Iterator<Item = TickMs> + '_ {
        let ticks = match schedule {
            Some(ScheduleId(2)) => &self.other_ticks,
            _ => &self.ticks,
        };
        ticks.iter().map(|tick| Config::tick(*tick))
    }

    /// The lease of the job on a node.
    pub fn lease_ms(&self, node: usize) -> i64 {
        match node {
            0 => self.first_lease * QUARTER_MS,
            _ => LEASE_MS,
        }
    }

    /// How long the other job of a node may have to wait after a loss of memory, or this one.
    pub fn quarantine_ms(&self, node: usize) -> i64 {
        self.lease_ms(node).max(self.other_lease * QUARTER_MS) + MARGIN_MS
    }

    /// The job's only unit.
    pub fn unit() -> UnitName {
        UnitName::new("job", 0)
    }
}

/// Which due ticks a node may leave to others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Leaves {
    /// None: it claims each.
    Nothing,
    /// Any, until a heartbeat says that the unit is unclaimed.
    UntilUnclaimed,
    /// Any, for any time: nothing is promised of when they are decided.
    Everything,
}

/// How often each of these may happen in one history.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Faults {
    /// A node dies.
    pub crashes: u8,
    /// A dead node is started again: another identity, and it has seen nothing.
    pub restarts: u8,
    /// A node stands still: its clock goes on, it does nothing, for any time.
    pub pauses: u8,
    /// A node does not reach the store, for any time.
    pub cuts: u8,
    /// A request is late or lost: it is executed at any later time, or never.
    pub late_requests: u8,
    /// An answer is late or lost.
    pub late_replies: u8,
    /// A copy of a request arrives at any later time.
    pub copies: u8,
    /// The store loses the newest of its acknowledged writes, and another
    /// process serves.
    pub failovers: u8,
    /// How many changes a failover may lose.
    pub lost_writes: usize,
    /// The store loses everything; the same process serves.
    pub flushes: u8,
    /// The clock of the store is set.
    pub jumps: u8,
    /// An operator pauses the job, or resumes it: no fault, but as unforeseen.
    pub directives: u8,
    /// An operator puts another schedule in the place of that in the code, or that one back.
    pub reschedules: u8,
    /// Somebody sees that no living node has the job, and later registers it with no schedule.
    pub gone: u8,
    /// An operator forgets the job, or takes marks back.
    pub forgets: u8,
    /// Somebody asks for a run, each time with the same id.
    pub asks: u8,
    /// An operator cancels a run that has started, whatever became of it meanwhile.
    pub cancels: u8,
}

impl Faults {
    /// Nothing goes wrong.
    pub const NONE: Faults = Faults {
        crashes: 0,
        restarts: 0,
        pauses: 0,
        cuts: 0,
        late_requests: 0,
        late_replies: 0,
        copies: 0,
        failovers: 0,
        lost_writes: 0,
        flushes: 0,
        jumps: 0,
        directives: 0,
        asks: 0,
        cancels: 0,
        reschedules: 0,
        gone: 0,
        forgets: 0,
    };
}

/// What protects runs: of a node, but for the last ones, which are the store's. Each can be taken away, to see that the
/// model notices.
#[derive(Clone, Copy, Debug)]
pub struct Guards {
    /// The boot clock is held against the deadline before each poll.
    pub poll_check: bool,
    /// Leases count from before the request was sent, not from its answer.
    pub counted_from_sending: bool,
    /// A run is written off only when it was seen to stand still.
    pub observed_takeover: bool,
    /// Requests carry what the node saw decided.
    pub bounds: bool,
    /// All units are registered again when the store may have forgotten.
    pub registers_again: bool,
    /// Requests say until when they are valid.
    pub valid_until: bool,
    /// A repeated claim is the same claim.
    pub same_nonce: bool,
    /// A run that has ended is not renewed any more.
    pub ended_is_not_renewed: bool,
    /// The next attempt waits until the one before is recorded.
    pub waits_for_recorded: bool,
    /// Nothing is claimed for a lease after the store's clock was set.
    pub pauses_after_jump: bool,
    /// A registration states the lease.
    pub states_lease: bool,
    /// A registration repeats which schedule the node saw decide.
    pub tells_schedule: bool,
    /// Directives are repeated to a store that forgot them.
    pub repeats_directives: bool,
    /// The registration of a lane has the requests that the node was granted.
    pub remembers_requests: bool,
    /// The store knows which requests it was asked for.
    pub knows_ids: bool,
    /// A claim of a unit whose lane may have a run takes that into account.
    pub brings_lane: bool,
    /// Who registers a job as gone names the registration that was looked at.
    pub names_looked: bool,
    /// A claim says with which directives it was planned.
    pub names_version: bool,
    /// A cancel is for one token.
    pub names_token: bool,
    /// No job is forgotten that a living node has.
    pub forget_sees_nodes: bool,
    /// No job is forgotten of which a run may go on.
    pub forget_sees_runs: bool,
    /// No job is forgotten in a quarantine.
    pub forget_waits: bool,
    /// Who forgets a job names the description that was looked at.
    pub names_described: bool,
    /// A node registers again when the store did not know that it has the job.
    pub registers_unseen: bool,
    /// A node claims what heartbeats call unclaimed, whichever node the unit prefers.
    pub adopts_unclaimed: bool,
    /// A claim says when the next tick is due.
    pub claims_name_next: bool,
    /// And so does a registration.
    pub registrations_name_next: bool,
}

impl Default for Guards {
    fn default() -> Self {
        Guards {
            poll_check: true,
            counted_from_sending: true,
            observed_takeover: true,
            bounds: true,
            registers_again: true,
            valid_until: true,
            same_nonce: true,
            ended_is_not_renewed: true,
            waits_for_recorded: true,
            pauses_after_jump: true,
            states_lease: true,
            tells_schedule: true,
            repeats_directives: true,
            remembers_requests: true,
            knows_ids: true,
            brings_lane: true,
            names_looked: true,
            names_version: true,
            names_token: true,
            forget_sees_nodes: true,
            forget_sees_runs: true,
            forget_waits: true,
            names_described: true,
            registers_unseen: true,
            adopts_unclaimed: true,
            claims_name_next: true,
            registrations_name_next: true,
        }
    }
}
