//! Compares what was observed of a cluster with the rules of the protocol. Pure: a history in, violations out.
//!
//! | rule | says |
//! | --- | --- |
//! | S1 | one start for each tick and attempt, and no more attempts than the policies allow |
//! | S2 | runs of a unit do not overlap (with `allow(n)`: at most `n` do); the end of a run is its last poll |
//! | S3 | fencing tokens increase in the order of grants, which is that of starts where runs do not overlap |
//! | S4 | no poll after the deadline of the lease |
//! | S5 | no tick starts after a later one has started |
//! | S6 | a sink that rejects lower tokens accepts an increasing sequence, and rejects no run that was not replaced |
//! | S7 | nothing of the schedule is granted between the reply to `pause` and the request `resume` |
//! | S8 | of a unit, the id of a request starts once, but for the attempts that the policies allow |
//! | S9 | a cancel stops only the run whose token it names |
//! | C1 | a later change of a directive has a higher version |
//! | E1 | every tick ends in one outcome, and in the one that its run saw; none is lost or missed without a cause |
//! | E2 | the same of every request that the store took |
//! | schedule | each run of a schedule is of a tick of the one that was in force when the tick was due |
//! | L | after a fault the next due tick starts within the promised time |
//!
//! An observer relies only on what it saw: what failed or was not acknowledged may have happened, at any later time.
//! A process that was killed ends at its last event; a paused one is not running; a write to the sink whose reply is
//! missing may be accepted later.
//!
//! ```
//! use scheduled_one_testkit::checker::{Event, EventKind, History, Rule};
//!
//! let start = |at_us, node: &str, token| Event {
//!     kind: EventKind::Start,
//!     at_us,
//!     node: node.to_owned(),
//!     job: "mail".to_owned(),
//!     tick_ms: 60_000,
//!     token,
//!     ..Event::default()
//! };
//! let mut history = History {
//!     events: vec![start(60_000_120, "a", 7)],
//!     ..History::default()
//! };
//! assert_eq!(history.check(), []);
//!
//! history.events.push(start(60_000_480, "b", 8));
//! let violations = history.check();
//! assert_eq!(violations[0].rule, Rule::S1);
//! println!("{:#}", violations[0]); // with the events around it
//! ```

mod audit;
mod directives;
mod event;
mod expectation;
mod fault;
mod job;
mod violation;

mod runs;

mod effects;
mod outcomes;
mod polls;
mod requests;
mod schedules;
mod starts;
mod timeline;

#[cfg(test)]
mod testing;

pub use audit::{Audit, AuditTick, LedgerLine, TickStatus};
pub use directives::Directed;
pub use event::{Deadline, Event, EventKind};
pub use expectation::{Expectation, Expected};
pub use fault::{FaultKind, FaultWindow, Tolerance};
pub use job::JobRules;
pub use requests::{CancelRequested, Requested};
pub use schedules::InForce;
pub use timeline::Note;
pub use violation::{Rule, Violation};

use runs::Observed;

/// All that was observed of a cluster.
///
/// Times (`*_us`) are microseconds of one clock that all observers share, such as the boot clock of a machine or the
/// virtual clock of a simulation. Ticks (`*_ms`) are milliseconds since the Unix epoch. Build it with
/// `..History::default()`: fields may be added.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// What the jobs were promised; a job that is not listed has default policies.
    pub jobs: Vec<JobRules>,
    /// What runs and sink recorded, in any order; of one instant, in the order of decisions.
    pub events: Vec<Event>,
    /// What operators wanted, as far as it was acknowledged.
    pub directives: Vec<Directed>,
    /// The runs that somebody asked for, whether or not the reply came.
    pub requests: Vec<Requested>,
    /// The runs that somebody asked to cancel, whether or not the reply came.
    pub cancels: Vec<CancelRequested>,
    /// The schedules of jobs, those of one job in the order of time; of a job that is not listed, nothing is known.
    pub schedules: Vec<InForce>,
    /// What was done to the cluster, and so excuses something.
    pub faults: Vec<FaultWindow>,
    /// What the store said of ticks in the end; each element is one look at one job.
    pub audits: Vec<Audit>,
    /// What had to happen after a fault.
    pub expectations: Vec<Expectation>,
    /// Lines of logs, for timelines.
    pub notes: Vec<Note>,
    /// How much of a run the events show.
    pub detail: Detail,
    /// The shared clock minus the clock of ticks, if that is constant. Else the events show when a tick was due.
    pub tick_offset_us: Option<i64>,
    /// Bounds of what faults excuse.
    pub tolerance: Tolerance,
}

/// How much of a run the events show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Detail {
    /// Each start, and how its function ended.
    #[default]
    Runs,
    /// Starts, and nothing of what came later.
    Starts,
}

impl History {
    /// All violations, oldest first, each with its timeline. Empty is good.
    pub fn check(&self) -> Vec<Violation> {
        let observed = Observed::new(self);
        let mut found = observed.incomplete();
        found.extend(starts::violations(&observed));
        found.extend(schedules::violations(&observed));
        found.extend(directives::violations(&observed));
        found.extend(requests::violations(&observed));
        found.extend(polls::violations(&observed));
        found.extend(effects::violations(&observed));
        found.extend(outcomes::violations(&observed));
        found.extend(expectation::violations(&observed));
        found.sort_by_key(|violation| violation.at_us);
        for violation in &mut found {
            violation.timeline = timeline::around(&observed, &violation.job, violation.at_us);
        }
        found
    }

    /// A violation of a rule of the caller's own, with its timeline.
    pub fn violation(&self, rule: Rule, job: &str, at_us: u64, what: String) -> Violation {
        let observed = Observed::new(self);
        Violation {
            timeline: timeline::around(&observed, job, at_us),
            ..Violation::new(rule, job, at_us, what)
        }
    }
}
