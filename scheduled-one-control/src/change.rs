//! Changes of directives: what is asked for, and the step for each bucket or job that it concerns.

mod make;

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use scheduled_one_protocol::machine::damage::MAX_EXACT;
use scheduled_one_protocol::{ALL_JOBS, Directive};

use crate::authorization::Authorization;
use crate::control::Control;
use crate::error::Error;
use crate::reader::Reader;
use crate::wish::{TOO_FAR, Wish};
use make::{conflict, is_held};

pub(crate) use make::{Change, REPEATED_AFTER_MS};

/// Longest note.
const MAX_NOTE_BYTES: usize = 1_024;
/// Longest name of who asks.
const MAX_BY_BYTES: usize = 128;

/// A change was made, or was not needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Changed {
    /// The version of the directive.
    pub version: u64,
    /// It was so before, and nothing was changed.
    pub already: bool,
    /// All jobs are paused by [`Control::pause_all`], and this one with them, whatever was changed:
    /// [`Control::resume_all`] ends that.
    pub all_paused: bool,
}

/// Before anything is changed.
const NOTHING: Changed = Changed {
    version: 0,
    already: true,
    all_paused: false,
};

impl Changed {
    /// Another directive was changed as well.
    fn add(&mut self, other: Changed) {
        self.version = self.version.max(other.version);
        self.already &= other.already;
        self.all_paused |= other.all_paused;
    }
}

/// A change of what operators want of a job; awaiting it makes the change. When it has returned, the change holds: the
/// step that decides ticks enforces it, whatever nodes know.
///
/// In the first 3 s after the store forgot everything, or was used first, it waits until they are over: living nodes
/// repeat what operators wanted before, and the change has to be newer.
///
/// Cancel safety: if the future is dropped, the change may be made or not. Asking again is safe.
#[derive(Clone, Debug)]
#[must_use = "nothing happens until it is awaited"]
pub struct ChangeDirective {
    pub(crate) control: Control,
    pub(crate) subject: String,
    /// The subject is a group: its jobs are found when this is awaited.
    is_group: bool,
    pub(crate) wish: Wish,
    pub(crate) note: String,
    pub(crate) by: String,
    until: Option<SystemTime>,
    /// It is no pause, and was to last for a while.
    is_lasting: bool,
    pub(crate) expect: Option<u64>,
    /// Also while older nodes live.
    pub(crate) is_forced: bool,
}

impl Control {
    /// Pauses a job: nothing of its schedule starts until [`resume`](Self::resume), neither ticks nor what waits in its
    /// queue. The run that is active goes on, with its retries and takeovers.
    ///
    /// Ticks of the pause are recorded, when it is over, as skipped (`paused`), with one line. A pause of a paused job
    /// keeps its beginning.
    ///
    /// Of a job with `scope = every_node`, each node pauses its own ticks as soon as it knows of the pause: within a
    /// second, or when the store is back.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownJob`], [`Error::Conflict`], [`Error::Argument`], [`Error::Store`].
    pub fn pause(&self, job: impl Into<String>) -> ChangeDirective {
        self.change(job, Wish::PAUSE)
    }

    /// Ends the pause of a job. A job that is also paused by [`pause_all`](Self::pause_all) stays paused:
    /// [`all_paused`](Changed::all_paused) says so.
    ///
    /// # Errors
    ///
    /// As [`pause`](Self::pause).
    pub fn resume(&self, job: impl Into<String>) -> ChangeDirective {
        self.change(job, Wish::RESUME)
    }

    /// Pauses all jobs of the namespace, also those that are added later.
    ///
    /// # Errors
    ///
    /// As [`pause`](Self::pause). With several buckets, each has its directive: after an error, some may be paused, and
    /// [`expect`](ChangeDirective::expect) is refused.
    pub fn pause_all(&self) -> ChangeDirective {
        self.pause(ALL_JOBS)
    }

    /// Ends the pause of all jobs. Those that are paused by themselves stay paused.
    ///
    /// # Errors
    ///
    /// As [`pause_all`](Self::pause_all).
    pub fn resume_all(&self) -> ChangeDirective {
        self.resume(ALL_JOBS)
    }

