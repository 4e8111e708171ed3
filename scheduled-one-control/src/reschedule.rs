//! Another schedule in place of that in the code.

use std::time::SystemTime;

use scheduled_one_protocol::{ScheduleId, ScheduleOverride, UnitName};
use scheduled_one_schedule::{Schedule, Zone, ZoneData};

use crate::ask::ask;
use crate::catalog::{CatalogedJob, instant, zones};
use crate::change::ChangeDirective;
use crate::control::Control;
use crate::error::Error;
use crate::wish::Wish;

/// Ticks that a preview has.
const PREVIEWED: usize = 5;

/// The schedule that operators want in place of that in the code.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OverrideOf {
    /// What is wanted; the text is empty if the schedule in the code is in force again.
    pub wanted: ScheduleOverride,
    /// The code has another schedule now than the one that it was to replace: the code decides.
    pub is_void: bool,
}

impl OverrideOf {
    /// Whether it decides, and not the schedule in the code.
    pub fn is_in_force(&self) -> bool {
        !self.is_void && !self.wanted.is_reset()
    }
}

/// What a change of a schedule would come to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SchedulePreview {
    /// The schedule that would be in force.
    pub schedule: String,
    /// Its next ticks, at most five.
    pub next: Vec<SystemTime>,
    /// It is in force already.
    pub already: bool,
    /// The version of the directive.
    pub version: u64,
}

impl Control {
    /// Gives a job another schedule in place of that in its code: a cron expression, `every 5m`, or
    /// `every 90s offset 10s`. What the code's `start`, `end`, `within` and `except` take is taken from it as well. The
    /// cron expression is read in the zone of the code, or in that of [`tz`](ChangeDirective::tz).
    ///
    /// It has no tick up to the instant at which it was asked for, and holds for as long as the code has the schedule
    /// that it replaces: a deployment that changes the schedule in the code wins, and a warning says so. Nodes know of
    /// it within a heartbeat, a second.
    ///
    /// ```no_run
    /// # use scheduled_one_control::{Control, Error};
    /// # async fn demo(control: Control) -> Result<(), Error> {
    /// let later = control.reschedule("nightly", "0 0 4 * * *").tz("Europe/Berlin");
    /// println!("{:?}", later.clone().preview().await?.next);
    /// later.by("ann").note("after the backup").await?;
    /// control.reset("nightly").await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] with what is wrong in the text; [`Error::Schedule`] if this process cannot compute its
    /// ticks, or if nodes have different schedules and the one that decides is not known here; else as
    /// [`pause`](Self::pause).
    pub fn reschedule(&self, job: impl Into<String>, text: impl Into<String>) -> ChangeDirective {
        let wish = Wish::Reschedule {
            text: text.into(),
            zone: None,
            base: None,
        };
        self.change(job, wish)
    }

    /// The schedule in the code is in force again. It has no tick of the time before that is not decided.
    ///
    /// # Errors
    ///
    /// As [`reschedule`](Self::reschedule).
    pub fn reset(&self, job: impl Into<String>) -> ChangeDirective {
        self.change(job, Wish::Reset { base: None })
    }
}

impl Control {
    /// # Errors
    ///
    /// The schedule that the catalog has, that of the node that described the job last, is not the one that decides the
    /// ticks of the job: nodes have different ones. What is asked for would be bound to the wrong one.
    pub(crate) async fn check_decides(&self, job: &str, known: &CatalogedJob) -> Result<(), Error> {
        let unit = [UnitName::new(job, 0)];
        let reply = ask(|| self.reader(job).inspect(&self.caller, &unit)).await?;
        let decides = reply.body.into_iter().next();
        let decides = decides.and_then(|unit| unit.decides);
        // Of a job that is gone, that of its last node counts.
        let decides = decides.filter(|decides| decides.gone_since_ms().is_none());
        let (Some(decides), Some(said)) = (decides, known.descriptor.get("identity")) else {
            return Ok(());
        };
        if decides.id.to_string() == said {
            return Ok(());
        }
        Err(Error::Schedule {
            job: job.to_owned(),
            why: format!(
                "nodes have different schedules: that of node {} decides, and another one was described last; `jobs \
                 --problems` shows it. Ask again when all nodes are of one release",
                decides.node
            ),
        })
    }
}

impl ChangeDirective {
    /// The time zone in which the cron expression of a [`reschedule`](Control::reschedule) is read.
    pub fn tz(mut self, name: impl Into<String>) -> Self {
        if let Wish::Reschedule { zone, .. } = &mut self.wish {
            *zone = Some(name.into());
        }
        self
    }

