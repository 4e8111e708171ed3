//! What alerts are made of: all ledgers, what stores have of jobs, the nodes, and what this node saw of stores.

mod drift;
mod elsewhere;
mod gaps;
mod own;
mod stores;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use std::time::Duration;

use scheduled_one_alerts::{Facts, Source, SourceError, Unreadable};
use scheduled_one_control::Control;
use scheduled_one_protocol::{BoxFuture, Bucket, LedgerRecord, Store};
use scheduled_one_schedule::ZoneData;
use scheduled_one_schedule::alert::JobRules;

use crate::compiled_job::CompiledJob;
use crate::join_all::join_all;
use crate::node::outlook::Outlook;
use crate::scheduler::Scheduler;
use crate::scheduler::alert_source::gaps::Gaps;
use crate::scheduler::alert_source::own::OwnUnits;
use crate::scheduler::bucket_worker::BucketWorker;
use crate::scheduler::declared_rules::declared_rules;
use crate::user_code;

/// What alerts are made of.
pub(crate) struct AlertSource {
    /// The parts of this node in its buckets.
    pub(super) workers: Vec<BucketWorker>,
    /// The stores of all buckets.
    pub(super) stores: Vec<Arc<dyn Store>>,
    /// The jobs of the program on this node.
    pub(super) jobs: Vec<Arc<CompiledJob>>,
    /// What these say of their alerts.
    pub(super) declared: BTreeMap<String, JobRules>,
    pub(super) outlook: Outlook,
    pub(super) control: Control,
    pub(super) zones: ZoneData,
    gaps: Gaps,
    /// The buckets whose stores did not reply when the facts were read last, as bits.
    away: AtomicU64,
    /// How long ago an outage may have ended to be listed.
    lately_ms: AtomicI64,
}

/// Buckets that cannot be read, by number, with the error of each.
type Away = BTreeMap<u32, String>;

impl AlertSource {
    pub(super) fn new(
        workers: Vec<BucketWorker>,
        stores: Vec<Arc<dyn Store>>,
        jobs: &[Arc<CompiledJob>],
        outlook: Outlook,
        control: Control,
        zones: ZoneData,
    ) -> Self {
        let jobs: Vec<_> = jobs
            .iter()
            .filter(|job| !job.is_internal)
            .cloned()
            .collect();
        AlertSource {
            declared: declared_rules(&jobs),
            workers,
            stores,
            jobs,
            outlook,
            control,
            zones,
            gaps: Gaps::default(),
            away: AtomicU64::new(0),
            lately_ms: AtomicI64::new(stores::LATELY_MS),
        }
    }

    pub(super) fn bucket(&self, job: &str) -> Bucket {
        Bucket::of_job(job, self.stores.len() as u32)
    }

    /// The facts are read as often as this. What has ended is listed until two evaluations could see it.
    pub(super) fn read_every(&self, period: Duration) {
        let twice_ms = i64::try_from(period.as_millis() * 2).unwrap_or(i64::MAX);
        self.lately_ms.fetch_max(twice_ms, Ordering::AcqRel);
    }

    /// How alerts call the store of a bucket.
    fn store_name(&self, bucket: u32) -> String {
        match self.stores.len() {
            1 => "store".to_owned(),
            _ => format!("bucket {bucket}"),
        }
    }

    /// Notes which buckets could not be read. An outage that this node sees says so by itself.
    fn note_away(&self, facts: &mut Facts, away: &Away) {
        let bits = away.keys().fold(0, |bits, bucket| bits | bit(*bucket));
        self.away.store(bits, Ordering::Release);
        facts.is_partial = !away.is_empty();
        for (bucket, error) in away {
            let what = self.store_name(*bucket);
            let mut outages = facts.outages.iter();
            if !outages.any(|it| it.store == what && it.until_ms.is_none()) {
                let error = error.clone();
                facts.unreadable.push(Unreadable { what, error });
            }
        }
    }

    /// The store that has the ledger of a job, whether this node has the job or not.
    fn store(&self, job: &str) -> &dyn Store {
        &*self.stores[self.bucket(job).index() as usize]
    }

    /// The part of this node in the bucket of a job, if it works there.
    pub(super) fn worker(&self, job: &str) -> Option<&BucketWorker> {
        let bucket = self.bucket(job);
        let mut workers = self.workers.iter();
        workers.find(|worker| worker.client.bucket == bucket)
    }
}

/// There are at most 64 buckets.
fn bit(bucket: u32) -> u64 {
    1 << (bucket % u64::BITS)
}

impl Source for AlertSource {
    fn facts(&self) -> BoxFuture<'_, Result<Facts, SourceError>> {
        Box::pin(async {
            let mut facts = Facts {
                declared: self.declared.clone(),
                ..Facts::default()
            };
            let workers = self.workers.iter();
            let reading = workers.map(|worker| {
                Box::pin(self.own_units(worker)) as BoxFuture<'_, Result<OwnUnits, SourceError>>
            });
            let (mut away, mut error) = (Away::new(), None);
            for (worker, read) in self.workers.iter().zip(join_all(reading).await) {
                facts.at_ms = facts.at_ms.max(worker.now_ms());
                match read {
                    Ok((units, unreadable)) => {
                        facts.units.extend(units);
                        facts.unreadable.extend(unreadable);
                    }
                    Err(failed) => {
                        away.insert(worker.client.bucket.index(), failed.to_string());
                        error = Some(failed);
                    }
                }
            }
            if let Some(error) = error.filter(|_| away.len() == self.workers.len()) {
                return Err(error);
            }
            let others = self.elsewhere(&mut facts, &mut away).await;
            self.count_gaps(&mut facts, &away, others).await;
            self.of_stores(&mut facts);
            self.note_away(&mut facts, &away);
            Ok(facts)
        })
    }

    fn ledger<'a>(
        &'a self,
        job: &'a str,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<LedgerRecord>, SourceError>> {
        Box::pin(async move {
            // It was not there a moment ago: its jobs are not asked for one by one.
            let bucket = self.bucket(job).index();
            if self.away.load(Ordering::Acquire) & bit(bucket) != 0 {
                return Err(format!("{} cannot be read", self.store_name(bucket)).into());
            }
            let lines = user_code::request(|| self.store(job).ledger(job, limit)).await;
            Ok(lines?)
        })
    }
}

/// Due ticks, active runs, pauses and audits are those of the jobs of this node; of other jobs the facts are what the
/// catalog and the stores say, and audits those of schedules that can be made again from it. Outages are those that
/// this node saw.
impl Source for Scheduler {
    fn facts(&self) -> BoxFuture<'_, Result<Facts, SourceError>> {
        self.alert_source.facts()
    }

    fn ledger<'a>(
        &'a self,
        job: &'a str,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<LedgerRecord>, SourceError>> {
        Source::ledger(&*self.alert_source, job, limit)
    }
}
