//! What the catalog says of a job, as pages show it: its zone, and the ticks that follow.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::tz::TimeZone;
use scheduled_one_control::{CatalogedJob, JobSummary};

/// The next ticks of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    /// These, ms; none if the schedule is over or the job runs on request alone.
    Ticks(Vec<i64>),
    /// They cannot be computed here, for this reason.
    Unknown(String),
}

impl Plan {
    /// The next `n` ticks.
    pub(crate) fn of(job: &str, cataloged: Option<&CatalogedJob>, now_ms: i64, n: usize) -> Self {
        let Some(cataloged) = cataloged else {
            return Plan::Unknown("no node has described the job".to_owned());
        };
        if cataloged.is_disabled() {
            return Plan::Ticks(Vec::new());
        }
        match cataloged.next(job, instant(now_ms), n) {
            Ok(ticks) => Plan::Ticks(ticks.into_iter().map(ms).collect()),
            Err(error) => Plan::Unknown(error.to_string()),
        }
    }

    /// The next tick of a job in a list.
    pub(crate) fn of_summary(job: &JobSummary, now_ms: i64) -> Self {
        if !job.is_overridden {
            return Plan::of(&job.job, job.cataloged.as_ref(), now_ms, 1);
        }
        if is_disabled(job) {
            return Plan::Ticks(Vec::new());
        }
        match job.next(instant(now_ms), 1) {
            Ok(ticks) => Plan::Ticks(all_ms(&ticks)),
            Err(error) => Plan::Unknown(error.to_string()),
        }
    }

    pub(crate) fn ticks(&self) -> &[i64] {
        match self {
            Plan::Ticks(ticks) => ticks,
            Plan::Unknown(_) => &[],
        }
    }
}

/// The ticks in a range, ms, its end left out; nothing if they cannot be computed here.
pub(crate) fn ticks_in(
    job: &str,
    cataloged: Option<&CatalogedJob>,
    from_ms: i64,
    to_ms: i64,
) -> Option<Vec<i64>> {
    let cataloged = cataloged.filter(|cataloged| !cataloged.is_disabled())?;
    let ticks = cataloged
        .matching(job, instant(from_ms)..instant(to_ms))
        .ok()?;
    Some(ticks.into_iter().map(ms).collect())
}

/// The ticks of the schedule in force of a job in a list, likewise.
pub(crate) fn ticks_of_summary(job: &JobSummary, from_ms: i64, to_ms: i64) -> Option<Vec<i64>> {
    if !job.is_overridden {
        return ticks_in(&job.job, job.cataloged.as_ref(), from_ms, to_ms);
    }
    if is_disabled(job) {
        return None;
    }
    let ticks = job.matching(instant(from_ms)..instant(to_ms)).ok()?;
    Some(all_ms(&ticks))
}

pub(crate) fn is_disabled(job: &JobSummary) -> bool {
    let cataloged = job.cataloged.as_ref();
    cataloged.is_some_and(CatalogedJob::is_disabled)
}

/// The zone of a job's schedule; UTC if it says none, or one that this process does not have.
pub(crate) fn zone_of(cataloged: Option<&CatalogedJob>) -> TimeZone {
    let name = cataloged.and_then(|cataloged| cataloged.descriptor.get("tz"));
    let zone = name.and_then(|name| TimeZone::get(name).ok());
    zone.unwrap_or(TimeZone::UTC)
}

pub(crate) fn instant(ms: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(u64::try_from(ms).unwrap_or_default())
}

/// These instants, ms.
pub(crate) fn all_ms(instants: &[SystemTime]) -> Vec<i64> {
    instants.iter().copied().map(ms).collect()
}

fn ms(instant: SystemTime) -> i64 {
    crate::text::millis(instant.duration_since(UNIX_EPOCH).unwrap_or_default())
}
