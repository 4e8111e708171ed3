//! What alerts are made of: all ledgers, what stores have of jobs, the nodes, and what this node saw of stores.

mod elsewhere;
mod gaps;
mod own;
mod stores;

use std::collections::BTreeMap;
use std::sync::Arc;

use scheduled_one_alerts::{Facts, Source, SourceError};
use scheduled_one_control::Control;
use scheduled_one_protocol::{BoxFuture, Bucket, LedgerRecord, Store};
use scheduled_one_schedule::ZoneData;
use scheduled_one_schedule::alert::JobRules;

use crate::compiled_job::CompiledJob;
use crate::node::outlook::Outlook;
use crate::scheduler::Scheduler;
use crate::scheduler::alert_source::gaps::Gaps;
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
}

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
        }
    }

    pub(super) fn bucket(&self, job: &str) -> Bucket {
        Bucket::of_job(job, self.stores.len() as u32)
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

impl Source for AlertSource {
    fn facts(&self) -> BoxFuture<'_, Result<Facts, SourceError>> {
        Box::pin(async {
            let mut facts = Facts {
                declared: self.declared.clone(),
                ..Facts::default()
            };
            for worker in &self.workers {
                facts.at_ms = facts.at_ms.max(worker.now_ms());
                facts.units.extend(self.own_units(worker).await?);
            }
            self.elsewhere(&mut facts).await?;
            self.count_gaps(&mut facts).await?;
            self.of_stores(&mut facts);
            Ok(facts)
        })
    }

    fn ledger<'a>(
        &'a self,
        job: &'a str,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<LedgerRecord>, SourceError>> {
        Box::pin(async move {
            let lines = user_code::request(|| self.store(job).ledger(job, limit)).await;
            Ok(lines?)
        })
    }
}

/// Due ticks, active runs, pauses and audits are those of the jobs of this node; of other jobs the facts are what the
/// catalog and the stores say. Outages are those that this node saw.
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
