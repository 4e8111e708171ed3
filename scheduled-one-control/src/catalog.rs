//! What the catalog says of a job, and the ticks that follow from it.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use scheduled_one_protocol::message::{MAX_BATCH, UnitStatus};
use scheduled_one_protocol::{
    CatalogEntry, DecidingSchedule, JobDescriptor, ScheduleOverride, TickMs, UnitName,
};
use scheduled_one_schedule::{
    Calendar, Restriction, Schedule, ScheduleError, ScheduleErrorKind, Zone, ZoneData,
};

use crate::ask::ask;
use crate::control::{Control, MAX_SHARDS};
use crate::error::Error;
use crate::reschedule::in_force;
use crate::rights::Action;

/// Most ticks that a call returns.
pub(crate) const MAX_TICKS: usize = 100_000;

/// The way out where the days of a calendar are missing.
const WHOSE_CALENDARS: &str = "The store has the names of calendars, and their days are in the program: \
    `Scheduler::control` has those of its scheduler, and `Control::calendar` takes them; the command has none";

/// By which schedule a job has its ticks.
pub(crate) struct InForce {
    pub(crate) schedule: Schedule,
    /// It has no tick up to this instant.
    pub(crate) since_ms: i64,
    /// That in the code.
    pub(crate) own: Schedule,
    pub(crate) now_ms: i64,
    pub(crate) cataloged: CatalogedJob,
}

impl InForce {
    /// Of a job with this entry, of which operators want this.
    pub(crate) fn of(
        job: &str,
        (cataloged, now_ms): (CatalogedJob, i64),
        wanted: Option<&ScheduleOverride>,
    ) -> Result<Self, Error> {
        let zones = zones(job)?;
        let own = cataloged.schedule(job, &zones)?;
        let (schedule, since_ms) = in_force(job, own.clone(), wanted, &zones)?;
        Ok(InForce {
            schedule,
            since_ms,
            own,
            now_ms,
            cataloged,
        })
    }

    /// The ticks after an instant.
    pub(crate) fn after(&self, after_ms: i64) -> impl Iterator<Item = i64> + '_ {
        self.schedule.after(after_ms.max(self.since_ms))
    }

    /// The ticks of a range, its end left out.
    pub(crate) fn ticks(&self, range: Range<i64>) -> impl Iterator<Item = i64> + '_ {
        // Its first tick is after the instant at which it was asked for.
        let begin_ms = self.since_ms.saturating_add(1);
        let before = self.own.matching(range.start..range.end.min(begin_ms));
        before.chain(self.schedule.matching(range.start.max(begin_ms)..range.end))
    }
}

/// A job as the node described it that started with it last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CatalogedJob {
    /// When it is due: the schedule in the code, as text.
    pub schedule: String,
    /// The same in words; empty if an older node described it.
    pub words: String,
    /// What it is for, if that was said.
    pub description: Option<String>,
    /// The group that it is in, if that was said.
    pub group: Option<String>,
    /// When a node first described it, ms since the Unix epoch.
    pub first_ms: i64,
    /// When a node described it last: when the newest of its nodes started, or when the store had forgotten it.
    pub last_ms: i64,
    /// All that was said: the parts of the schedule (`cron` or `every_ms` and `offset_ms`, or `manual`; `tz`, `start`,
    /// `end`, `within`, `except`), the policies by their names, and the rest.
    pub descriptor: JobDescriptor,
    /// Those that the handle was given which read it: the catalog has their names alone.
    calendars: Arc<[Calendar]>,
}

impl CatalogedJob {
    pub(crate) fn of(entry: &CatalogEntry, calendars: &Arc<[Calendar]>) -> Self {
        let descriptor = JobDescriptor::from_text(&entry.text);
        let text = |key| descriptor.get(key).map(str::to_owned);
        CatalogedJob {
            schedule: text("schedule").unwrap_or_default(),
            words: text("words").unwrap_or_default(),
            description: text("description"),
            group: text("group"),
            first_ms: entry.first_ms,
            last_ms: entry.last_ms,
            descriptor,
            calendars: Arc::clone(calendars),
        }
    }

    /// Whether living nodes that have the job say so. They do not of a job that the program has disabled, nor of one
    /// that each node runs by itself (`scope = every_node`): such a job may be well although no node names it.
    pub fn is_listed(&self) -> bool {
        !self.is_disabled() && !self.is_of_every_node()
    }

    /// Whether the program has disabled the job.
    pub fn is_disabled(&self) -> bool {
        self.descriptor.get("enabled") == Some("false")
    }

