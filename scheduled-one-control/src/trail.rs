//! The trail: who asked for what.

mod fold;

use std::collections::VecDeque;
use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::str::FromStr;

use scheduled_one_protocol::{ALL_JOBS, MAX_TRAIL, TrailEntry, TrailId, TrailLine, UnitName};

use crate::ask::ask;
use crate::authorization::Visible;
use crate::control::Control;
use crate::error::Error;
use crate::reader::Reader;

/// Entries that one request reads.
const PAGE: usize = 500;
/// Entries that are read behind a page, which may belong to its last one.
const BEHIND: usize = 32;

/// What part of the trail is wanted; awaiting it reads the trail.
///
/// Cancel safety: nothing is changed.
#[derive(Clone, Debug)]
#[must_use = "nothing is read until it is awaited"]
pub struct ReadTrail {
    control: Control,
    job: Option<String>,
    actor: Option<String>,
    action: Option<String>,
    limit: usize,
    after: Option<TrailCursor>,
    before: Option<TrailCursor>,
}

/// Entries of the trail.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Trail {
    /// The entries, the oldest first: one for what somebody did once, although the store has one for each bucket of an
    /// action on all jobs, and one for each shard of a request.
    pub entries: Vec<TrailEntry>,
    /// The place behind the last of them, for [`after`](ReadTrail::after).
    pub cursor: TrailCursor,
    /// The place of the first of them, for [`before`](ReadTrail::before), if there are earlier ones; `None` behind a
    /// cursor.
    pub earlier: Option<TrailCursor>,
}

/// A place in the trail of a namespace: which entries somebody has seen. Its text is one word, for a file or a URL.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct TrailCursor(Vec<TrailId>);

impl fmt::Display for TrailCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&ids.join("."))
    }
}

impl FromStr for TrailCursor {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let ids: Result<Vec<TrailId>, _> = text.split('.').map(str::parse).collect();
        ids.map(TrailCursor).map_err(|_| Error::Argument {
            argument: "after",
            message: format!("{text:?} is no cursor; a page of the trail has one"),
        })
    }
}

impl Control {
    /// What operators asked for: pauses and resumes, requests for runs, cancels, with who, why and when. The store
    /// keeps the newest 10,000 entries (of each bucket), and enters each in the same step as the change. It is as
    /// durable as ledgers are: a store that loses its memory loses it, too, although a pause comes back.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] if the cursor is that of a namespace with another number of buckets; [`Error::Store`].
    pub fn trail(&self) -> ReadTrail {
        ReadTrail {
            control: self.clone(),
            job: None,
            actor: None,
            action: None,
            limit: 100,
            after: None,
            before: None,
        }
    }
}

impl ReadTrail {
    /// Only what concerns this job: it, its shards, and all jobs.
    pub fn job(mut self, job: impl Into<String>) -> Self {
        self.job = Some(job.into());
        self
    }

    /// Only what this actor asked for.
    pub fn actor(mut self, actor: impl Into<String>) -> Self {
        self.actor = Some(actor.into());
        self
    }

    /// Only this action, such as `pause`.
    pub fn action(mut self, action: impl Into<String>) -> Self {
        self.action = Some(action.into());
        self
    }

    /// At most so many entries: the newest, or the next ones behind a cursor. Default: 100. The entries of the store
    /// are counted, so a page has fewer where several of these are one; a request of more shards than the limit is on
    /// several pages.
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// Only entries behind this place: so no entry is seen twice or not at all, unless more than 10,000 came meanwhile.
    pub fn after(mut self, cursor: TrailCursor) -> Self {
        self.after = Some(cursor);
        self
    }

    /// Only the newest entries before this place: page by page back in time, each entry once.
    pub fn before(mut self, cursor: TrailCursor) -> Self {
        self.before = Some(cursor);
        self
    }

    fn wants(&self, entry: &TrailEntry) -> bool {
        let is = |wanted: &Option<String>, found: &str| {
            wanted
                .as_ref()
                .is_none_or(|wanted| wanted.as_str() == found)
        };
        let of_job = self.job.as_ref().is_none_or(|job| {
            entry.subject == ALL_JOBS
                || UnitName::from(entry.subject.as_str()).job() == job.as_str()
        });
        of_job && is(&self.actor, &entry.actor) && is(&self.action, &entry.action)
    }

    /// How many entries a request reads: no more than are wanted, if all that are read are wanted.
    fn page(&self) -> usize {
        let is_filtered = self.job.is_some() || self.actor.is_some() || self.action.is_some();
        match is_filtered || self.after.is_some() || !self.control.sees_all() {
            true => PAGE,
            // More say whether there are earlier ones, and which belong together.
            false => self.limit.saturating_add(BEHIND).min(PAGE),
        }
    }

    async fn read(self) -> Result<Trail, Error> {
        self.control.check_sees_something()?;
        let visible = self.control.visible().await?;
        let buckets = self.control.bucket_count() as usize;
        if self.after.is_some() && self.before.is_some() {
            return Err(Error::Argument {
                argument: "before",
                message: "a page is behind one cursor or before one; leave the other out"
                    .to_owned(),
            });
        }
        let after = places(self.after.as_ref(), "after", buckets)?;
        let before = places(self.before.as_ref(), "before", buckets)?;
        let mut cursor = Vec::with_capacity(buckets);
        let mut found: Vec<(usize, TrailLine)> = Vec::new();
        let mut has_more = false;
        for (bucket, store) in self.control.readers().enumerate() {
            let between = (after.get(bucket).copied(), before.get(bucket).copied());
            let read = self.read_bucket(store, between, &visible).await?;
            cursor.push(read.newest);
            has_more |= read.has_more;
            found.extend(read.lines.into_iter().map(|line| (bucket, line)));
        }
        let mut found = in_order(found);
        let mut earlier = None;
        if self.after.is_none() {
            let surplus = fold::begin_of_page(&found, self.limit);
            found.drain(..surplus);
            let begin = || begin(&found, &cursor, &before);
            earlier = (self.limit > 0 && (has_more || surplus > 0)).then(begin);
        } else {
            let end = fold::end_of_page(&found, self.limit);
            cut(&mut found, end, &after, &mut cursor);
        }
        Ok(Trail {
            entries: fold::fold(&found),
            cursor: TrailCursor(cursor),
            earlier,
        })
    }