    /// Pauses the jobs that are in the group now, one after the other; a job that joins it later is not paused. Should
    /// it fail half-way, ask again.
    pub fn pause_group(&self, group: impl Into<String>) -> ChangeDirective {
        ChangeDirective {
            is_group: true,
            ..self.pause(group)
        }
    }

    /// Resumes the jobs that are in the group now.
    pub fn resume_group(&self, group: impl Into<String>) -> ChangeDirective {
        ChangeDirective {
            is_group: true,
            ..self.resume(group)
        }
    }

    pub(crate) fn change(&self, subject: impl Into<String>, wish: Wish) -> ChangeDirective {
        ChangeDirective {
            control: self.clone(),
            subject: subject.into(),
            is_group: false,
            wish,
            note: String::new(),
            by: String::new(),
            until: None,
            is_lasting: false,
            expect: None,
            is_forced: false,
        }
    }
}

impl ChangeDirective {
    /// Why, at most 1,024 bytes.
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    /// Who asks for it, at most 128 bytes.
    pub fn by(mut self, by: impl Into<String>) -> Self {
        self.by = by.into();
        self
    }

    /// When a pause ends by itself, by the store's clock. Default: never.
    pub fn until(mut self, until: SystemTime) -> Self {
        self.until = Some(until);
        self
    }

    /// How long a pause lasts, by the store's clock, from when it is made. Default: until it is ended.
    pub fn lasting(mut self, length: Duration) -> Self {
        match &mut self.wish {
            Wish::Pause { length_ms, .. } => {
                *length_ms = Some(length.as_millis().try_into().unwrap_or(i64::MAX));
            }
            _ => self.is_lasting = true,
        }
        self
    }

    /// Only if the directive still has this version, 0 for none: otherwise [`Error::Conflict`]. So a script does not
    /// lift a pause that somebody else asked for meanwhile.
    pub fn expect(mut self, version: u64) -> Self {
        self.expect = Some(version);
        self
    }

    /// After a resume, the ticks of the pause count as those of a time without nodes: `misfire` says what becomes of
    /// them. Default: they are skipped.
    pub fn catch_up(mut self) -> Self {
        if let Wish::Resume { catch_up, .. } = &mut self.wish {
            *catch_up = true;
        }
        self
    }

    /// After a resume, also the ticks that were not decided when the pause began are skipped. So a catch-up with many
    /// ticks (`misfire = run_all`) is stopped for good: pause the job, and resume it with this. Of one job; it takes
    /// the place of [`catch_up`](Self::catch_up).
    pub fn skip_missed(mut self) -> Self {
        if let Wish::Resume { skip_missed, .. } = &mut self.wish {
            *skip_missed = true;
        }
        self
    }

    /// What it would do now: with `already`, nothing. Nothing is changed; the version is that of the directive now.
    ///
    /// # Errors
    ///
    /// As those of the change itself.
    pub async fn dry_run(mut self) -> Result<Changed, Error> {
        self.check()?;
        let (control, right) = (self.control.clone(), self.wish.right());
        if self.subject == ALL_JOBS && !self.is_group {
            control.check_right(right, ALL_JOBS).await?;
            let mut all = NOTHING;
            for store in control.readers() {
                all.add(self.would_change(store).await?);
            }
            return Ok(all);
        }
        let jobs = self.subjects().await?;
        let mut all = NOTHING;
        for job in jobs {
            control.check_right(right, &job).await?;
            control.check_job(&job).await?;
            self.subject = job;
            self.resolve().await?;
            all.add(self.would_change(control.reader(&self.subject)).await?);
        }
        Ok(all)
    }

    /// The jobs that it concerns by name.
    async fn subjects(&self) -> Result<Vec<String>, Error> {
        if !self.is_group {
            return Ok(vec![self.subject.clone()]);
        }
        if self.expect.is_some() {
            return Err(Error::Argument {
                argument: "expect",
                message:
                    "each job of a group has a version of its own; change one job, or leave it out"
                        .to_owned(),
            });
        }
        self.control.all_in_group(&self.subject).await
    }

