//! Backfills: ticks of the past run once more. The nodes drive them, so that they go on when whoever asked is gone.

use std::collections::BTreeSet;
use std::future::{Future, IntoFuture};
use std::ops::Range;
use std::pin::Pin;
use std::time::SystemTime;

use scheduled_one_protocol::message::{Cause, Changed, ControlRequest, DirectiveChange, OnBusy};
use scheduled_one_protocol::{
    Backfill, Directive, MAX_BACKFILL_RANGES, MAX_BACKFILL_TICKS, Outcome, ScheduleId, UnitName,
};
use scheduled_one_schedule::Schedule;

use crate::accounts::Accounts;
use crate::ask::ask;
use crate::audit::{MAX_TICKS, TickStatus};
use crate::catalog::{instant, ms};
use crate::control::Control;
use crate::error::Error;
use crate::handle::is_end;

/// Most requests of a backfill that wait or run at the same time.
const MAX_AT_A_TIME: u32 = 200;
/// How often a change is tried again that somebody else was faster than.
const MAX_TRIES: usize = 16;

/// Which ticks of a range a backfill runs, by what the audit says of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BackfillOnly {
    /// Those that were missed.
    #[default]
    Missed,
    /// Those whose run was lost with its node.
    Lost,
    /// Those that ran and did not end well: failed, panicked, timed out, cancelled.
    Failed,
    /// Those of which no run is known: missed, skipped, paused, unknown, and those from before the job was first seen.
    Never,
    /// All that are over, and those from before the job was first seen.
    All,
}

impl BackfillOnly {
    /// All of them.
    pub const EACH: [BackfillOnly; 5] = [
        BackfillOnly::Missed,
        BackfillOnly::Lost,
        BackfillOnly::Failed,
        BackfillOnly::Never,
        BackfillOnly::All,
    ];

    /// In a word.
    pub fn as_str(self) -> &'static str {
        match self {
            BackfillOnly::Missed => "missed",
            BackfillOnly::Lost => "lost",
            BackfillOnly::Failed => "failed",
            BackfillOnly::Never => "never",
            BackfillOnly::All => "all",
        }
    }

    fn wants(self, status: TickStatus) -> bool {
        let decided = match status {
            TickStatus::Decided(outcome) => Some(outcome),
            _ => None,
        };
        match self {
            BackfillOnly::Missed => decided == Some(Outcome::Missed),
            BackfillOnly::Lost => decided == Some(Outcome::Lost),
            BackfillOnly::Failed => matches!(
                decided,
                Some(Outcome::Failed | Outcome::Panicked | Outcome::TimedOut | Outcome::Cancelled)
            ),
            BackfillOnly::Never => match decided {
                Some(outcome) => matches!(outcome, Outcome::Missed | Outcome::Skipped),
                None => matches!(status, TickStatus::Paused | TickStatus::Unknown),
            },
            BackfillOnly::All => !matches!(
                status,
                TickStatus::Running | TickStatus::Waiting | TickStatus::Due
            ),
        }
    }

    /// Whether ticks from before the job was first seen are wanted.
    fn wants_unseen(self) -> bool {
        matches!(self, BackfillOnly::Never | BackfillOnly::All)
    }
}

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

/// How far a backfill has come.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BackfillState {
    /// The job.
    pub job: String,
    /// The version of the directive.
    pub version: u64,
    /// How many ticks it has.
    pub total: u64,
    /// How many of them were asked for, at least: nodes note it now and then.
    pub asked: u64,
    /// How many requests wait or run in the lanes of the job, whoever asked for them.
    pub open: usize,
    /// Whether it is paused.
    pub is_paused: bool,
    /// Why it has ended before its last tick; empty if it has not.
    pub ended: String,
    /// Who asked for it.
    pub by: String,
    /// Why.
    pub note: String,
}

impl BackfillState {
    /// Whether nothing of it is to run any more.
    pub fn is_over(&self) -> bool {
        (self.asked >= self.total || !self.ended.is_empty()) && self.open == 0
    }
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
    /// Runs ticks of a job in a range of time, its end left out, once more: by default those that were missed. Each is a
    /// request for a run in the lane of the job, with the cause `backfill` and the tick as `scheduled_at`, whose id
    /// follows from the tick: however often a backfill is asked for, no tick runs twice.
    ///
    /// The nodes that have the job carry it out, and it goes on when whoever asked is gone. Ticks of the schedule go first:
    /// by default no run of the backfill starts while the job is busy, and none that would not be over before the next
    /// tick, as far as the runs before tell.
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

    /// Ends the backfill of a job: nothing more is asked for. What was asked for before runs, unless it is cancelled.
    /// Returns whether one went on.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownJob`], [`Error::Store`].
    pub async fn stop_backfill(&self, job: &str, by: &str, note: &str) -> Result<bool, Error> {
        let subject = self.checked_subject(job).await?;
        let changed = self.set_backfill(&subject, "stop backfill", |stored, now_ms| {
            let open = stored.backfill.clone().filter(Backfill::is_open);
            Ok(open.map(|backfill| Directive {
                changed_at_ms: now_ms,
                by: by.to_owned(),
                note: note.to_owned(),
                backfill: Some(Backfill {
                    ended: format!("stopped by {}", if by.is_empty() { "request" } else { by }),
                    ..backfill
                }),
                ..stored.clone()
            }))
        });
        Ok(changed.await?.is_some())
    }

