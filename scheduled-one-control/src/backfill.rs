//! Backfills: ticks of the past run once more. The nodes drive them, so that they go on when whoever asked is gone.

mod only;
mod state;

use std::collections::{BTreeMap, BTreeSet};
use std::future::{Future, IntoFuture};
use std::ops::Range;
use std::pin::Pin;
use std::time::SystemTime;

use scheduled_one_protocol::message::{Cause, MAX_ACTOR_BYTES, MAX_NOTE_BYTES, OnBusy};
use scheduled_one_protocol::{
    Backfill, BackfillRange, Directive, LedgerRecord, MAX_BACKFILL_RANGES, MAX_BACKFILL_TICKS,
    Outcome, ScheduleId,
};
use scheduled_one_schedule::Schedule;

use crate::accounts::Accounts;
use crate::audit::MAX_TICKS;
use crate::catalog::{instant, ms};
use crate::change::Change;
use crate::control::Control;
use crate::error::Error;
use crate::handle::is_end;
use crate::rights::Action;

pub use only::BackfillOnly;
pub use state::BackfillState;

/// Most requests of a backfill that wait or run at the same time.
const MAX_AT_A_TIME: u32 = 200;

/// A backfill; awaiting it begins it. When it has returned, the nodes that have the job carry it out: they ask for its
/// ticks, a few at a time.
///
/// Cancel safety: if the future is dropped, the backfill may have begun or not. Asking again is safe.
#[derive(Clone, Debug)]
#[must_use = "nothing happens until it is awaited"]
pub struct BackfillJob {
    control: Control,
    job: String,
    range: Range<SystemTime>,
    only: BackfillOnly,
    newest_first: bool,
    at_a_time: u32,
    on_busy: OnBusy,
    by: String,
    note: String,
    /// Also while older nodes live.
    pub(crate) is_forced: bool,
}

/// What a backfill runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BackfillPlan {
    /// The ticks with their shards (0 if the job has none), in the order in which they run.
    pub ticks: Vec<(SystemTime, u32)>,
    /// The version of the directive; 0 of a dry run, and if there is nothing to run.
    pub version: u64,
    /// No living node runs the job: what is asked for waits until one does.
    pub waits_for_node: bool,
    /// The ticks, as the directive has them.
    ranges: Vec<BackfillRange>,
}

/// A tick of a backfill.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PlannedTick {
    /// The tick, ms.
    pub tick_ms: i64,
    /// Its shard, 0 if the job has none.
    pub shard: u32,
    /// How often it ran in backfills before, and did not end well.
    pub again: u32,
}

/// The ticks of a backfill, in the order in which they run.
pub fn ticks(backfill: &Backfill, schedule: &Schedule) -> Vec<PlannedTick> {
    let of_range = |range: &BackfillRange| {
        let (shard, again) = (range.shard, range.again);
        let ticks = schedule.matching(range.ticks.clone());
        let planned = move |tick_ms| PlannedTick {
            tick_ms,
            shard,
            again,
        };
        let ticks = ticks.take(MAX_BACKFILL_TICKS as usize);
        ticks.map(planned).collect::<Vec<_>>()
    };
    let mut ticks: Vec<PlannedTick> = backfill.ranges.iter().flat_map(of_range).collect();
    ticks.sort_unstable();
    if backfill.newest_first {
        ticks.reverse();
    }
    ticks
}

impl Control {
    /// Runs ticks of a job in a range of time, its end left out, once more: by default those that were missed. Each
    /// is a request for a run in the lane of the job, with the cause `backfill` and the tick as `scheduled_at`, whose
    /// id follows from the tick: however often a backfill is asked for, no tick runs twice. Only one whose run did not
    /// end well runs again when it is asked for again.
    ///
    /// The ticks are those of the schedule in force: of one that another took the place of, they are not run.
    ///
    /// The nodes that have the job carry it out, and it goes on when whoever asked is gone. Ticks of the schedule go
    /// first: by default no run of the backfill starts while the job is busy, and none that would not be over before
    /// the next tick, as far as the runs before tell.
    ///
    /// A job has one backfill at a time. In the first 3 s after the store forgot everything, it waits for what living
    /// nodes repeat.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownJob`]; [`Error::OlderNodes`]; [`Error::Argument`]: more than 5,000 ticks, or ticks in more
    /// than 200 stretches;
    /// [`Error::Conflict`]: another backfill of the job goes on; [`Error::Schedule`], [`Error::Store`].
    pub fn backfill(&self, job: impl Into<String>, range: Range<SystemTime>) -> BackfillJob {
        BackfillJob {
            control: self.clone(),
            job: job.into(),
            range,
            only: BackfillOnly::default(),
            newest_first: false,
            at_a_time: 10,
            on_busy: OnBusy::Wait,
            by: String::new(),
            note: String::new(),
            is_forced: false,
        }
    }
}

