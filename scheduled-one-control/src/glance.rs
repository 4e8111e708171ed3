//! What jobs and runs look like now, for pages that show many of them.

use std::collections::{BTreeMap, BTreeSet};

use scheduled_one_protocol::message::{MAX_BATCH, UnitStatus};
use scheduled_one_protocol::{Bucket, FencingToken, LedgerRecord, StoreError, TickMs, UnitName};

use crate::ask::ask;
use crate::control::Control;
use crate::error::Error;
use crate::reader::Reader;
use crate::rights::Action;
use crate::unit_record::{MAX_SHOWN, UnitRecord};

/// A job, as two requests for a batch of jobs show it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct JobGlance {
    /// Its name.
    pub job: String,
    /// Whether it is paused, by itself or with all jobs.
    pub is_paused: bool,
    /// The version of its directive, 0 if there is none.
    pub version: u64,
    /// What is decided, running and waiting by its schedule; with several shards, in the first.
    pub scheduled: UnitStatus,
    /// What is running and waiting because somebody asked for it; with several shards, in the first.
    pub requested: UnitStatus,
    /// Why the store does not show it, if it refuses to: somebody edited its record. The other jobs have their glances.
    pub refused: Option<String>,
}

/// A run that is active, or one that waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct OpenRun {
    /// The shard, from 0.
    pub shard: u32,
    /// Its tick; of a requested run, about the instant at which it was asked for.
    pub tick: TickMs,
    /// Its fencing token, if it is active.
    pub token: Option<FencingToken>,
    /// Whether somebody asked for it.
    pub is_requested: bool,
}

/// What is decided, running and waiting of a job by its schedule, and as requested; or why it is not shown.
type State = Result<(UnitStatus, UnitStatus), String>;

impl Control {
    /// The jobs at a glance, in the order of the names; a name that nobody knows has a glance without content. It costs
    /// a request for each 128 jobs of a bucket, and one more a bucket; about 14 more for each job whose record the
    /// store refuses to read ([`JobGlance::refused`]).
    ///
    /// # Errors
    ///
    /// [`Error::Store`].
    pub async fn glance(&self, jobs: &[String]) -> Result<Vec<JobGlance>, Error> {
        for job in jobs {
            self.check_right(Action::View, job).await?;
        }
        let buckets = self.bucket_count();
        let mut found: BTreeMap<&str, JobGlance> = BTreeMap::new();
        for (store, bucket) in self.readers().zip(Bucket::all(buckets)) {
            let of_bucket = |job: &&String| Bucket::of_job(job, buckets) == bucket;
            let here: Vec<&str> = jobs.iter().filter(of_bucket).map(String::as_str).collect();
            if here.is_empty() {
                continue;
            }
            let reply = self.read(store).await?;
            let now_ms = (reply.head.now_us / 1_000) as i64;
            for batch in here.chunks(MAX_BATCH / 2) {
                for (job, state) in self.states_of(store, batch).await? {
                    let directives = &reply.body.directives;
                    let refused = state.as_ref().err().cloned();
                    let (scheduled, requested) = state.unwrap_or_default();
                    let glance = JobGlance {
                        job: job.to_owned(),
                        is_paused: directives.in_force(job, now_ms).paused,
                        version: directives.get(job).map_or(0, |own| own.version),
                        scheduled,
                        requested,
                        refused,
                    };
                    found.insert(job, glance);
                }
            }
        }
        let of_name = |job: &String| found.get(job.as_str()).cloned().unwrap_or_default();
        Ok(jobs.iter().map(of_name).collect())
    }

