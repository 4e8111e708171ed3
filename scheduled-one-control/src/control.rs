//! The handle, and what all its calls need.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use scheduled_one_protocol::message::{
    Caller, ControlReply, JobList, JobsDigest, MAX_BATCH, Member, Reply, Watermarks,
};
use scheduled_one_protocol::{Bucket, ScheduleId, Store, UnitName};
use scheduled_one_schedule::{Calendar, distance};

use crate::ask::ask;
use crate::error::Error;
use crate::reader::Reader;
use crate::releases::Releases;
use crate::rights::Rights;

/// Most names that are given in place of a wrong one.
const MAX_NEAREST: usize = 3;
/// Most shards of a job.
pub(crate) const MAX_SHARDS: u32 = 1_024;
/// Most letters in which a name differs from the one that was meant.
const MAX_DISTANCE: usize = 3;

/// Looks at the jobs of a namespace and controls them. It is no node, and runs no jobs. Clones share a connection.
#[derive(Clone, Debug)]
pub struct Control {
    stores: Arc<[Arc<dyn Store>]>,
    pub(crate) caller: Caller,
    /// What may be done through it: all of them have to allow. Without any, everything.
    pub(crate) rights: Vec<Arc<Rights>>,
    pub(crate) calendars: Arc<[Calendar]>,
}

/// A caller that is no node: it has no leases, so it never prolongs a quarantine.
pub(crate) fn caller(buckets: u32) -> Result<Caller, Error> {
    let random = getrandom::u64().map_err(|error| Error::Argument {
        argument: "connect",
        message: format!("the operating system gives no random numbers: {error}"),
    })?;
    Ok(Caller {
        node: format!("control-{random:016x}"),
        name: "control".to_owned(),
        quarantine_ms: 0,
        margin_ms: 0,
        ledger_limit: usize::MAX,
        buckets,
    })
}

/// A node and the jobs that it has.
pub(crate) struct NodeJobs {
    pub(crate) node: Member,
    /// The identity of each job's schedule, as the node has it.
    pub(crate) jobs: BTreeMap<String, Option<ScheduleId>>,
    /// Into how many shards jobs are split, of those that are.
    pub(crate) shards: BTreeMap<String, u32>,
    /// The versions of its program and jobs.
    pub(crate) releases: Releases,
    /// The version of the protocol that it speaks; `None` if its list is not known.
    pub(crate) protocol: Option<u64>,
}

/// The jobs of a list: its entries `job=schedule`.
fn jobs(list: &JobList) -> BTreeMap<String, Option<ScheduleId>> {
    let job = |entry: &str| match entry.split_once('=') {
        Some((job, schedule)) => (job.to_owned(), ScheduleId::parse(schedule)),
        None => (entry.to_owned(), None),
    };
    let of_jobs = list.names().filter(|entry| !entry.contains('*'));
    of_jobs.map(job).collect()
}

impl Control {
    /// Through the buckets of a namespace, in their order: for a program that made its stores itself.
    ///
    /// # Errors
    ///
    /// The operating system gives no random numbers.
    pub fn of_stores(stores: Vec<Arc<dyn Store>>) -> Result<Self, Error> {
        Ok(Control {
            caller: caller(stores.len() as u32)?,
            rights: Vec::new(),
            calendars: Arc::default(),
            stores: stores.into(),
        })
    }

    /// Gives it a calendar that jobs name in `except`: the store has the names of calendars and not their days, and
    /// without these no tick of such a job can be computed. It takes the place of one of the same name.
    /// `Scheduler::control` has those of its scheduler.
    pub fn calendar(mut self, calendar: Calendar) -> Self {
        let others = self.calendars.iter();
        let others = others.filter(|other| other.name() != calendar.name());
        self.calendars = others.cloned().chain([calendar.clone()]).collect();
        self
    }

    /// The store of a job, for what may change something: behind an authorization.
    pub(crate) fn store_of(&self, job: &str) -> &dyn Store {
        let bucket = Bucket::of_job(job, self.bucket_count());
        &*self.stores[bucket.index() as usize]
    }

    /// The stores of all buckets, likewise.
    pub(crate) fn all_stores(&self) -> impl Iterator<Item = &dyn Store> {
        self.stores.iter().map(|store| &**store)
    }

    pub(crate) fn bucket_count(&self) -> u32 {
        self.stores.len() as u32
    }

