//! A change of one directive, by compare-and-set.

use std::time::Duration;

use scheduled_one_protocol::message::{self, ControlReply, ControlRequest, DirectiveChange, Reply};
use scheduled_one_protocol::{ALL_JOBS, Backfill, Directive, Directives};

use super::Changed;
use crate::ask::ask;
use crate::authorization::Authorization;
use crate::control::Control;
use crate::error::Error;
use crate::reader::Reader;

/// How often a change is tried again that somebody else was faster than.
const MAX_TRIES: usize = 16;
/// How long after a loss of memory, at least, a node may repeat a directive that the store forgot. It outlasts the
/// usual leases; a quarantine that nodes have stated and that is longer counts instead.
const DOUBT_MS: i64 = 60_000;
/// After a loss of memory, living nodes have repeated their directives when this time is over: some heartbeats.
pub(crate) const REPEATED_AFTER_MS: i64 = 3_000;

/// A change of one directive.
pub(crate) struct Change<'a> {
    pub(crate) subject: &'a str,
    /// What is done, in a word for the trail.
    pub(crate) action: &'a str,
    /// Only if the directive has this version.
    pub(crate) expect: Option<u64>,
    /// Also while older nodes live.
    pub(crate) is_forced: bool,
}

impl Change<'_> {
    pub(crate) fn conflict(&self, now: Directive, at_ms: i64) -> Error {
        conflict(self.subject, now, at_ms)
    }
}

pub(super) fn conflict(subject: &str, now: Directive, at_ms: i64) -> Error {
    Error::Conflict {
        subject: Backfill::job_of(subject).unwrap_or(subject).to_owned(),
        now: Box::new(now),
        at_ms,
    }
}

/// Whether the pause of all jobs holds a job.
pub(super) fn is_held(directives: &Directives, subject: &str, now_ms: i64) -> bool {
    let of_all = directives.get(ALL_JOBS).filter(|_| subject != ALL_JOBS);
    of_all.is_some_and(|of_all| of_all.is_paused(now_ms))
}

impl Control {
    /// Reads, changes what was read, and sets it if it is still the same. `wished` gives what takes the place of the
    /// directive that is stored, by the store's clock; its last argument says that nodes may repeat one that the store
    /// has forgotten. Returns the directive before as well.
    pub(crate) async fn make(
        &self,
        authorized: Authorization<'_>,
        change: &Change<'_>,
        wished: impl Fn(&Directive, i64, bool) -> Result<Option<Directive>, Error>,
    ) -> Result<(Changed, Directive), Error> {
        let store = authorized.reader();
        if !change.is_forced {
            self.check_older_nodes(store).await?;
        }
        let mut sent: Option<(Directive, Directive)> = None;
        for _ in 0..MAX_TRIES {
            let reply = self.read_repeated(store).await?;
            let now_ms = (reply.head.now_us / 1_000) as i64;
            let stored = reply.body.directives.get(change.subject);
            let stored = stored.cloned().unwrap_or_default();
            let version = stored.version;
            let all_paused = is_held(&reply.body.directives, change.subject, now_ms);
            let changed = |version, already| Changed {
                version,
                already,
                all_paused,
            };
            // The change was made, and its reply was lost.
            if let Some((sent, before)) = sent
                && (Directive { version, ..sent }) == stored
            {
                return Ok((changed(version, false), before));
            }
            if change.expect.is_some_and(|expected| expected != version) {
                return Err(change.conflict(stored, now_ms));
            }
            // A store that may have forgotten a pause is repeated it by the nodes: a resume has to be newer than that.
            let lost_at_ms = reply.head.quarantine_from_ms;
            let doubt_until_ms = reply.head.quarantine_until_ms.max(lost_at_ms + DOUBT_MS);
            let in_doubt = lost_at_ms > 0 && now_ms < doubt_until_ms;
            let Some(directive) = wished(&stored, now_ms, in_doubt)? else {
                return Ok((changed(version, true), stored));
            };
            sent = Some((directive.clone(), stored.clone()));
            let request = ControlRequest {
                change: Some(DirectiveChange {
                    subject: change.subject.to_owned(),
                    seen: version,
                    directive,
                    action: change.action.to_owned(),
                }),
                ..ControlRequest::default()
            };
            let reply = ask(|| authorized.control(&request)).await?;
            if let message::Changed::To(version) = reply.body.changed {
                return Ok((changed(version, false), stored));
            }
        }
        let reply = self.read(store).await?;
        let stored = reply.body.directives.get(change.subject);
        let at_ms = (reply.head.now_us / 1_000) as i64;
        Err(change.conflict(stored.cloned().unwrap_or_default(), at_ms))
    }

    /// Reads what is stored; after a loss of memory, as soon as living nodes have repeated what they know. Their
    /// versions may be higher than the store gives out now, if its clock went back: a change before them would be
    /// undone.
    async fn read_repeated(&self, store: Reader<'_>) -> Result<Reply<ControlReply>, Error> {
        let reply = self.read(store).await?;
        let now_ms = (reply.head.now_us / 1_000) as i64;
        let wait_ms =
            (reply.head.quarantine_from_ms + REPEATED_AFTER_MS - now_ms).min(REPEATED_AFTER_MS);
        match u64::try_from(wait_ms) {
            Err(_) | Ok(0) => Ok(reply),
            Ok(wait_ms) => {
                tokio::time::sleep(Duration::from_millis(wait_ms)).await;
                self.read(store).await
            }
        }
    }
}