    /// The states of jobs, each by its schedule and as requested; of those that the store refuses to show, why. A store
    /// refuses a request for many units because of one of them, so it is asked again for each half.
    async fn states_of<'a>(
        &self,
        store: Reader<'_>,
        jobs: &[&'a str],
    ) -> Result<Vec<(&'a str, State)>, Error> {
        let mut states = Vec::with_capacity(jobs.len());
        let mut parts = vec![jobs];
        while let Some(part) = parts.pop() {
            let whole = part.iter().map(|job| UnitName::new(job, 0));
            let units: Vec<UnitName> = whole.flat_map(|unit| [unit.clone(), unit.lane()]).collect();
            match ask(|| store.inspect(&self.caller, &units)).await {
                Ok(reply) => {
                    let mut found = reply.body.into_iter();
                    states.extend(part.iter().map(|job| {
                        let mut next = || found.next().unwrap_or_default();
                        (*job, Ok((next(), next())))
                    }));
                }
                Err(refused @ StoreError::Refused(_)) if part.len() == 1 => {
                    states.push((part[0], Err(refused.to_string())));
                }
                Err(StoreError::Refused(_)) => {
                    let (first, last) = part.split_at(part.len() / 2);
                    parts.extend([first, last]);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(states)
    }

    /// The active runs of a job, and those that wait, of its first 64 shards.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownJob`], [`Error::Store`].
    pub async fn open_runs(&self, job: &str) -> Result<Vec<OpenRun>, Error> {
        self.check_right(Action::View, job).await?;
        // A job that each node runs by itself has no units.
        let shards = match self.shards(job).await {
            Err(Error::Argument { .. }) => return Ok(Vec::new()),
            shards => shards?.clamp(1, MAX_SHOWN),
        };
        let records = self.unit_records(job, shards).await?;
        Ok(records.iter().flat_map(UnitRecord::open_runs).collect())
    }

    /// The newest lines of a job's ledger, the newest first, at most `limit`. A job that nobody knows has none.
    ///
    /// # Errors
    ///
    /// [`Error::Store`].
    pub async fn ledger(&self, job: &str, limit: usize) -> Result<Vec<LedgerRecord>, Error> {
        self.check_right(Action::View, job).await?;
        Ok(ask(|| self.reader(job).ledger(job, limit)).await?)
    }
}

impl JobGlance {
    /// How many runs are active, of those that the glance shows.
    pub fn running(&self) -> usize {
        let open = [self.scheduled.running, self.requested.running];
        open.into_iter().flatten().count()
    }

    /// The ticks that wait, of those that the glance shows.
    pub fn waiting(&self) -> usize {
        let waiting = self.scheduled.waiting.iter().chain(&self.requested.waiting);
        waiting.collect::<BTreeSet<_>>().len()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use scheduled_one_protocol::Store;
    use scheduled_one_protocol::clock::SystemClock;
    use scheduled_one_protocol::memory::MemoryStore;
    use scheduled_one_protocol::message::{Heartbeat, JobList};

    use super::*;
    use crate::control::caller;

    #[tokio::test]
    async fn jobs_of_all_buckets_are_in_the_order_of_the_names() {
        let first: Arc<dyn Store> = Arc::new(MemoryStore::new(Arc::new(SystemClock)));
        let stores: Vec<Arc<dyn Store>> = Bucket::all(2).map(|bucket| first.open(bucket)).collect();
        let names: Vec<String> = (0..8).map(|number| format!("job-{number}")).collect();
        let node = caller(2).expect("a caller");
        for (store, bucket) in stores.iter().zip(Bucket::all(2)) {
            let here = names.iter().filter(|job| Bucket::of_job(job, 2) == bucket);
            let list = JobList::new(here.map(String::as_str));
            assert!(list.names().count() > 0, "{bucket:?}");
            let alive = Heartbeat {
                jobs: list.digest(),
                job_list: Some(list),
                ..Heartbeat::alive()
            };
            store.heartbeat(&node, alive).await.expect("a reply");
        }
        let control = Control::of_stores(stores).expect("a handle");
        control.pause("job-5").force().await.expect("paused");

        let glances = control.glance(&names).await.expect("a reply");
        let jobs: Vec<&str> = glances.iter().map(|glance| glance.job.as_str()).collect();
        assert_eq!(jobs, names);
        let paused: Vec<bool> = glances.iter().map(|glance| glance.is_paused).collect();
        assert_eq!(
            paused,
            [false, false, false, false, false, true, false, false]
        );
        let nodes = control.living_nodes().await.expect("a reply");
        assert_eq!(nodes.len(), 1, "one node in two buckets");
        assert_eq!(nodes[0].jobs.len(), names.len());
        assert!(
            control
                .open_runs("job-1")
                .await
                .expect("a reply")
                .is_empty()
        );
    }
}
