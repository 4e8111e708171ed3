//! The history of a state: the events that the promises refer to.

use scheduled_one_protocol::message::RunId;
use scheduled_one_protocol::{DecidingSchedule, FencingToken, ScheduleOverride, Start, TickMs};

/// The first poll of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FirstPoll {
    /// The tick.
    pub tick: TickMs,
    /// The attempt.
    pub attempt: u32,
    /// The fencing token.
    pub token: FencingToken,
    /// It is the run of a request, and its tick is one of the lane.
    pub in_lane: bool,
}

impl FirstPoll {
    fn start(&self) -> Start {
        Start {
            tick: self.tick,
            attempt: self.attempt,
        }
    }
}

/// The start of a run, in the attempt that it is at.
pub(crate) fn start_of(run: &RunId) -> Start {
    Start {
        tick: run.tick,
        attempt: run.attempt,
    }
}

/// Starts, in their order; and what may excuse one that should not be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct History {
    /// All starts.
    pub starts: Vec<FirstPoll>,
    /// An acknowledged start that the store lost, and that no node has registered since.
    pub loss: Option<Loss>,
    /// The same of a request.
    pub loss_in_lane: Option<Loss>,
    /// The store lost a start, and no node that saw the start reached the store within the quarantine: the promises do
    /// not hold in such a history.
    pub excused: bool,
    /// When the quarantine of the node with the shortest lease was over, a node had a run with a longer lease and had
    /// not registered since the loss: nobody knew of that lease, and runs may overlap.
    pub unstated: bool,
    /// The schedule that was registered last, by the start of a node.
    pub schedule: Option<DecidingSchedule>,
    /// Two schedules were registered in one instant.
    pub schedule_is_open: bool,
    /// A tick was granted to another schedule, or one from before its schedule decided.
    pub wrong_schedule: bool,
    /// How many starts there were when the job was registered as gone.
    pub gone_at: Option<usize>,
    /// The schedule that an operator wants in the place of that in the code, or that one again.
    pub wanted: Option<Wanted>,
    /// A claim decided a tick that is none of the schedule that operators want.
    pub wrong_tick: bool,
    /// How many starts there were when the job was forgotten.
    pub forgotten_at: Option<usize>,
    /// When that was, if no node was up.
    pub forgotten_ms: Option<i64>,
    /// A tick from before that was decided later.
    pub from_before: bool,
    /// The highest token of a start that does not count any more, because marks were taken back.
    pub dropped: Option<FencingToken>,
    /// A later start had no higher one.
    pub token_fell: bool,
    /// The version of the pause that an operator was given and has not ended.
    pub pause: Option<u64>,
    /// The store lost that pause, and no living node has read it: it does not hold any more.
    pub pause_is_lost: bool,
    /// A tick was granted in the pause.
    pub granted_in_pause: bool,
    /// A request did something that was under way for longer than it is valid.
    pub revived: bool,
    /// The tick of the request for a run that the store took, as long as it kept what it acknowledged.
    pub asked: Option<TickMs>,
    /// The tokens of the runs that an operator had cancelled.
    pub cancelled: Vec<FencingToken>,
    /// A run was cancelled whose token nobody named.
    pub cancelled_another: bool,
    /// A due tick that is undecided although nothing is in the way, and for how many quarters.
    pub undecided: Option<(TickMs, u8)>,
    /// The same while the unit has a run whose lease is over.
    pub undecided_behind_run: Option<(TickMs, u8)>,
    /// That was too long.
    pub too_late: bool,
}

/// A schedule that an operator wants.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Wanted {
    /// The version of the directive.
    pub version: u64,
    /// What was asked for.
    pub schedule: ScheduleOverride,
    /// The store lost it, and no living node has read it: it does not hold any more.
    pub is_lost: bool,
}

/// What the store lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Loss {
    /// The newest start.
    pub newest: FirstPoll,
    /// A node that saw it was up and reached the store since.
    pub witnessed: bool,
}

impl Loss {
    /// Whether a watermark with this token and attempt includes the lost start. Of a lane, the token says nothing: a
    /// run of the unit may have it.
    pub fn is_known(&self, token: FencingToken, start: Option<Start>) -> bool {
        let newest = &self.newest;
        let attempts = start >= Some(newest.start());
        if newest.in_lane {
            return attempts;
        }
        token > newest.token || (token == newest.token && (attempts || newest.attempt == 1))
    }
}

impl History {
    /// Notes a start; returns which it is.
    pub fn start(&mut self, run: &RunId) -> usize {
        self.token_fell |= Some(run.token) <= self.dropped;
        self.starts.push(FirstPoll {
            tick: run.tick,
            attempt: run.attempt,
            token: run.token,
            in_lane: run.unit.is_lane(),
        });
        self.starts.len() - 1
    }

    /// Ticks after that instant may start again, each with a higher token.
    pub fn take_back(&mut self, now_ms: i64) {
        self.drop_starts(|start| !start.in_lane && start.tick.ms() > now_ms);
        self.schedule = None;
    }

    /// Requests may start again, each with a higher token.
    pub fn drop_requests(&mut self) {
        self.drop_starts(|start| start.in_lane);
    }

    fn drop_starts(&mut self, drops: impl Fn(&FirstPoll) -> bool) {
        let dropped = self.starts.iter().filter(|start| drops(start));
        self.dropped = dropped.map(|start| start.token).max().max(self.dropped);
        self.starts.retain(|start| !drops(start));
    }

    /// The starts of the schedule, or those of requests.
    fn starts_of(&self, in_lane: bool) -> Vec<Start> {
        let starts = self.starts.iter().filter(|poll| poll.in_lane == in_lane);
        starts.map(FirstPoll::start).collect()
    }

    /// S1: one start for each tick and attempt.
    pub fn starts_once(&self) -> bool {
        let starts = self.starts_of(false);
        !(0..starts.len()).any(|n| starts[..n].contains(&starts[n]))
    }

    /// S8: one start for each attempt at the request: all that are asked for have one id.
    pub fn id_starts_once(&self) -> bool {
        let starts = self.starts_of(true);
        let again = |n: usize| {
            let mut before = starts[..n].iter();
            before.any(|start| start.attempt == starts[n].attempt)
        };
        !(0..starts.len()).any(again)
    }

    /// S3: tokens increase; the attempts of a run share one.
    pub fn tokens_increase(&self) -> bool {
        !self.token_fell
            && self.starts.windows(2).all(|pair| {
                let retry = pair[0].token == pair[1].token
                    && pair[0].tick == pair[1].tick
                    && pair[0].attempt < pair[1].attempt;
                retry || pair[0].token < pair[1].token
            })
    }

    /// S5: no tick after a later one, and of the same only a further attempt.
    pub fn in_order(&self) -> bool {
        let ordered = |in_lane| self.starts_of(in_lane).is_sorted();
        ordered(false) && ordered(true)
    }
}
