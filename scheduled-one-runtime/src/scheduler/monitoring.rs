//! Monitors outside get a sign when a run starts and when it has ended. Runs put signs into bounded queues and go on;
//! tasks of their own send them, so a monitor that hangs delays no run.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use scheduled_one_alerts::{Monitor, MonitorSchedule, RunEnd, RunInfo};
use scheduled_one_protocol::clock::Clock;
use scheduled_one_protocol::{UnitName, hash};
use scheduled_one_schedule::parse_duration;
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;

use crate::compiled_job::CompiledJob;
use crate::error::Error;
use crate::event;
use crate::log_throttle::LogThrottle;
use crate::metrics::monitor_metrics::{MonitorMetrics, SignResult};
use crate::run::NewRun;
use crate::run_result::RunResult;
use crate::run_signs::RunSigns;
use crate::scheduler::builder::SchedulerBuilder;
use crate::user_code;

/// How many signs to one monitor are on their way at once. Those of one unit keep their order.
const LANES: usize = 8;

/// Signs that wait in one lane; beyond them, new ones are dropped.
const MAX_WAITING: usize = 128;

/// A run, and its end if it has one.
#[derive(Debug)]
struct Sign {
    run: RunInfo,
    end: Option<RunEnd>,
}

/// The signs of a scheduler's runs on their way to its monitors.
pub(crate) struct Monitoring {
    namespace: String,
    monitors: Vec<Queues>,
    watched: Watched,
    /// Jobs of which the log has said that they have no schedule for a monitor.
    unwatched: Mutex<HashSet<Arc<str>>>,
    tasks: Mutex<Vec<AbortHandle>>,
    shared: Arc<Shared>,
}

/// The schedules in the code of the jobs that ran, as monitors know them. They stay what they are, so each is read from
/// its text once.
#[derive(Default)]
struct Watched(Mutex<HashMap<Arc<str>, MonitorSchedule>>);

/// The queues to one monitor.
struct Queues {
    name: Arc<str>,
    learns_schedules: bool,
    lanes: Vec<mpsc::Sender<Sign>>,
}

struct Shared {
    clock: Arc<dyn Clock>,
    /// How many signs wait, or are on their way.
    pending: watch::Sender<usize>,
    dropped: AtomicU64,
    throttle: LogThrottle,
    metrics: Arc<MonitorMetrics>,
}

impl SchedulerBuilder {
    /// Sends a monitor outside a sign when a run of a schedule starts and when it has ended; several calls add several
    /// monitors. It notices when no sign comes: also when *all* nodes are dead, which nobody inside can say. See
    /// [docs/alerts.md](https://github.com/scheduled-one/scheduled-one/blob/main/scheduled-one-alerts/docs/alerts.md#monitors).
    ///
    /// A run never waits for a monitor: at most 1,024 signs to each wait, further ones are dropped, which is logged. A
    /// shutdown waits up to five seconds for the last ones, within its grace.
    ///
    /// Retries are part of their run. No sign is sent of a run that somebody asked for, of a job with
    /// `scope = every_node`, or of a tick that was missed or skipped.
    ///
    /// At start the monitor is checked, and its secrets are read; a mistake is [`Error::Setting`].
    ///
    /// ```
    /// use scheduled_one_runtime::alerts::{Healthchecks, Secret};
    /// use scheduled_one_runtime::Scheduler;
    ///
    /// let builder = Scheduler::builder("memory://")
    ///     .monitor(Healthchecks::new(Secret::env("HC_PING_KEY")).create());
    /// # let _ = builder;
    /// ```
    pub fn monitor(mut self, monitor: impl Monitor) -> Self {
        self.monitors.push(Arc::new(monitor));
        self
    }

    /// Checks the monitors, and starts the tasks that send signs. `None` if there is no monitor.
    pub(super) async fn add_monitoring(&mut self) -> Result<Option<Arc<Monitoring>>, Error> {
        let monitors = std::mem::take(&mut self.monitors);
        for monitor in &monitors {
            let checked = user_code::catch(Box::pin(async { monitor.check().await })).await;
            let why = match checked {
                Ok(Ok(())) => continue,
                Ok(Err(error)) => error.to_string(),
                Err(panic) => format!("its check panicked: {}", panic.text),
            };
            return Err(Error::Setting {
                setting: "monitor",
                message: format!("the monitor `{}`: {why}", name_of(&**monitor)),
            });
        }
        if monitors.is_empty() {
            return Ok(None);
        }
        let monitoring = Arc::new(Monitoring::start(&self.namespace, &self.clock, &monitors));
        self.signs = Some(Arc::clone(&monitoring) as Arc<dyn RunSigns>);
        Ok(Some(monitoring))
    }
}

fn name_of(monitor: &dyn Monitor) -> String {
    user_code::call(|| monitor.name().to_owned()).unwrap_or_else(|_| "unnamed".to_owned())
}