impl BackfillJob {
    /// Which ticks of the range. Default: those that were missed.
    pub fn only(mut self, only: BackfillOnly) -> Self {
        self.only = only;
        self
    }

    /// The newest tick first. Default: the oldest.
    pub fn newest_first(mut self) -> Self {
        self.newest_first = true;
        self
    }

    /// How many of its requests wait or run at the same time, 1 to 200. Requests of one job run one after the other, of
    /// each shard on its own. Default: 10.
    pub fn at_a_time(mut self, requests: u32) -> Self {
        self.at_a_time = requests;
        self
    }

    /// What its requests do while the job is busy. Default: they wait. With [`OnBusy::Allow`], runs of the backfill and
    /// of the schedule do not wait for each other.
    pub fn on_busy(mut self, on_busy: OnBusy) -> Self {
        self.on_busy = on_busy;
        self
    }

    /// Who asks for it, at most 128 bytes; the ledger has it.
    pub fn by(mut self, by: impl Into<String>) -> Self {
        self.by = by.into();
        self
    }

    /// Why, at most 1,024 bytes.
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    /// The ticks that it would run now. Nothing is changed.
    ///
    /// # Errors
    ///
    /// As those of [`Control::backfill`], but for a conflict.
    pub async fn dry_run(&self) -> Result<BackfillPlan, Error> {
        let control = &self.control;
        control.check_right(Action::Backfill, &self.job).await?;
        let (backfill, schedule) = self.planned().await?;
        let waits = self.waits_for_node().await;
        Ok(plan(&backfill, &schedule, 0, waits))
    }

    async fn planned(&self) -> Result<(Backfill, Schedule), Error> {
        let refuse = |argument, message: String| Err(Error::Argument { argument, message });
        let (from_ms, to_ms) = (ms(self.range.start), ms(self.range.end));
        if from_ms >= to_ms {
            let message = "the range is empty: its beginning is in it, and its end is not";
            return refuse("range", message.to_owned());
        }
        if !(1..=MAX_AT_A_TIME).contains(&self.at_a_time) {
            let message = format!("{}; 1 to {MAX_AT_A_TIME} are allowed", self.at_a_time);
            return refuse("at_a_time", message);
        }
        // As in the requests for the runs, which are refused otherwise.
        if self.by.len() > MAX_ACTOR_BYTES || self.by.contains(char::is_control) {
            let message = "longer than 128 bytes, or with a control character";
            return refuse("by", message.to_owned());
        }
        if self.note.len() > MAX_NOTE_BYTES {
            return refuse("note", "longer than 1,024 bytes".to_owned());
        }
        let (known, _) = self.control.cataloged(&self.job).await?;
        self.control.check_decides(&self.job, &known).await?;
        let accounts = self.control.accounts(&self.job).await?;
        if accounts.input.units.is_empty() {
            let message = "each node runs the job by itself (`scope = every_node`), and nobody can ask for a run of it";
            return refuse("job", message.to_owned());
        }
        let to_ms = to_ms.min(accounts.to_ms.saturating_add(1));
        let in_range = accounts.schedule.matching(from_ms..to_ms);
        if in_range.take(MAX_TICKS + 1).count() > MAX_TICKS {
            let message = format!(
                "it has more than {MAX_TICKS} ticks of {}; take a part of it",
                self.job
            );
            return refuse("range", message);
        }
        let wanted = self.wanted(&accounts, from_ms..to_ms);
        let ranges = stretches(&wanted, &accounts, from_ms..to_ms);
        let (total, many) = (wanted.len() as u64, ranges.len());
        if total > MAX_BACKFILL_TICKS {
            let message = format!(
                "{total} ticks: a backfill has at most {MAX_BACKFILL_TICKS}; take a part of the range, and the rest afterwards"
            );
            return refuse("range", message);
        }
        if many > MAX_BACKFILL_RANGES {
            let message = format!(
                "its ticks are in {many} stretches, with others between them: a backfill has at most \
                 {MAX_BACKFILL_RANGES}; take a part of the range, and the rest afterwards"
            );
            return refuse("range", message);
        }
        let backfill = Backfill {
            schedule: ScheduleId(accounts.schedule.identity().as_u64()),
            ranges,
            newest_first: self.newest_first,
            at_a_time: self.at_a_time,
            on_busy: self.on_busy,
            total,
            asked: 0,
            ended: String::new(),
        };
        Ok((backfill, accounts.schedule))
    }