    /// The wanted entries of a bucket behind a place, or the newest before another one, oldest first.
    async fn read_bucket(
        &self,
        store: Reader<'_>,
        (seen, until): (Option<TrailId>, Option<TrailId>),
        visible: &Visible,
    ) -> Result<OfBucket, Error> {
        let size = self.page();
        let mut newest = seen;
        let mut before = until;
        let mut lines = VecDeque::new();
        let mut has_more = false;
        for _ in 0..=MAX_TRAIL / PAGE {
            // Nothing is before the first place.
            if before == Some(TrailId::default()) {
                break;
            }
            let page = ask(|| store.trail(before, size)).await?;
            let is_last = page.len() < size;
            let mut has_met = false;
            for line in page {
                has_met = seen.is_some_and(|seen| line.id <= seen);
                newest = newest.max(Some(line.id));
                before = Some(line.id);
                if has_met {
                    break;
                }
                if self.wants(&line.entry) && may_be_seen(&line.entry, visible) {
                    lines.push_front(line);
                }
            }
            if is_last || has_met {
                break;
            }
            has_more = seen.is_none() && lines.len() >= self.limit.saturating_add(BEHIND);
            if has_more {
                break;
            }
        }
        Ok(OfBucket {
            newest: newest.unwrap_or_default(),
            lines: lines.into(),
            has_more,
        })
    }
}

/// What was read of a bucket.
struct OfBucket {
    /// The place of the newest entry.
    newest: TrailId,
    /// The wanted entries, oldest first.
    lines: Vec<TrailLine>,
    /// Earlier ones were not looked at.
    has_more: bool,
}

/// The places of a cursor; none without one.
fn places(
    cursor: Option<&TrailCursor>,
    argument: &'static str,
    buckets: usize,
) -> Result<Vec<TrailId>, Error> {
    match cursor {
        None => Ok(Vec::new()),
        Some(TrailCursor(places)) if places.len() == buckets => Ok(places.clone()),
        Some(TrailCursor(places)) => Err(Error::Argument {
            argument,
            message: format!(
                "this cursor is one of {} buckets, and the namespace has {buckets}; begin without one",
                places.len()
            ),
        }),
    }
}

/// Where a page begins: of a bucket that has no entry on it, behind the newest, or where the page ended.
fn begin(page: &[(usize, TrailLine)], newest: &[TrailId], until: &[TrailId]) -> TrailCursor {
    let of_bucket = |(bucket, newest): (usize, &TrailId)| {
        let first = page.iter().find(|(its, _)| *its == bucket);
        let first = first.map(|(_, line)| line.id);
        first.or(until.get(bucket).copied()).unwrap_or(TrailId {
            minor: newest.minor.saturating_add(1),
            ..*newest
        })
    };
    TrailCursor(newest.iter().enumerate().map(of_bucket).collect())
}

/// What concerns all jobs may be seen by whoever may see some.
fn may_be_seen(entry: &TrailEntry, visible: &Visible) -> bool {
    let job = UnitName::from(entry.subject.as_str());
    entry.subject == ALL_JOBS || visible.has(job.job())
}

/// Leaves entries out for the next page: in the buckets that have some, the cursor is the last entry of this page, or
/// where the page began.
fn cut(
    found: &mut Vec<(usize, TrailLine)>,
    limit: usize,
    after: &[TrailId],
    cursor: &mut [TrailId],
) {
    let left_out = found.split_off(limit.min(found.len()));
    for (bucket, _) in left_out {
        let mut page = found.iter().rev().filter(|(its, _)| *its == bucket);
        let last = page.next().map(|(_, line)| line.id);
        cursor[bucket] = last.unwrap_or(after.get(bucket).copied().unwrap_or_default());
    }
}

/// Entries of several buckets in the order of time, as far as each bucket's own order lets them: a clock that went back
/// gives a later entry an earlier instant.
fn in_order(mut found: Vec<(usize, TrailLine)>) -> Vec<(usize, TrailLine)> {
    found.sort_by_key(|(bucket, line)| (*bucket, line.id));
    let mut last = (0, i64::MIN);
    let timed = found.into_iter().map(|(bucket, line)| {
        let before_ms = if last.0 == bucket { last.1 } else { i64::MIN };
        last = (bucket, line.entry.at_ms.max(before_ms));
        (last.1, bucket, line)
    });
    let mut timed: Vec<(i64, usize, TrailLine)> = timed.collect();
    timed.sort_by_key(|(at_ms, bucket, line)| (*at_ms, *bucket, line.id));
    let lines = timed.into_iter();
    lines.map(|(_, bucket, line)| (bucket, line)).collect()
}

impl IntoFuture for ReadTrail {
    type Output = Result<Trail, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.read())
    }
}

#[cfg(test)]
mod tests;
