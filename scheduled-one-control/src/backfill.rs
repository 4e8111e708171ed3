//! Backfills: ticks of the past run once more. The nodes drive them, so that they go on when whoever asked is gone.

mod only;
mod state;

use std::collections::BTreeSet;
use std::future::{Future, IntoFuture};
use std::ops::Range;
use std::pin::Pin;
use std::time::SystemTime;

use scheduled_one_protocol::message::{Cause, MAX_ACTOR_BYTES, MAX_NOTE_BYTES, OnBusy};
use scheduled_one_protocol::{
    Backfill, Directive, MAX_BACKFILL_RANGES, MAX_BACKFILL_TICKS, ScheduleId,
};
use scheduled_one_schedule::Schedule;

use crate::accounts::Accounts;
use crate::audit::MAX_TICKS;
use crate::catalog::{instant, ms};
use crate::control::Control;
use crate::error::Error;
use crate::handle::is_end;

pub use only::BackfillOnly;
pub use state::BackfillState;
use state::conflict;

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
}

/// What a backfill runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BackfillPlan {
    /// The ticks with their shards (0 if the job has none), in the order in which they run.
    pub ticks: Vec<(SystemTime, u32)>,
    /// The version of the directive; 0 of a dry run, and if there is nothing to run.
    pub version: u64,
}

/// The ticks of a backfill with their shards, in the order in which they run.
pub fn ticks(backfill: &Backfill, schedule: &Schedule) -> Vec<(i64, u32)> {
    let of_range = |(shard, range): &(u32, Range<i64>)| {
        let (shard, range) = (*shard, range.clone());
        let ticks = schedule.matching(range).take(MAX_BACKFILL_TICKS as usize);
        ticks
            .map(move |tick_ms| (tick_ms, shard))
            .collect::<Vec<_>>()
    };
    let mut ticks: Vec<(i64, u32)> = backfill.ranges.iter().flat_map(of_range).collect();
    ticks.sort_unstable();
    if backfill.newest_first {
        ticks.reverse();
    }
    ticks
}

impl Control {
    /// Runs ticks of a job in a range of time, its end left out, once more: by default those that were missed. Each
    /// is a request for a run in the lane of the job, with the cause `backfill` and the tick as `scheduled_at`, whose
    /// id follows from the tick: however often a backfill is asked for, no tick runs twice.
    ///
    /// The nodes that have the job carry it out, and it goes on when whoever asked is gone. Ticks of the schedule go
    /// first: by default no run of the backfill starts while the job is busy, and none that would not be over before
    /// the next tick, as far as the runs before tell.
    ///
    /// A job has one backfill at a time.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownJob`]; [`Error::Argument`]: more than 5,000 ticks, or ticks in more than 200 stretches;
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
        let (backfill, schedule) = self.planned().await?;
        Ok(plan(&backfill, &schedule, 0))
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
        if self.by.len() > MAX_ACTOR_BYTES {
            return refuse("by", "longer than 128 bytes".to_owned());
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
        let to_ms = to_ms.min(accounts.now_ms + 1);
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

    /// The ticks that are wanted, with their shards, without those that a backfill has run before.
    fn wanted(&self, accounts: &Accounts, range: Range<i64>) -> BTreeSet<(i64, u32)> {
        let lines = accounts.input.lines.iter();
        let done = lines.filter(|line| line.cause == Some(Cause::Backfill) && is_end(line));
        let done: BTreeSet<(i64, u32)> = done
            .map(|line| (line.tick.ms(), line.unit.shard()))
            .collect();
        let audited = accounts.audit(range.clone());
        let known: BTreeSet<(i64, u32)> = audited
            .iter()
            .map(|tick| (ms(tick.tick), tick.shard))
            .collect();
        let found = audited.iter().filter(|tick| self.only.wants(tick.status));
        let found = found.map(|tick| (ms(tick.tick), tick.shard));
        let shards: Vec<(u32, i64)> = accounts
            .input
            .units
            .iter()
            .map(|(shard, state)| (*shard, state.first_seen_ms))
            .collect();
        let unseen = self.only.wants_unseen().then(|| {
            let ticks = accounts.schedule.matching(range);
            ticks.flat_map(move |tick_ms| {
                let before = shards.clone().into_iter();
                before
                    .filter(move |(_, first_seen_ms)| tick_ms <= *first_seen_ms)
                    .map(move |(shard, _)| (tick_ms, shard))
            })
        });
        let unseen = unseen
            .into_iter()
            .flatten()
            .filter(|tick| !known.contains(tick));
        found
            .chain(unseen)
            .filter(|tick| !done.contains(tick))
            .collect()
    }

    async fn begin(self) -> Result<BackfillPlan, Error> {
        let subject = self.control.checked_subject(&self.job).await?;
        let (backfill, schedule) = self.planned().await?;
        if backfill.total == 0 {
            return Ok(BackfillPlan::default());
        }
        let changed = self
            .control
            .set_backfill(&subject, "backfill", |stored, now_ms| {
                if stored.backfill.as_ref().is_some_and(Backfill::is_open) {
                    return Err(conflict(&subject, stored.clone()));
                }
                Ok(Some(Directive {
                    changed_at_ms: now_ms,
                    by: self.by.clone(),
                    note: self.note.clone(),
                    backfill: Some(backfill.clone()),
                    ..Directive::default()
                }))
            });
        let version = changed.await?.unwrap_or_default();
        Ok(plan(&backfill, &schedule, version))
    }
}

fn plan(backfill: &Backfill, schedule: &Schedule, version: u64) -> BackfillPlan {
    let ticks = ticks(backfill, schedule).into_iter();
    BackfillPlan {
        ticks: ticks
            .map(|(tick_ms, shard)| (instant(tick_ms), shard))
            .collect(),
        version,
    }
}

/// Ranges that have these ticks of the schedule and no others.
fn stretches(
    wanted: &BTreeSet<(i64, u32)>,
    accounts: &Accounts,
    range: Range<i64>,
) -> Vec<(u32, Range<i64>)> {
    let mut ranges: Vec<(u32, Range<i64>)> = Vec::new();
    for (shard, _) in &accounts.input.units {
        let mut goes_on = false;
        for tick_ms in accounts.schedule.matching(range.clone()) {
            let is_wanted = wanted.contains(&(tick_ms, *shard));
            match ranges.last_mut() {
                Some((_, last)) if is_wanted && goes_on => last.end = tick_ms + 1,
                _ if is_wanted => ranges.push((*shard, tick_ms..tick_ms + 1)),
                _ => {}
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
