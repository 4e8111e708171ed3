//! Monitors outside: services that wait for a sign of each run, and notice when none comes.

pub(crate) mod healthchecks;
mod pace;
pub(crate) mod sentry;

use std::fmt;
use std::time::Duration;

use scheduled_one_protocol::{BoxFuture, Outcome, hash};

use crate::channel::DeliveryError;
use crate::secret::SecretError;
use crate::sign::uuid_v5;

/// The waits before the second and the third attempt of a ping. It has the same id each time.
const WAITS: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(4)];

/// The longest slug, in bytes: Sentry takes 50.
const MAX_SLUG: usize = 50;

/// The namespace of the identifiers of runs: random, and never another one.
const RUNS: [u8; 16] = 0x8f0c_57a4_5d0e_4f6b_9f43_1b1e_6f0a_c2d7_u128.to_be_bytes();

/// Someone outside who is sent a sign when a run starts and when it has ended. The only ones who notice that *all*
/// nodes are dead.
///
/// Errors are for the log; a run does not wait for a monitor, and does not fail because of one.
pub trait Monitor: fmt::Debug + Send + Sync + 'static {
    /// Tells the monitor from the others, in events. Not secret.
    fn name(&self) -> &str;

    /// Whether the monitor can be used, as far as that is known without a ping.
    ///
    /// # Errors
    ///
    /// A secret or an address that cannot be used.
    fn check(&self) -> BoxFuture<'_, Result<(), SecretError>>;

    /// Whether the monitor learns the schedules of jobs by its signs, and notices no missing run of a job without one.
    /// Then the log says once of each job that its schedule is none that monitors know. `false` unless a monitor says
    /// so.
    fn learns_schedules(&self) -> bool {
        false
    }

    /// A run has started: its first attempt on this node.
    ///
    /// Takes up to three attempts. Cancel safety: a dropped ping may have been received.
    ///
    /// # Errors
    ///
    /// Why the last attempt failed. The text holds no secret.
    fn started<'a>(&'a self, run: &'a RunInfo) -> BoxFuture<'a, Result<(), DeliveryError>>;

    /// A run has ended: after the last attempt on this node. For ticks that did not run, nothing is sent: the monitor
    /// notices that itself.
    ///
    /// Takes up to three attempts. Cancel safety: a dropped ping may have been received.
    ///
    /// # Errors
    ///
    /// Why the last attempt failed. The text holds no secret.
    fn ended<'a>(
        &'a self,
        run: &'a RunInfo,
        end: &'a RunEnd,
    ) -> BoxFuture<'a, Result<(), DeliveryError>>;
}

/// A run, for monitors. Times are milliseconds since the Unix epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunInfo {
    /// The namespace of the scheduler.
    pub namespace: String,
    /// The job, followed by `#3` for a shard.
    pub job: String,
    /// The tick.
    pub tick_ms: i64,
    /// The first attempt of the run.
    pub attempt: u32,
    /// When it started.
    pub started_ms: i64,
    /// The schedule of the job, as far as monitors know such ones.
    pub schedule: MonitorSchedule,
    /// The time zone of the schedule: an IANA name.
    pub zone: String,
}

/// How a run ended, for monitors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunEnd {
    /// When it ended: milliseconds since the Unix epoch.
    pub ended_ms: i64,
    /// Its outcome.
    pub outcome: Outcome,
    /// The text of the error, or the reason; may be empty.
    pub error: String,
}

/// A schedule as monitors know it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MonitorSchedule {
    /// Five fields of cron.
    Crontab(String),
    /// Every so many minutes.
    Minutes(u64),
    /// None that a monitor knows: the one that it has is left alone.
    Other,
}

impl MonitorSchedule {
    /// The schedule of six fields of cron, if five without seconds mean the same to a monitor: no seconds but 0, no
    /// `L`, `W`, `#` or `?`, not both a day of the month and a day of the week, no range that passes its end
    /// (`FRI-MON`), and no step from one value on (`5/15`).
    ///
    /// ```
    /// use scheduled_one_alerts::MonitorSchedule;
    ///
    /// let daily = MonitorSchedule::cron("0 30 2 * * MON-FRI");
    /// assert_eq!(daily, MonitorSchedule::Crontab("30 2 * * MON-FRI".to_owned()));
    /// assert_eq!(MonitorSchedule::cron("0 0 9 L * *"), MonitorSchedule::Other);
    /// assert_eq!(MonitorSchedule::cron("*/10 * * * * *"), MonitorSchedule::Other);
    /// assert_eq!(MonitorSchedule::cron("0 0 9 13 * FRI"), MonitorSchedule::Other);
    /// ```
    pub fn cron(text: &str) -> Self {
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [seconds, rest @ ..] = fields.as_slice() else {
            return MonitorSchedule::Other;
        };
        let [_, _, day, _, weekday] = rest else {
            return MonitorSchedule::Other;
        };
        // Here both have to match; crontab takes a day that matches one of them.
        let one_of_two = *day == "*" || *weekday == "*";
        match *seconds == "0" && one_of_two && rest.iter().all(|field| is_plain(field)) {
            true => MonitorSchedule::Crontab(rest.join(" ")),
            false => MonitorSchedule::Other,
        }
    }

