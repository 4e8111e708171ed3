//! The parts that the scenes share: nodes, and the notes of their jobs.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use scheduled_one_runtime::jiff::Timestamp;
use scheduled_one_runtime::{JobContext, LedgerEntry, Scheduler, SchedulerBuilder};
use tokio::time::sleep;

/// How long things that must happen may take to happen.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long runs may take to finish when a node is shut down.
pub(crate) const GRACE: Duration = Duration::from_secs(4);

/// A node of a scene: it has only the jobs of that scene, and a store that only they use.
pub(crate) fn node(store: &str, name: &str, jobs: &[&str], notes: &Notes) -> SchedulerBuilder {
    Scheduler::builder(format!("memory://{store}"))
        .node_name(name)
        .only(jobs.iter().copied())
        .state(notes.clone())
}

/// The ledger of a job, oldest line first.
pub(crate) async fn ledger(node: &Scheduler, job: &str) -> anyhow::Result<Vec<LedgerEntry>> {
    let mut lines = node.ledger(job, 1_000).await?;
    lines.reverse();
    Ok(lines)
}

/// Waits until a job's ledger has a line like that.
pub(crate) async fn wait_for(
    node: &Scheduler,
    job: &str,
    wanted: impl Fn(&LedgerEntry) -> bool,
) -> anyhow::Result<()> {
    for _ in 0..PATIENCE.as_millis() / 20 {
        if node.ledger(job, 1_000).await?.iter().any(&wanted) {
            return Ok(());
        }
        sleep(Duration::from_millis(20)).await;
    }
    anyhow::bail!("job `{job}`: what was to happen did not, within {PATIENCE:?}")
}

/// Waits until the clock is that far behind a multiple of the period.
pub(crate) async fn wait_for_phase(period: Duration, phase: Duration) {
    let period_ms = period.as_millis() as i64;
    let behind_ms =
        (Timestamp::now().as_millisecond() - phase.as_millis() as i64).rem_euclid(period_ms);
    sleep(Duration::from_millis((period_ms - behind_ms) as u64)).await;
}

/// What the job functions themselves note, without asking the scheduler.
#[derive(Clone, Default)]
pub(crate) struct Notes {
    shared: Arc<Mutex<Noted>>,
}

#[derive(Default)]
struct Noted {
    starts: Vec<JobContext>,
    going: BTreeMap<String, usize>,
    most_going: BTreeMap<String, usize>,
}

/// A run that is active until this value is dropped.
pub(crate) struct Going {
    notes: Notes,
    job: String,
}

impl Notes {
    fn lock(&self) -> MutexGuard<'_, Noted> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A run begins.
    pub(crate) fn begin(&self, ctx: &JobContext) -> Going {
        let mut noted = self.lock();
        noted.starts.push(ctx.clone());
        let job = ctx.job().to_owned();
        let going = noted.going.entry(job.clone()).or_default();
        *going += 1;
        let going = *going;
        let most = noted.most_going.entry(job.clone()).or_default();
        *most = going.max(*most);
        let notes = self.clone();
        Going { notes, job }
    }

    /// The runs of a job that began.
    pub(crate) fn starts(&self, job: &str) -> Vec<JobContext> {
        let noted = self.lock();
        let of_job = noted.starts.iter().filter(|ctx| ctx.job() == job);
        of_job.cloned().collect()
    }

    /// How many runs of a job went at once, at most.
    pub(crate) fn most_at_once(&self, job: &str) -> usize {
        self.lock().most_going.get(job).copied().unwrap_or(0)
    }
}

impl Drop for Going {
    fn drop(&mut self) {
        if let Some(going) = self.notes.lock().going.get_mut(&self.job) {
            *going -= 1;
        }
    }
}