impl Monitoring {
    fn start(namespace: &str, clock: &Arc<dyn Clock>, monitors: &[Arc<dyn Monitor>]) -> Self {
        let monitors = monitors
            .iter()
            .map(|monitor| (name_of(&**monitor).into(), monitor));
        let monitors: Vec<(Arc<str>, &Arc<dyn Monitor>)> = monitors.collect();
        let names = monitors.iter().map(|(name, _)| Arc::clone(name));
        let shared = Arc::new(Shared {
            clock: Arc::clone(clock),
            pending: watch::Sender::new(0),
            dropped: AtomicU64::new(0),
            throttle: LogThrottle::default(),
            metrics: Arc::new(MonitorMetrics::of(names)),
        });
        let mut tasks = Vec::new();
        let queues = monitors.into_iter().map(|(name, monitor)| {
            let mut lane = || {
                let (sender, receiver) = mpsc::channel(MAX_WAITING);
                let (monitor, shared) = (Arc::clone(monitor), Arc::clone(&shared));
                let task = tokio::spawn(send_all(monitor, Arc::clone(&name), receiver, shared));
                tasks.push(task.abort_handle());
                sender
            };
            Queues {
                lanes: (0..LANES).map(|_| lane()).collect(),
                learns_schedules: user_code::call(|| monitor.learns_schedules()).unwrap_or(false),
                name,
            }
        });
        let monitors = queues.collect();
        Monitoring {
            namespace: namespace.to_owned(),
            monitors,
            watched: Watched::default(),
            unwatched: Mutex::default(),
            tasks: Mutex::new(tasks),
            shared,
        }
    }

    /// What became of the signs.
    pub(super) fn metrics(&self) -> Arc<MonitorMetrics> {
        Arc::clone(&self.shared.metrics)
    }

    /// Waits until all signs were sent, or given up.
    pub(super) async fn wait_sent(&self) {
        let mut pending = self.shared.pending.subscribe();
        // The sender lives as long as this does.
        let _ = pending.wait_for(|pending| *pending == 0).await;
    }

    /// Ends the tasks; signs that still wait are lost.
    pub(super) fn end(&self) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.drain(..).for_each(|task| task.abort());
        let lost = self.shared.pending.send_replace(0);
        if lost > 0 {
            event::alerts::signs_lost_at_stop(lost);
        }
    }

    fn push(&self, run: &RunInfo, end: Option<&RunEnd>) {
        let lane = hash(&run.job, 0) as usize % LANES;
        for monitor in &self.monitors {
            let sign = Sign {
                run: run.clone(),
                end: end.cloned(),
            };
            let pending = &self.shared.pending;
            pending.send_modify(|pending| *pending += 1);
            if monitor.lanes[lane].try_send(sign).is_err() {
                pending.send_modify(|pending| *pending = pending.saturating_sub(1));
                self.shared.note_dropped(&monitor.name);
            }
        }
    }

    /// `None` of a run that no monitor is informed of.
    fn info(&self, run: &NewRun, started_ms: i64) -> Option<RunInfo> {
        let job = &run.job;
        (!job.is_internal).then(|| RunInfo {
            namespace: self.namespace.clone(),
            job: UnitName::new(&job.name, run.shard.index)
                .as_str()
                .to_owned(),
            tick_ms: run.id.tick.ms(),
            attempt: run.id.attempt,
            started_ms,
            schedule: self.schedule_of(job),
            zone: job.schedule().zone().name().to_owned(),
        })
    }

    /// The schedule that a monitor may watch: that of a job whose ticks are those of a plain expression, and start on
    /// time.
    fn schedule_of(&self, job: &CompiledJob) -> MonitorSchedule {
        let own = job.schedules.own();
        let is_plain = job.rules.jitter.is_zero() && job.since_ms() == 0 && job.schedule() == *own;
        let read = || plain(&own.to_string(), own.zone().name());
        let schedule = match is_plain {
            true => self.watched.of(&job.name, read),
            false => MonitorSchedule::Other,
        };
        if schedule == MonitorSchedule::Other {
            self.note_unwatched(&job.name);
        }
        schedule
    }

    /// Says once that monitors which learn schedules have none of the job.
    fn note_unwatched(&self, job: &Arc<str>) {
        let learning = || self.monitors.iter().filter(|it| it.learns_schedules);
        let mut unwatched = self
            .unwatched
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if learning().next().is_some() && unwatched.insert(Arc::clone(job)) {
            for monitor in learning() {
                event::alerts::schedule_not_watched(&monitor.name, job);
            }
        }
    }
}

impl Watched {
    /// The schedule of a job; `read` is called the first time.
    fn of(&self, job: &Arc<str>, read: impl FnOnce() -> MonitorSchedule) -> MonitorSchedule {
        let mut watched = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match watched.get(job) {
            Some(schedule) => schedule.clone(),
            None => watched.entry(Arc::clone(job)).or_insert(read()).clone(),
        }
    }
}

impl RunSigns for Monitoring {
    fn started(&self, run: &NewRun, started_ms: i64) {
        if let Some(info) = self.info(run, started_ms) {
            self.push(&info, None);
        }
    }

