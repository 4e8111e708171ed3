//! The backfill of a job that goes on: how far it is, and its end.

use std::collections::BTreeSet;

use scheduled_one_protocol::message::{
    Changed, ControlRequest, DirectiveChange, MAX_BATCH, UnitStatus,
};
use scheduled_one_protocol::{Backfill, Directive, Pause, UnitName};

use crate::ask::ask;
use crate::control::Control;
use crate::error::Error;

/// How often a change is tried again that somebody else was faster than.
const MAX_TRIES: usize = 16;

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

impl Control {
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
                pause: pause.then_some(Pause {
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
            by: directive.by.clone(),
            note: directive.note.clone(),
        }))
    }

    pub(super) async fn checked_subject(&self, job: &str) -> Result<String, Error> {
        self.check_job(job).await?;
        Ok(Backfill::subject(job))
    }

    /// Reads the directive of a backfill, changes it, and sets it if it is still the same. Returns its version if it
    /// was changed.
    pub(super) async fn set_backfill(
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

pub(super) fn conflict(subject: &str, now: Directive) -> Error {
    Error::Conflict {
        subject: subject.to_owned(),
        now: Box::new(now),
    }
}