    /// The ticks that are wanted, with their shards, without those that a backfill or a rerun has run well; each with
    /// how often it ran in a backfill before.
    fn wanted(&self, accounts: &Accounts, range: Range<i64>) -> BTreeMap<(i64, u32), u32> {
        let key = |line: &LedgerRecord| (line.tick.ms(), line.unit.shard());
        let mut done = BTreeSet::new();
        let mut again: BTreeMap<(i64, u32), u32> = BTreeMap::new();
        let ends = accounts.input.lines.iter().filter(|line| is_end(line));
        for line in ends {
            match line.cause {
                Some(Cause::Backfill | Cause::Rerun) if line.outcome == Outcome::Ok => {
                    done.insert(key(line));
                }
                Some(Cause::Backfill) => {
                    let before = Backfill::again_of(&line.request).unwrap_or_default();
                    let again = again.entry(key(line)).or_default();
                    *again = before.saturating_add(1).max(*again);
                }
                _ => {}
            }
        }
        let audited = accounts.in_force(range.clone());
        let found = audited.iter().filter(|tick| self.only.wants(tick.status));
        let found = found.map(|tick| (ms(tick.tick), tick.shard));
        let unseen = self.only.wants_unseen().then(|| unseen(accounts, range));
        found
            .chain(unseen.into_iter().flatten())
            .filter(|tick| !done.contains(tick))
            .map(|tick| (tick, again.get(&tick).copied().unwrap_or_default()))
            .collect()
    }

    async fn begin(self) -> Result<BackfillPlan, Error> {
        let authorized = self.control.authorize(Action::Backfill, &self.job).await?;
        let subject = self.control.checked_subject(&self.job).await?;
        let (backfill, schedule) = self.planned().await?;
        if backfill.total == 0 {
            return Ok(BackfillPlan::default());
        }
        let change = Change {
            subject: &subject,
            action: "backfill",
            expect: None,
            is_forced: self.is_forced,
        };
        let changed = self.control.make(authorized, &change, |stored, now_ms, _| {
            if stored.backfill.as_ref().is_some_and(Backfill::is_open) {
                return Err(change.conflict(stored.clone(), now_ms));
            }
            Ok(Some(Directive {
                changed_at_ms: now_ms,
                by: self.by.clone(),
                note: self.note.clone(),
                asked_by: self.by.clone(),
                asked_note: self.note.clone(),
                backfill: Some(backfill.clone()),
                ..Directive::default()
            }))
        });
        let (changed, _) = changed.await?;
        let waits = self.waits_for_node().await;
        Ok(plan(&backfill, &schedule, changed.version, waits))
    }

    /// A look that fails says nothing: it is no reason to fail.
    async fn waits_for_node(&self) -> bool {
        let has_node = self.control.is_run_somewhere(&self.job).await;
        has_node.is_ok_and(|has_node| !has_node)
    }
}

/// The ticks from before each unit was first seen, with their shards. A tick that ran is none of them, whatever the
/// store says of the unit; one that only backfills ran is.
fn unseen(accounts: &Accounts, range: Range<i64>) -> impl Iterator<Item = (i64, u32)> + '_ {
    let lines = accounts.input.lines.iter();
    let ran = lines.filter(|line| line.cause.is_none() && line.fired_at_ms.is_some());
    let ran: BTreeSet<(i64, u32)> = ran
        .map(|line| (line.tick.ms(), line.unit.shard()))
        .collect();
    let of_shard = move |(shard, born_ms): (&u32, &i64)| {
        let end_ms = range.end.min(born_ms.saturating_add(1));
        let ticks = accounts.schedule.matching(range.start..end_ms);
        let shard = *shard;
        ticks.map(move |tick_ms| (tick_ms, shard))
    };
    let ticks = accounts.born_ms.iter().flat_map(of_shard);
    ticks.filter(move |tick| !ran.contains(tick))
}

fn plan(
    backfill: &Backfill,
    schedule: &Schedule,
    version: u64,
    waits_for_node: bool,
) -> BackfillPlan {
    let ticks = ticks(backfill, schedule).into_iter();
    BackfillPlan {
        ticks: ticks
            .map(|tick| (instant(tick.tick_ms), tick.shard))
            .collect(),
        version,
        waits_for_node,
        ranges: backfill.ranges.clone(),
    }
}

/// Ranges that have these ticks of the schedule and no others.
fn stretches(
    wanted: &BTreeMap<(i64, u32), u32>,
    accounts: &Accounts,
    range: Range<i64>,
) -> Vec<BackfillRange> {
    let mut ranges: Vec<BackfillRange> = Vec::new();
    for (shard, _) in &accounts.input.units {
        let mut goes_on = None;
        for tick_ms in accounts.schedule.matching(range.clone()) {
            let is_wanted = wanted.get(&(tick_ms, *shard)).copied();
            match (ranges.last_mut(), is_wanted) {
                (Some(last), Some(_)) if goes_on == is_wanted => last.ticks.end = tick_ms + 1,
                (_, Some(again)) => ranges.push(BackfillRange {
                    shard: *shard,
                    ticks: tick_ms..tick_ms + 1,
                    again,
                }),
                (_, None) => {}
            }
            goes_on = is_wanted;
        }
    }
    ranges
}

impl IntoFuture for BackfillJob {
    type Output = Result<BackfillPlan, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.begin())
    }
}