    /// Whether each node that has the job runs each of its ticks by itself.
    pub fn is_of_every_node(&self) -> bool {
        self.descriptor.get("scope") == Some("every_node")
    }

    /// The first `n` ticks of a job with this entry after an instant, at most 100,000. No request is made, so a page of
    /// many jobs that [`Control::jobs`] listed costs nothing more.
    ///
    /// # Errors
    ///
    /// [`Error::Schedule`] if this process cannot compute them.
    pub fn next(&self, job: &str, after: SystemTime, n: usize) -> Result<Vec<SystemTime>, Error> {
        let schedule = self.schedule(job, &zones(job)?)?;
        let ticks = schedule.after(ms(after)).take(n.min(MAX_TICKS));
        Ok(ticks.map(instant).collect())
    }

    /// The ticks of a job with this entry in a range, its end left out; at most the first 100,000. No request is made.
    ///
    /// # Errors
    ///
    /// As those of [`next`](Self::next).
    pub fn matching(&self, job: &str, range: Range<SystemTime>) -> Result<Vec<SystemTime>, Error> {
        let schedule = self.schedule(job, &zones(job)?)?;
        let ticks = schedule.matching(ms(range.start)..ms(range.end));
        Ok(ticks.take(MAX_TICKS).map(instant).collect())
    }

    /// The schedule, made again from its parts.
    ///
    /// # Errors
    ///
    /// The parts are those of a newer release, or the schedule depends on what only the program has.
    pub fn schedule(&self, job: &str, zones: &ZoneData) -> Result<Schedule, Error> {
        let refuse = |why: String| Error::Schedule {
            job: job.to_owned(),
            why,
        };
        let schedule = made_again(&self.descriptor, zones, &self.calendars);
        let schedule = schedule
            .map_err(|error| match error.kind() {
                ScheduleErrorKind::Calendar => refuse(format!("{error}. {WHOSE_CALENDARS}")),
                _ => refuse(error.to_string()),
            })?
            .ok_or_else(|| refuse("its kind is one that this release does not know".to_owned()))?;
        let identity = schedule.identity().to_string();
        match self.descriptor.get("identity") == Some(identity.as_str()) {
            true => Ok(schedule),
            false => Err(refuse(
                "it has other ticks here than in its program: the time zone data differ, or the days of a calendar. Give \
                 this process the same"
                    .to_owned(),
            )),
        }
    }
}

/// `None` if it has no part that says when it is due.
fn made_again(
    job: &JobDescriptor,
    zones: &ZoneData,
    calendars: &[Calendar],
) -> Result<Option<Schedule>, ScheduleError> {
    let zone = match job.get("tz") {
        Some(name) => zones.zone(name)?,
        None => Zone::utc(),
    };
    let ms = |key| {
        let text = job.get(key)?;
        text.parse().ok().map(Duration::from_millis)
    };
    let plain = match (job.get("cron"), ms("every_ms"), job.get("manual")) {
        (Some(expression), _, _) => Schedule::cron(expression, zone.clone())?,
        (_, Some(period), _) => Schedule::every(period, ms("offset_ms").unwrap_or_default())?,
        (_, _, Some(_)) => Schedule::manual(),
        _ => return Ok(None),
    };
    let mut restriction = Restriction::new(zone).zone_data(zones.clone());
    if let Some(start) = job.get("start") {
        restriction = restriction.start(start)?;
    }
    if let Some(end) = job.get("end") {
        restriction = restriction.end(end)?;
    }
    if let Some(within) = job.get("within") {
        restriction = restriction.within(within)?;
    }
    if let Some(items) = job.get("except") {
        let items: Vec<&str> = items.split('\n').collect();
        restriction = restriction.except_all(&items)?;
    }
    // The days of calendars are not in the catalog.
    plain
        .restricted(restriction.calendars(calendars)?)
        .map(Some)
}

/// Up to which tick each of these shards is decided; 0 if none of one is.
pub(crate) fn decided_ms<'a>(shards: impl IntoIterator<Item = &'a UnitStatus>) -> i64 {
    let decided = shards.into_iter().map(|unit| unit.marks.decided_to());
    let first = decided.map(|to| to.map_or(0, TickMs::ms)).min();
    first.unwrap_or_default()
}

/// Since when the job of these shards is gone.
fn gone_since_ms(shards: &[UnitStatus]) -> Option<i64> {
    let decides = shards.first()?.decides.as_ref();
    decides.and_then(DecidingSchedule::gone_since_ms)
}

/// The zone rules that this process has.
pub(crate) fn zones(job: &str) -> Result<ZoneData, Error> {
    ZoneData::current().map_err(|error| Error::Schedule {
        job: job.to_owned(),
        why: error.to_string(),
    })
}