    /// What a [`reschedule`](Control::reschedule) or a [`reset`](Control::reset) would come to. Nothing is changed.
    ///
    /// # Errors
    ///
    /// As the change itself; [`Error::Argument`] for another change.
    pub async fn preview(mut self) -> Result<SchedulePreview, Error> {
        let right = self.wish.right();
        self.control.check_right(right, &self.subject).await?;
        let schedule = self.resolve().await?.ok_or_else(|| Error::Argument {
            argument: "preview",
            message: "this change concerns no schedule; `describe` shows what holds now".to_owned(),
        })?;
        let reply = self
            .control
            .read(self.control.reader(&self.subject))
            .await?;
        let now_ms = (reply.head.now_us / 1_000) as i64;
        let stored = reply.body.directives.get(&self.subject).cloned();
        let stored = stored.unwrap_or_default();
        if self
            .expect
            .is_some_and(|expected| expected != stored.version)
        {
            return Err(self.conflict(stored, now_ms));
        }
        let next = schedule.after(now_ms).take(PREVIEWED);
        Ok(SchedulePreview {
            schedule: schedule.to_string(),
            next: next.map(instant).collect(),
            already: self.wished(&stored, now_ms, false)?.is_none(),
            version: stored.version,
        })
    }

    /// Reads which schedule the code has, and checks the one that is asked for. Returns the schedule that would be in
    /// force; `None` if the change concerns none.
    pub(crate) async fn resolve(&mut self) -> Result<Option<Schedule>, Error> {
        if !self.wish.is_of_one_job() {
            return Ok(None);
        }
        let job = &self.subject;
        if let Wish::Resume { decided_ms, .. } = &mut self.wish {
            *decided_ms = Some(self.control.decided_ms(job).await?);
            return Ok(None);
        }
        let (cataloged, _) = self.control.cataloged(job).await?;
        if cataloged.is_of_every_node() {
            return Err(Error::Argument {
                argument: "job",
                message: format!(
                    "{job} has `scope = every_node`: each node runs it by itself, and takes no schedule from here; \
                     change it in the code"
                ),
            });
        }
        if matches!(self.wish, Wish::Reschedule { .. }) {
            self.control.check_decides(job, &cataloged).await?;
        }
        let zones = zones(job)?;
        let own = cataloged.schedule(job, &zones)?;
        let identity = Some(ScheduleId(own.identity().as_u64()));
        let (text, zone) = match &mut self.wish {
            Wish::Reschedule { text, zone, base } => {
                *base = identity;
                (text, zone)
            }
            Wish::Reset { base } => {
                *base = identity;
                return Ok(Some(own));
            }
            Wish::Pause { .. } | Wish::Resume { .. } => return Ok(None),
        };
        let bad = |argument, why: String| Error::Argument {
            argument,
            message: why,
        };
        let of_code = || cataloged.descriptor.get("tz").unwrap_or("UTC").to_owned();
        let name = zone.get_or_insert_with(of_code);
        let known = zones
            .zone(name)
            .map_err(|error| bad("tz", error.to_string()))?;
        let schedule = plain(text, known)
            .and_then(|plain| own.with_rate_of(plain).map_err(|error| error.to_string()))
            .map_err(|error| bad("schedule", error))?;
        Ok(Some(schedule))
    }
}

fn plain(text: &str, zone: Zone) -> Result<Schedule, String> {
    match text.trim() {
        "" => Err("it is empty; write `0 0 4 * * *` or `every 5m`".to_owned()),
        text => Schedule::parse(text, zone).map_err(|error| error.to_string()),
    }
}

/// What holds in place of the schedule in the code.
pub(crate) fn override_of(
    wanted: Option<&ScheduleOverride>,
    cataloged: Option<&CatalogedJob>,
) -> Option<OverrideOf> {
    let wanted = wanted?.clone();
    let identity = cataloged.and_then(|job| job.descriptor.get("identity"));
    let has_changed = identity.is_some_and(|identity| identity != wanted.base.to_string());
    let is_void = has_changed && !wanted.is_reset();
    Some(OverrideOf { wanted, is_void })
}

/// The schedule in force: `own`, or what operators want in its place; and up to which instant it has no tick.
pub(crate) fn in_force(
    job: &str,
    own: Schedule,
    wanted: Option<&ScheduleOverride>,
    zones: &ZoneData,
) -> Result<(Schedule, i64), Error> {
    let base = ScheduleId(own.identity().as_u64());
    let Some(wanted) = wanted.filter(|wanted| wanted.base == base) else {
        return Ok((own, i64::MIN));
    };
    if wanted.is_reset() {
        return Ok((own, wanted.since_ms));
    }
    let zone = zones.zone(&wanted.zone).map_err(|error| error.to_string());
    let schedule = zone
        .and_then(|zone| plain(&wanted.text, zone))
        .and_then(|plain| own.with_rate_of(plain).map_err(|error| error.to_string()));
    let refuse = |why| Error::Schedule {
        job: job.to_owned(),
        why: format!(
            "the schedule in place of that in the code, `{}`: {why}",
            wanted.text
        ),
    };
    Ok((schedule.map_err(refuse)?, wanted.since_ms))
}
