//! The jobs: ordinary async functions with an attribute. Each notes its start.

use std::collections::BTreeMap;
use std::panic;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use scheduled_one_runtime::{JobContext, State, scheduled_one};

/// The jobs below and the seconds between their ticks, for the accounts at the end.
pub(crate) const JOBS: [(&str, i64); 5] = [
    ("heartbeat", 1),
    ("report", 2),
    ("import", 2),
    ("mail", 3),
    ("buggy", 4),
];

/// The plainest job: due each second.
#[scheduled_one(every = "1s", name = "heartbeat")]
async fn heartbeat(ctx: JobContext, State(starts): State<Starts>) {
    starts.note(&ctx);
}

/// A cron expression: seconds first, six fields. This one is due each even second.
#[scheduled_one(cron = "*/2 * * * * *", name = "report")]
async fn report(ctx: JobContext, State(starts): State<Starts>) {
    starts.note(&ctx);
    tokio::time::sleep(Duration::from_millis(50)).await;
}

/// Takes longer than its interval. A job never runs twice at the same time, so the tick that comes
/// due in the middle of a run is skipped, whichever replica that run is on.
#[scheduled_one(every = "2s", name = "import")]
async fn import(ctx: JobContext, State(starts): State<Starts>) {
    starts.note(&ctx);
    tokio::time::sleep(Duration::from_millis(2_500)).await;
}

/// Fails now and then. The error is recorded, and the next tick runs as usual.
#[scheduled_one(every = "3s", name = "mail")]
async fn mail(ctx: JobContext, State(starts): State<Starts>) -> anyhow::Result<()> {
    starts.note(&ctx);
    if ctx.scheduled_at().timestamp() % 9 == 0 {
        anyhow::bail!("the mail server is busy");
    }
    Ok(())
}

/// Panics now and then. That ends this run and nothing else.
#[scheduled_one(every = "4s", name = "buggy")]
async fn buggy(ctx: JobContext, State(starts): State<Starts>) {
    starts.note(&ctx);
    if ctx.scheduled_at().timestamp() % 8 == 0 {
        panic!("{INTENDED}");
    }
}

/// What the panics of this example say.
const INTENDED: &str = "index out of range";

/// The panics of `buggy` are in the table. Rust would print each once more, over several lines, in
/// the middle of it; all other panics it shall print.
pub(crate) fn hush_intended_panics() {
    let print = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        let message = info.payload().downcast_ref::<String>();
        if message.is_none_or(|message| message != INTENDED) {
            print(info);
        }
    }));
}

/// Who has started what: noted by the functions as they run, without asking the scheduler.
#[derive(Clone, Default)]
pub(crate) struct Starts {
    /// The replicas that started a job for a tick. More than one would be a duplicate.
    by_tick: Arc<Mutex<BTreeMap<JobAndTick, Vec<String>>>>,
}

type JobAndTick = (String, DateTime<Utc>);

impl Starts {
    fn note(&self, ctx: &JobContext) {
        let mut by_tick = self.by_tick.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (ctx.job().to_owned(), ctx.scheduled_at());
        by_tick.entry(key).or_default().push(ctx.node().to_owned());
    }

    /// The replicas that started the job for this tick.
    pub(crate) fn of(&self, job: &str, tick: DateTime<Utc>) -> Vec<String> {
        let by_tick = self.by_tick.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (job.to_owned(), tick);
        by_tick.get(&key).cloned().unwrap_or_default()
    }

    /// The newest tick before this one for which the job was started, and by whom.
    pub(crate) fn last_before(
        &self,
        job: &str,
        tick: DateTime<Utc>,
    ) -> Option<(DateTime<Utc>, Vec<String>)> {
        let before = self
            .ticks(job)
            .into_iter()
            .rfind(|started| *started < tick)?;
        Some((before, self.of(job, before)))
    }

    /// The ticks for which the job was started at all.
    pub(crate) fn ticks(&self, job: &str) -> Vec<DateTime<Utc>> {
        let by_tick = self.by_tick.lock().unwrap_or_else(PoisonError::into_inner);
        let of_job = by_tick.keys().filter(|(name, _)| name == job);
        of_job.map(|(_, tick)| *tick).collect()
    }
}