    /// The schedule of a fixed rate, if it is one of whole minutes.
    ///
    /// ```
    /// use scheduled_one_alerts::MonitorSchedule;
    /// use std::time::Duration;
    ///
    /// let hourly = MonitorSchedule::every(Duration::from_secs(3600));
    /// assert_eq!(hourly, MonitorSchedule::Minutes(60));
    /// assert_eq!(MonitorSchedule::every(Duration::from_secs(90)), MonitorSchedule::Other);
    /// ```
    pub fn every(time: Duration) -> Self {
        let seconds = time.as_secs();
        match seconds >= 60 && seconds.is_multiple_of(60) && time.subsec_nanos() == 0 {
            true => MonitorSchedule::Minutes(seconds / 60),
            false => MonitorSchedule::Other,
        }
    }
}

/// Names that fields of cron have, in their order.
const NAMES: [&str; 19] = [
    "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC", "MON",
    "TUE", "WED", "THU", "FRI", "SAT", "SUN",
];

/// Whether a field means the same in crontab.
fn is_plain(field: &str) -> bool {
    field.split(',').all(|item| {
        let (base, step) = match item.split_once('/') {
            Some((base, step)) => (base, Some(step)),
            None => (item, None),
        };
        let is_step = step.is_none_or(|step| step.bytes().all(|byte| byte.is_ascii_digit()));
        let is_base = match base.split_once('-') {
            Some((from, to)) => value(from)
                .zip(value(to))
                .is_some_and(|(from, to)| from <= to),
            None => base == "*" || (step.is_none() && value(base).is_some()),
        };
        is_step && is_base
    })
}

/// A number, or the place of a name.
fn value(text: &str) -> Option<usize> {
    let place = || {
        NAMES
            .iter()
            .position(|name| text.eq_ignore_ascii_case(name))
    };
    text.parse().ok().or_else(place)
}

impl RunInfo {
    /// Names the run: the same in all its pings, and on each repetition of one.
    pub(crate) fn id(&self) -> String {
        let name = format!(
            "{}|{}|{}|{}",
            self.namespace, self.job, self.tick_ms, self.attempt
        );
        uuid_v5(RUNS, &name)
    }
}

impl RunEnd {
    /// Whether the run is a failure to a monitor; `None` if there was no run.
    fn failed(&self) -> Option<bool> {
        self.outcome.ran().then_some(self.outcome != Outcome::Ok)
    }
}

/// The name of a job as part of an address: small letters, digits, `-` and `_`. What had to be changed, or cut, gets a
/// digest, so that no two jobs have one slug.
fn slug(prefix: &str, job: &str) -> String {
    let name = format!("{prefix}{job}");
    let letters = name.chars().map(|c| match c.to_ascii_lowercase() {
        c @ ('a'..='z' | '0'..='9' | '-' | '_') => c,
        _ => '-',
    });
    let mut slug: String = letters.collect();
    if slug == name && slug.len() <= MAX_SLUG {
        return slug;
    }
    slug.truncate(MAX_SLUG - 9);
    format!("{slug}-{:08x}", hash(&name, 0) as u32)
}

/// Makes up to three attempts; a receiver that refuses gets one.
async fn persist<F>(attempt: impl Fn() -> F) -> Result<(), DeliveryError>
where
    F: Future<Output = Result<(), DeliveryError>>,
{
    for wait in WAITS {
        match attempt().await {
            Err(DeliveryError::Unreachable(_) | DeliveryError::Slow { .. }) => {
                tokio::time::sleep(wait).await;
            }
            done => return done,
        }
    }
    attempt().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_crontab_reads_in_another_way_is_no_crontab() {
        for same in [
            "0 */5 1-3,7 * JAN-MAR *",
            "0 0 9 * * MON-FRI",
            "0 0 9 1-31/2 * *",
        ] {
            let crontab = MonitorSchedule::Crontab(same[2..].to_owned());
            assert_eq!(MonitorSchedule::cron(same), crontab);
        }
        for other in [
            "0 0 9 13 * FRI",
            "0 0 9 * * FRI-MON",
            "0 0 22-2 * * *",
            "0 5/15 * * * *",
            "0 0 9 LW * *",
            "0 0 9 ? * MON",
            "0 0 9 * * MON#2",
            "@daily",
        ] {
            assert_eq!(
                MonitorSchedule::cron(other),
                MonitorSchedule::Other,
                "{other}"
            );
        }
    }

    #[test]
    fn two_jobs_have_two_slugs() {
        assert_eq!(slug("", "nightly_report"), "nightly_report");
        assert_eq!(slug("shop-", "nightly"), "shop-nightly");
        let (one, other) = (slug("", "a.b"), slug("", "a:b"));
        assert!(one.starts_with("a-b-") && other.starts_with("a-b-") && one != other);
        assert_eq!(slug("", &"x".repeat(80)).len(), MAX_SLUG);
    }

    #[test]
    fn a_run_has_one_id() {
        let run = RunInfo {
            namespace: "shop".to_owned(),
            job: "a".to_owned(),
            tick_ms: 1,
            attempt: 1,
            started_ms: 5,
            schedule: MonitorSchedule::Other,
            zone: "UTC".to_owned(),
        };
        let later = RunInfo {
            started_ms: 6,
            ..run.clone()
        };
        let taken_over = RunInfo {
            attempt: 2,
            ..run.clone()
        };
        assert_eq!(run.id(), later.id());
        assert_ne!(run.id(), taken_over.id());
    }
}