    /// Pauses the backfill of a job, or lets it go on. Returns whether that changed anything.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownJob`], [`Error::Store`].
    pub async fn pause_backfill(&self, job: &str, pause: bool, by: &str) -> Result<bool, Error> {
        let subject = self.checked_subject(job).await?;
        let action = if pause {
            "pause backfill"
        } else {
            "resume backfill"
        };
        let changed = self.set_backfill(&subject, action, |stored, now_ms| {
            let is_open = stored.backfill.as_ref().is_some_and(Backfill::is_open);
            let changes = is_open && stored.is_paused(now_ms) != pause;
            Ok(changes.then(|| Directive {
                changed_at_ms: now_ms,
                by: by.to_owned(),
                pause: pause.then_some(scheduled_one_protocol::Pause {
                    since_ms: now_ms,
                    until_ms: None,
                }),
                ..stored.clone()
            }))
        });
        Ok(changed.await?.is_some())
    }

    /// The newest backfill of a job.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownJob`], [`Error::Store`].
    pub async fn backfill_state(&self, job: &str) -> Result<Option<BackfillState>, Error> {
        let subject = self.checked_subject(job).await?;
        let store = self.store(job);
        let reply = self.read(store).await?;
        let now_ms = (reply.head.now_us / 1_000) as i64;
        let Some(directive) = reply.body.directives.get(&subject) else {
            return Ok(None);
        };
        let Some(backfill) = &directive.backfill else {
            return Ok(None);
        };
        let shards: BTreeSet<u32> = backfill.ranges.iter().map(|(shard, _)| *shard).collect();
        let lanes = shards.iter().map(|shard| UnitName::new(job, *shard).lane());
        let lanes: Vec<UnitName> = lanes.collect();
        let mut open = 0;
        for batch in lanes.chunks(scheduled_one_protocol::message::MAX_BATCH) {
            let statuses = ask(|| store.inspect(&self.caller, batch)).await?.body;
            let of_lane = |lane: &scheduled_one_protocol::message::UnitStatus| {
                lane.waiting.len() + usize::from(lane.running.is_some())
            };
            open += statuses.iter().map(of_lane).sum::<usize>();
        }
        Ok(Some(BackfillState {
            job: job.to_owned(),
            version: directive.version,
            total: backfill.total,
            asked: backfill.asked,
            open,
            is_paused: directive.is_paused(now_ms),
            ended: backfill.ended.clone(),
            by: directive.by.clone(),
            note: directive.note.clone(),
        }))
    }

    async fn checked_subject(&self, job: &str) -> Result<String, Error> {
        self.check_job(job).await?;
        Ok(Backfill::subject(job))
    }

    /// Reads the directive of a backfill, changes it, and sets it if it is still the same. Returns its version if it was
    /// changed.
    async fn set_backfill(
        &self,
        subject: &str,
        action: &str,
        change: impl Fn(&Directive, i64) -> Result<Option<Directive>, Error>,
    ) -> Result<Option<u64>, Error> {
        let store = self.store(Backfill::job_of(subject).unwrap_or(subject));
        let mut sent: Option<Directive> = None;
        let mut stored = Directive::default();
        for _ in 0..MAX_TRIES {
            let reply = self.read(store).await?;
            let now_ms = (reply.head.now_us / 1_000) as i64;
            stored = reply
                .body
                .directives
                .get(subject)
                .cloned()
                .unwrap_or_default();
            let version = stored.version;
            // The change was made, and its reply was lost.
            if sent.is_some_and(|sent| Directive { version, ..sent } == stored) {
                return Ok(Some(version));
            }
            let Some(directive) = change(&stored, now_ms)? else {
                return Ok(None);
            };
            sent = Some(directive.clone());
            let request = ControlRequest {
                change: Some(DirectiveChange {
                    subject: subject.to_owned(),
                    seen: version,
                    directive,
                    action: action.to_owned(),
                }),
                ..ControlRequest::default()
            };
            let reply = ask(|| store.control(&self.caller, &request)).await?;
            if let Changed::To(version) = reply.body.changed {
                return Ok(Some(version));
            }
        }
        Err(conflict(subject, stored))
    }
}

fn conflict(subject: &str, now: Directive) -> Error {
    Error::Conflict {
        subject: subject.to_owned(),
        now: Box::new(now),
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
        if self.by.len() > scheduled_one_protocol::message::MAX_ACTOR_BYTES {
            return refuse("by", "longer than 128 bytes".to_owned());
        }
        if self.note.len() > scheduled_one_protocol::message::MAX_NOTE_BYTES {
            return refuse("note", "longer than 1,024 bytes".to_owned());
        }
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
