//! The jobs: ordinary async functions with an attribute. Each notes its start.

use std::collections::BTreeSet;
use std::panic;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use scheduled_one_runtime::clock::{Clock as _, SystemClock};
use scheduled_one_runtime::jiff::Timestamp;
use scheduled_one_runtime::{JobContext, State, scheduled_one};
use scheduled_one_testkit::checker::{Event, EventKind};

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
    if ctx.scheduled_at().as_second() % 9 == 0 {
        anyhow::bail!("the mail server is busy");
    }
    Ok(())
}

/// Panics now and then. That ends this run and nothing else.
#[scheduled_one(every = "4s", name = "buggy")]
async fn buggy(ctx: JobContext, State(starts): State<Starts>) {
    starts.note(&ctx);
    if ctx.scheduled_at().as_second() % 8 == 0 {
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
    noted: Arc<Mutex<Vec<Event>>>,
}

impl Starts {
    fn note(&self, ctx: &JobContext) {
        self.lock().push(Event {
            kind: EventKind::Start,
            at_us: SystemClock.boottime().as_micros() as u64,
            node: ctx.node().to_owned(),
            job: ctx.job().to_owned(),
            tick_ms: ctx.scheduled_at().as_millisecond(),
            attempt: ctx.attempt(),
            token: ctx.fencing_token(),
            ..Event::default()
        });
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Event>> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All of them.
    pub(crate) fn all(&self) -> Vec<Event> {
        self.lock().clone()
    }

    /// The replicas that started the job for this tick. More than one would be a duplicate.
    pub(crate) fn of(&self, job: &str, tick: Timestamp) -> Vec<String> {
        let noted = self.lock();
        let tick_ms = tick.as_millisecond();
        let of_tick = noted
            .iter()
            .filter(|start| start.job == job && start.tick_ms == tick_ms);
        of_tick.map(|start| start.node.clone()).collect()
    }

    /// The newest tick before this one for which the job was started, and by whom.
    pub(crate) fn last_before(
        &self,
        job: &str,
        tick: Timestamp,
    ) -> Option<(Timestamp, Vec<String>)> {
        let before = self
            .ticks(job)
            .into_iter()
            .rfind(|started| *started < tick)?;
        Some((before, self.of(job, before)))
    }

    /// The ticks for which the job was started at all, oldest first.
    pub(crate) fn ticks(&self, job: &str) -> BTreeSet<Timestamp> {
        let noted = self.lock();
        let of_job = noted.iter().filter(|start| start.job == job);
        of_job
            .filter_map(|start| Timestamp::from_millisecond(start.tick_ms).ok())
            .collect()
    }
}
