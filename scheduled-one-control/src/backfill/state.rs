//! The backfill of a job that goes on: how far it is, and its end.

use scheduled_one_protocol::message::{MAX_BATCH, UnitStatus};
use scheduled_one_protocol::{Backfill, BackfillRange, Directive, Pause, UnitName};

use super::BackfillPlan;
use crate::ask::ask;
use crate::change::{Change, Changed};
use crate::control::Control;
use crate::error::Error;
use crate::rights::Action;

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
    /// Its ticks; none if it has ended.
    ranges: Vec<BackfillRange>,
}

impl BackfillState {
    /// Whether it is another one that began after this one: then this one is over.
    pub fn is_after(&self, plan: &BackfillPlan) -> bool {
        let is_open = !self.ranges.is_empty();
        self.version > plan.version && is_open && self.ranges != plan.ranges
    }

    /// Whether nothing of it is to run any more.
    pub fn is_over(&self) -> bool {
        (self.asked >= self.total || !self.ended.is_empty()) && self.open == 0
    }
}

impl Control {
    /// Ends the backfill of a job: nothing more is asked for, as soon as its node saw that, usually within a second.
    /// What was asked for before runs, unless it is cancelled.
    /// Returns whether one went on, as far as the store knows. One that the store has forgotten ends as well, although
    /// its nodes repeat it.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownJob`], [`Error::Store`].
    pub async fn stop_backfill(&self, job: &str, by: &str, note: &str) -> Result<bool, Error> {
        let (_, before) = self
            .change_backfill(job, "stop backfill", |stored, now_ms, in_doubt| {
                let mut backfill = stored.backfill.clone();
                let open = backfill.as_mut().filter(|backfill| backfill.is_open());
                let is_open = open.is_some();
                if let Some(open) = open {
                    open.end(&format!(
                        "stopped by {}",
                        if by.is_empty() { "request" } else { by }
                    ));
                }
                (is_open || in_doubt).then(|| Directive {
                    changed_at_ms: now_ms,
                    by: by.to_owned(),
                    note: note.to_owned(),
                    backfill,
                    ..stored.clone()
                })
            })
            .await?;
        Ok(before.backfill.as_ref().is_some_and(Backfill::is_open))
    }

    /// Pauses the backfill of a job, or lets it go on. Returns whether that changed anything.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownJob`], [`Error::Store`].
    pub async fn pause_backfill(&self, job: &str, pause: bool, by: &str) -> Result<bool, Error> {
        let action = if pause {
            "pause backfill"
        } else {
            "resume backfill"
        };
        let (changed, _) = self
            .change_backfill(job, action, |stored, now_ms, _| {
                let is_open = stored.backfill.as_ref().is_some_and(Backfill::is_open);
                let changes = is_open && stored.is_paused(now_ms) != pause;
                changes.then(|| Directive {
                    changed_at_ms: now_ms,
                    by: by.to_owned(),
                    pause: pause.then_some(Pause {
                        since_ms: now_ms,
                        until_ms: None,
                    }),
                    ..stored.clone()
                })
            })
            .await?;
        Ok(!changed.already)
    }

    /// The newest backfill of a job.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownJob`], [`Error::Store`].
    pub async fn backfill_state(&self, job: &str) -> Result<Option<BackfillState>, Error> {
        self.check_right(Action::View, job).await?;
        let subject = self.checked_subject(job).await?;
        let store = self.reader(job);
        let reply = self.read(store).await?;
        let now_ms = (reply.head.now_us / 1_000) as i64;
        let Some(directive) = reply.body.directives.get(&subject) else {
            return Ok(None);
        };
        let Some(backfill) = &directive.backfill else {
            return Ok(None);
        };
        let shards = 0..self.shards(job).await?;
        let lanes: Vec<UnitName> = shards
            .map(|shard| UnitName::new(job, shard).lane())
            .collect();
        let mut open = 0;
        for batch in lanes.chunks(MAX_BATCH) {
            let statuses = ask(|| store.inspect(&self.caller, batch)).await?.body;
            let of_lane =
                |lane: &UnitStatus| lane.waiting.len() + usize::from(lane.running.is_some());
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
            ranges: backfill.ranges.clone(),
            by: directive.asked_by.clone(),
            note: directive.asked_note.clone(),
        }))
    }

    pub(super) async fn checked_subject(&self, job: &str) -> Result<String, Error> {
        self.check_job(job).await?;
        Ok(Backfill::subject(job))
    }

    /// Changes the directive for the backfill of a job.
    async fn change_backfill(
        &self,
        job: &str,
        action: &str,
        wished: impl Fn(&Directive, i64, bool) -> Option<Directive>,
    ) -> Result<(Changed, Directive), Error> {
        let authorized = self.authorize(Action::Backfill, job).await?;
        let subject = self.checked_subject(job).await?;
        let change = Change {
            subject: &subject,
            action,
            expect: None,
            is_forced: false,
        };
        let wished = |stored: &Directive, now_ms, in_doubt| Ok(wished(stored, now_ms, in_doubt));
        self.make(authorized, &change, wished).await
    }
}