    fn ended(&self, run: &NewRun, result: &RunResult, took: Duration, ended_ms: i64) {
        let started_ms = ended_ms.saturating_sub(took.as_millis() as i64);
        let why = [&result.error, &result.reason];
        let why = why.into_iter().find(|text| !text.is_empty());
        let end = RunEnd {
            ended_ms,
            outcome: result.outcome,
            error: why.cloned().unwrap_or_default(),
        };
        if let Some(info) = self.info(run, started_ms) {
            self.push(&info, Some(&end));
        }
    }
}

impl Shared {
    fn note_dropped(&self, monitor: &str) {
        self.metrics.count(monitor, SignResult::Dropped);
        let dropped = self.dropped.fetch_add(1, Ordering::AcqRel) + 1;
        let text = format!("dropped: {monitor}");
        if self.throttle.allows(text, self.clock.boottime()) {
            event::alerts::sign_dropped(monitor, dropped);
        }
    }

    fn note_failed(&self, monitor: &str, job: &str, why: &dyn fmt::Display) {
        self.metrics.count(monitor, SignResult::GivenUp);
        let text = format!("failed: {monitor}");
        if self.throttle.allows(text, self.clock.boottime()) {
            event::alerts::sign_failed(monitor, job, why);
        }
    }
}

/// Sends the signs of one lane, one after the other.
async fn send_all(
    monitor: Arc<dyn Monitor>,
    name: Arc<str>,
    mut signs: mpsc::Receiver<Sign>,
    shared: Arc<Shared>,
) {
    while let Some(Sign { run, end }) = signs.recv().await {
        let sent = user_code::catch(Box::pin(async {
            match &end {
                None => monitor.started(&run).await,
                Some(end) => monitor.ended(&run, end).await,
            }
        }));
        match sent.await {
            Ok(Ok(())) => shared.metrics.count(&name, SignResult::Delivered),
            Ok(Err(error)) => shared.note_failed(&name, &run.job, &error),
            Err(panic) => {
                let why = format!("the monitor panicked: {}", panic.text);
                shared.note_failed(&name, &run.job, &why);
            }
        }
        let pending = &shared.pending;
        pending.send_modify(|pending| *pending = pending.saturating_sub(1));
    }
}

/// Of the text of a schedule: one with a restriction says more than its expression and its zone.
fn plain(text: &str, zone: &str) -> MonitorSchedule {
    let cron = text.strip_prefix("cron \"").and_then(|rest| {
        let (expression, rest) = rest.split_once('"')?;
        (rest == format!(" in {zone}")).then(|| MonitorSchedule::cron(expression))
    });
    let every = || {
        let period = text.strip_prefix("every ")?;
        let (period, offset) = period.split_once(" offset ").unwrap_or((period, period));
        parse_duration(offset).ok()?; // and nothing behind it
        Some(MonitorSchedule::every(parse_duration(period).ok()?))
    };
    cron.or_else(every).unwrap_or(MonitorSchedule::Other)
}

#[cfg(test)]
mod tests {
    use scheduled_one_schedule::{Restriction, Schedule, Zone, parse_zone};

    use super::*;

    #[test]
    fn the_text_of_a_schedule_is_read_once() {
        let (watched, mut reads) = (Watched::default(), 0);
        let [hourly, daily] = ["hourly", "daily"].map(Arc::from);
        for _ in 0..3 {
            for (job, minutes) in [(&hourly, 60), (&daily, 1440)] {
                let schedule = watched.of(job, || {
                    reads += 1;
                    MonitorSchedule::Minutes(minutes)
                });
                assert_eq!(schedule, MonitorSchedule::Minutes(minutes));
            }
        }
        assert_eq!(reads, 2);
    }

    #[test]
    fn a_monitor_watches_plain_schedules_alone() {
        let of = |schedule: &Schedule| plain(&schedule.to_string(), schedule.zone().name());
        let shanghai = parse_zone("Asia/Shanghai").expect("a zone");
        let daily = Schedule::cron("0 30 2 * * MON-FRI", shanghai).expect("a schedule");
        let crontab = MonitorSchedule::Crontab("30 2 * * MON-FRI".to_owned());
        assert_eq!(of(&daily), crontab);
        let hourly = Schedule::every(Duration::from_secs(3600), Duration::from_secs(60));
        let hourly = hourly.expect("a schedule");
        assert_eq!(of(&hourly), MonitorSchedule::Minutes(60));
        let quick = Schedule::every(Duration::from_secs(90), Duration::ZERO).expect("a schedule");
        assert_eq!(of(&quick), MonitorSchedule::Other);
        assert_eq!(of(&Schedule::manual()), MonitorSchedule::Other);
        for schedule in [daily, hourly] {
            let at_day = Restriction::new(Zone::utc()).within("00:00-20:00");
            let restricted = schedule.restricted(at_day.expect("a restriction"));
            assert_eq!(of(&restricted.expect("ticks")), MonitorSchedule::Other);
        }
    }
}