    async fn make(mut self) -> Result<Changed, Error> {
        self.check()?;
        if self.is_group {
            return self.make_of_group().await;
        }
        let right = self.wish.right();
        if self.subject != ALL_JOBS {
            let control = self.control.clone();
            let authorized = control.authorize(right, &self.subject).await?;
            control.check_job(&self.subject).await?;
            self.resolve().await?;
            return self.change_in(authorized).await;
        }
        let mut all = NOTHING;
        for authorized in self.control.authorize_all(right).await? {
            all.add(self.change_in(authorized).await?);
        }
        Ok(all)
    }

    fn check(&mut self) -> Result<(), Error> {
        let refuse = |argument, message: &str| {
            Err(Error::Argument {
                argument,
                message: message.to_owned(),
            })
        };
        if self.note.len() > MAX_NOTE_BYTES {
            return refuse(
                "note",
                "longer than 1,024 bytes; say it shorter, or link to it",
            );
        }
        if self.by.len() > MAX_BY_BYTES {
            return refuse("by", "longer than 128 bytes; a name and a host are enough");
        }
        if self.wish.is_of_one_job() && (self.subject == ALL_JOBS || self.is_group) {
            return refuse(
                "job",
                "each job has a schedule and missed ticks of its own; name one job at a time",
            );
        }
        if self.expect.is_some() && self.subject == ALL_JOBS && self.control.bucket_count() > 1 {
            return refuse(
                "expect",
                "each bucket of the namespace has a directive for all jobs, with a version of its own; leave it out",
            );
        }
        if self.is_lasting {
            return refuse(
                "for",
                "only a pause ends by itself; leave it out, and change it back at that time",
            );
        }
        match (&mut self.wish, self.until) {
            (_, None) => Ok(()),
            (Wish::Pause { until_ms, .. }, Some(until)) => {
                let since_epoch = until.duration_since(UNIX_EPOCH).unwrap_or_default();
                *until_ms = i64::try_from(since_epoch.as_millis()).ok();
                if until_ms.is_none_or(|until_ms| until_ms > MAX_EXACT as i64) {
                    return refuse("until", TOO_FAR);
                }
                Ok(())
            }
            (_, Some(_)) => refuse(
                "until",
                "only a pause ends by itself; leave it out, and change it back at that time",
            ),
        }
    }

    /// Changes the directives of all jobs of a group.
    async fn make_of_group(mut self) -> Result<Changed, Error> {
        let mut all = NOTHING;
        let control = self.control.clone();
        let jobs = self.subjects().await?;
        let mut authorizations = Vec::with_capacity(jobs.len());
        // First all rights, so that a change is not made half-way for want of one.
        for job in &jobs {
            authorizations.push(control.authorize(self.wish.right(), job).await?);
        }
        for (job, authorized) in jobs.into_iter().zip(authorizations) {
            self.subject = job;
            all.add(self.change_in(authorized).await?);
        }
        Ok(all)
    }

    /// What it would do in a bucket.
    async fn would_change(&self, store: Reader<'_>) -> Result<Changed, Error> {
        if !self.is_forced {
            self.control.check_older_nodes(store).await?;
        }
        let reply = self.control.read(store).await?;
        let now_ms = (reply.head.now_us / 1_000) as i64;
        let stored = reply.body.directives.get(&self.subject).cloned();
        let stored = stored.unwrap_or_default();
        let version = stored.version;
        if self.expect.is_some_and(|expected| expected != version) {
            return Err(self.conflict(stored, now_ms));
        }
        let all_paused = is_held(&reply.body.directives, &self.subject, now_ms);
        let already = self.wished(&stored, now_ms, false)?.is_none();
        Ok(Changed {
            version,
            already,
            all_paused,
        })
    }

    /// Reads, changes what was read, and sets it if it is still the same.
    async fn change_in(&self, authorized: Authorization<'_>) -> Result<Changed, Error> {
        let change = Change {
            subject: &self.subject,
            action: self.wish.action(),
            expect: self.expect,
            is_forced: self.is_forced,
        };
        let wished = |stored: &Directive, now_ms, in_doubt| self.wished(stored, now_ms, in_doubt);
        let (changed, _) = self.control.make(authorized, &change, wished).await?;
        Ok(changed)
    }

    pub(crate) fn conflict(&self, now: Directive, at_ms: i64) -> Error {
        conflict(&self.subject, now, at_ms)
    }
}

impl IntoFuture for ChangeDirective {
    type Output = Result<Changed, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.make())
    }
}

#[cfg(test)]
mod tests;