pub(crate) fn ms(instant: SystemTime) -> i64 {
    let since_epoch = instant.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
}

pub(crate) fn instant(ms: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(u64::try_from(ms).unwrap_or_default())
}

impl Control {
    /// What the catalog has of a job, and the store's clock in ms.
    pub(crate) async fn cataloged(&self, job: &str) -> Result<(CatalogedJob, i64), Error> {
        self.check_job(job).await?;
        let reply = self.read_catalog(self.reader(job)).await?;
        let now_ms = (reply.head.now_us / 1_000) as i64;
        let catalog = reply.body.catalog.unwrap_or_default();
        let entry = catalog.get(job).ok_or_else(|| Error::Schedule {
            job: job.to_owned(),
            why: "no node has described it: its nodes are of an older release, or have not started yet".to_owned(),
        })?;
        Ok((CatalogedJob::of(entry, &self.calendars), now_ms))
    }

    /// The schedule in force, and up to which instant it has no tick; the schedule in the code, and the store's clock.
    pub(crate) async fn in_force(&self, job: &str) -> Result<InForce, Error> {
        let known = self.cataloged(job).await?;
        let directives = self.read(self.reader(job)).await?.body.directives;
        let wanted = directives.get(job).and_then(|own| own.schedule.as_ref());
        InForce::of(job, known, wanted)
    }

    /// Up to which tick each shard of a job is decided; 0 if none of one is.
    pub(crate) async fn decided_ms(&self, job: &str) -> Result<i64, Error> {
        let count = self.shards(job).await?;
        Ok(decided_ms(&self.states(job, count).await?))
    }

    /// The state of each of so many shards of a job.
    async fn states(&self, job: &str, count: u32) -> Result<Vec<UnitStatus>, Error> {
        let units: Vec<UnitName> = (0..count).map(|shard| UnitName::new(job, shard)).collect();
        let store = self.reader(job);
        let mut shards = Vec::with_capacity(units.len());
        for batch in units.chunks(MAX_BATCH) {
            shards.extend(ask(|| store.inspect(&self.caller, batch)).await?.body);
        }
        Ok(shards)
    }

    /// Since when no living node has the job, by the store's clock: it has no tick after that.
    async fn gone_since_ms(&self, job: &str) -> Result<Option<i64>, Error> {
        Ok(gone_since_ms(&self.states(job, 1).await?))
    }

    /// The next `n` ticks of a job's schedule, at most 100,000, after now by the store's clock, without those
    /// that are decided already. Pauses make no difference. A job that no living node has, has none, as soon as the
    /// other nodes saw that.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownJob`], [`Error::Store`]; [`Error::Schedule`] if this process cannot compute them.
    pub async fn next(&self, job: &str, n: usize) -> Result<Vec<SystemTime>, Error> {
        self.check_right(Action::View, job).await?;
        let in_force = self.in_force(job).await?;
        let said = in_force.cataloged.descriptor.get("shards");
        let count = said.and_then(|it| it.parse().ok()).unwrap_or(1);
        let shards = self.states(job, count.clamp(1, MAX_SHARDS)).await?;
        if gone_since_ms(&shards).is_some() {
            return Ok(Vec::new());
        }
        // A clock that was ahead may have decided ticks that are still to come: these do not run.
        let after_ms = in_force.now_ms.max(decided_ms(&shards));
        let ticks = in_force.after(after_ms).take(n.min(MAX_TICKS));
        Ok(ticks.map(instant).collect())
    }

    /// The ticks of a job's schedule in a range, its end left out; at most the first 100,000. A schedule that was
    /// [asked for](Self::reschedule) in place of that in the code counts from then on, that in the code before, even if
    /// others were asked for before: which ticks the job had in the past, [`audit`](Self::audit) says. Of a job that no
    /// living node has, those until its last node was gone.
    ///
    /// # Errors
    ///
    /// As those of [`next`](Self::next).
    pub async fn matching(
        &self,
        job: &str,
        range: Range<SystemTime>,
    ) -> Result<Vec<SystemTime>, Error> {
        self.check_right(Action::View, job).await?;
        let in_force = self.in_force(job).await?;
        let gone_since_ms = self.gone_since_ms(job).await?;
        let to_ms = gone_since_ms.map_or(i64::MAX, |gone_ms| gone_ms.saturating_add(1));
        let ticks = in_force.ticks(ms(range.start)..ms(range.end).min(to_ms));
        Ok(ticks.take(MAX_TICKS).map(instant).collect())
    }
}

#[cfg(test)]
mod tests;