    /// The store of a job, to read.
    pub(crate) fn reader(&self, job: &str) -> Reader<'_> {
        Reader::of(self.store_of(job))
    }

    /// The stores of all buckets, in their order, to read.
    pub(crate) fn readers(&self) -> impl Iterator<Item = Reader<'_>> {
        self.all_stores().map(Reader::of)
    }

    /// All directives of a bucket.
    pub(crate) async fn read(&self, store: Reader<'_>) -> Result<Reply<ControlReply>, Error> {
        store.directives(&self.caller, false).await
    }

    /// All directives of a bucket, and its catalog.
    pub(crate) async fn read_catalog(
        &self,
        store: Reader<'_>,
    ) -> Result<Reply<ControlReply>, Error> {
        store.directives(&self.caller, true).await
    }

    /// The living nodes of a bucket with their jobs.
    pub(crate) async fn nodes(&self, store: Reader<'_>) -> Result<Vec<NodeJobs>, Error> {
        let reply = ask(|| store.members(&self.caller, None)).await?;
        let members = reply.body.membership.members.unwrap_or_default();
        let digests: BTreeSet<JobsDigest> = members.iter().map(|member| member.jobs).collect();
        let mut lists = BTreeMap::new();
        for digest in digests {
            let reply = ask(|| store.members(&self.caller, Some(digest))).await?;
            lists.extend(reply.body.wanted_list.map(|list| (digest, list)));
        }
        let with_jobs = members.into_iter().map(|node| NodeJobs {
            jobs: lists.get(&node.jobs).map(jobs).unwrap_or_default(),
            shards: lists
                .get(&node.jobs)
                .map(|list| list.shards().collect())
                .unwrap_or_default(),
            releases: lists.get(&node.jobs).map(Releases::of).unwrap_or_default(),
            protocol: lists.get(&node.jobs).map(JobList::protocol),
            node,
        });
        Ok(with_jobs.collect())
    }

    /// How many shards a job has, 1 if it is not split. Without a node that has the job, as many as were registered.
    ///
    /// # Errors
    ///
    /// The job is unknown, or no node claims it.
    pub(crate) async fn shards(&self, job: &str) -> Result<u32, Error> {
        self.check_job(job).await?;
        let store = self.reader(job);
        let nodes = self.nodes(store).await?;
        if nodes.iter().any(|node| node.jobs.contains_key(job)) {
            let shards = nodes.iter().filter_map(|node| node.shards.get(job));
            return Ok(shards.max().copied().unwrap_or(1));
        }
        let units: Vec<UnitName> = (0..MAX_SHARDS)
            .map(|shard| UnitName::new(job, shard))
            .collect();
        let mut registered = 0;
        for batch in units.chunks(MAX_BATCH) {
            let status = ask(|| store.inspect(&self.caller, batch)).await?.body;
            let known = status
                .iter()
                .take_while(|unit| unit.marks.first_seen_ms.is_some());
            let known = known.count();
            registered += known as u32;
            if known < batch.len() {
                break;
            }
        }
        match registered {
            0 => Err(Error::Argument {
                argument: "job",
                message: format!(
                    "no node claims {job}: with `scope = every_node` each node runs it by itself, and nobody can ask for \
                     a run; make it a job of the cluster, or wait until a node has started that has it"
                ),
            }),
            shards => Ok(shards),
        }
    }

    /// Whether a living node runs a job, as far as it is known: one that has not said yet which jobs it has may.
    pub(crate) async fn is_run_somewhere(&self, job: &str) -> Result<bool, Error> {
        let nodes = self.nodes(self.reader(job)).await?;
        let mut nodes = nodes.iter();
        Ok(nodes.any(|node| node.protocol.is_none() || node.jobs.contains_key(job)))
    }

    /// # Errors
    ///
    /// No node has or had the job, and nothing is stored of it.
    pub(crate) async fn check_job(&self, job: &str) -> Result<(), Error> {
        let mut known = BTreeSet::new();
        for store in self.readers() {
            let nodes = self.nodes(store).await?;
            known.extend(nodes.into_iter().flat_map(|node| node.jobs.into_keys()));
            let stored = self.read_catalog(store).await?.body;
            known.extend(stored.catalog.unwrap_or_default().into_keys());
            // What operators wanted of a job comes back with the nodes that know it, whether they have the job or not.
            // That of a backfill has a name that is no name of a job.
            let is_name = scheduled_one_schedule::name::check_stored_name(job).is_ok();
            let directive = stored.directives.get(job).filter(|_| is_name);
            if directive.is_some_and(|directive| !directive.is_empty()) {
                return Ok(());
            }
        }
        if known.contains(job) || self.left_something(job).await? {
            return Ok(());
        }
        let mut nearest: Vec<(usize, String)> = known
            .into_iter()
            .filter(|name| {
                !scheduled_one_schedule::name::is_internal(name) && self.sees(name, None)
            })
            .map(|name| (distance(&name, job), name))
            .filter(|(letters, _)| *letters <= MAX_DISTANCE)
            .collect();
        nearest.sort();
        nearest.truncate(MAX_NEAREST);
        Err(Error::UnknownJob {
            job: job.to_owned(),
            nearest: nearest.into_iter().map(|(_, name)| name).collect(),
        })
    }

    /// Whether the store knows a job that no node has now.
    async fn left_something(&self, job: &str) -> Result<bool, Error> {
        if scheduled_one_schedule::name::check_stored_name(job).is_err() {
            return Ok(false);
        }
        let was_seen = self.first_marks(job).await?.decided_to().is_some();
        let store = self.reader(job);
        Ok(was_seen || !ask(|| store.ledger(job, 1)).await?.is_empty())
    }

    /// Whether a node has ever registered a job, which no node does with `scope = every_node`. It costs one request.
    pub(crate) async fn was_registered(&self, job: &str) -> Result<bool, Error> {
        Ok(self.first_marks(job).await?.first_seen_ms.is_some())
    }

    /// The watermarks of a job's first unit.
    async fn first_marks(&self, job: &str) -> Result<Watermarks, Error> {
        let units = [UnitName::new(job, 0)];
        let store = self.reader(job);
        let status = ask(|| store.inspect(&self.caller, &units)).await?.body;
        Ok(status.first().map(|unit| unit.marks).unwrap_or_default())
    }
}
