//! What there is to know of a job.

use std::collections::BTreeMap;

use scheduled_one_protocol::message::UnitStatus;
use scheduled_one_protocol::{
    ALL_JOBS, DecidingSchedule, Directives, LedgerRecord, Pause, ScheduleId,
};

use crate::ask::ask;
use crate::catalog::CatalogedJob;
use crate::control::{Control, MAX_SHARDS, NodeJobs};
use crate::error::Error;
use crate::glance::OpenRun;
use crate::jobs::is_missing;
use crate::next_ticks::NextTicks;
use crate::reschedule::{OverrideOf, override_of};
use crate::rights::Action;
use crate::unit_record::{MAX_SHOWN, UnitRecord};

/// Newest ledger lines that a description has.
const NEWEST_LINES: usize = 10;

/// A job as the store knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct JobDescription {
    /// Its name.
    pub job: String,
    /// The version of its directive, 0 if nobody ever asked for anything.
    pub version: u64,
    /// What pauses it now; nothing of its schedule starts while there is one.
    pub pauses: Vec<PauseOf>,
    /// The schedule that operators want in place of that in the code.
    pub overridden: Option<OverrideOf>,
    /// Since when no living node has it, and it has no ticks, ms since the Unix epoch; `None` if it is not gone.
    pub gone_since_ms: Option<i64>,
    /// Labels of the living nodes that have it, by the identity of the schedule that they have: more than one if nodes
    /// of two releases live, or have different zone data.
    pub nodes: BTreeMap<ScheduleId, Vec<String>>,
    /// Labels of these nodes, by the version of the program that they say: the one that its builder was given, else
    /// that of the crate in which the job is defined. Those that say none are under an empty text: nodes of older
    /// releases of this crate, or of jobs made by hand.
    pub versions: BTreeMap<String, Vec<String>>,
    /// What the catalog has of it: its schedule, group, policies; `None` if only older nodes, which describe nothing,
    /// had it.
    pub cataloged: Option<CatalogedJob>,
    /// What is decided, running and waiting in the job, or in its first shard.
    pub status: UnitStatus,
    /// How many shards it has, 1 if it is not split.
    pub shards: u32,
    /// What is stored of its shards, the first 64, and behind each of its slots and its lane, if something is stored
    /// of these. A job that each node runs by itself has nothing in the store.
    pub records: Vec<UnitRecord>,
    /// How many shards have no record here, because the job has more than 64.
    pub shards_left_out: u32,
    /// The next ticks of the schedule in force, or why there are none.
    pub next: NextTicks,
    /// The newest lines of its ledger, the newest first.
    pub newest: Vec<LedgerRecord>,
}

/// A pause, and who asked for it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PauseOf {
    /// Whether it is that of all jobs.
    pub of_all: bool,
    /// Since when, and until when.
    pub pause: Pause,
    /// Why.
    pub note: String,
    /// Who asked for it.
    pub by: String,
    /// The version of the directive.
    pub version: u64,
}

impl JobDescription {
    /// Whether its nodes have different schedules.
    pub fn drifts(&self) -> bool {
        self.nodes.len() > 1
    }

    /// Whether no living node has it, as [`JobSummary::is_missing`](crate::JobSummary::is_missing) says it.
    pub fn is_missing(&self) -> bool {
        is_missing(self.nodes.len(), self.cataloged.as_ref())
    }
}

impl JobDescription {
    /// The runs that are active, and those that wait for them, of the shards that have [`records`](Self::records).
    pub fn open_runs(&self) -> impl Iterator<Item = OpenRun> + '_ {
        self.records.iter().flat_map(UnitRecord::open_runs)
    }
}

/// What pauses a job.
fn pauses(directives: &Directives, job: &str, now_ms: i64) -> Vec<PauseOf> {
    let holding = |(subject, of_all): (&str, bool)| {
        let directive = directives.get(subject)?;
        let pause = directive.pause.filter(|pause| pause.holds(now_ms))?;
        Some(PauseOf {
            of_all,
            pause,
            note: directive.asked_note.clone(),
            by: directive.asked_by.clone(),
            version: directive.version,
        })
    };
    let subjects = [(job, false), (ALL_JOBS, true)];
    subjects.into_iter().filter_map(holding).collect()
}

/// How many shards a job has, as these nodes say that have it, or the catalog.
fn shards(nodes: &[NodeJobs], job: &str, cataloged: Option<&CatalogedJob>) -> u32 {
    let of_nodes = nodes.iter().filter_map(|node| node.shards.get(job)).max();
    let said = || cataloged?.descriptor.get("shards")?.parse().ok();
    let shards = of_nodes.copied().or_else(said).unwrap_or(1);
    shards.clamp(1, MAX_SHARDS)
}

impl Control {
    /// What there is to know of a job: what the catalog has of it, its directive, what is decided, running and waiting
    /// in its shards, its nodes, its newest lines and its next ticks. It costs a request more for each seven shards, of
    /// at most 64.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownJob`], [`Error::Store`].
    pub async fn describe(&self, job: &str) -> Result<JobDescription, Error> {
        self.check_right(Action::View, job).await?;
        self.check_job(job).await?;
        let store = self.reader(job);
        let reply = self.read_catalog(store).await?;
        let now_ms = (reply.head.now_us / 1_000) as i64;
        let directives = reply.body.directives;
        let catalog = reply.body.catalog.unwrap_or_default();
        let cataloged = catalog.get(job);
        let cataloged = cataloged.map(|entry| CatalogedJob::of(entry, &self.calendars));
        let mut having = self.nodes(store).await?;
        having.retain(|node| node.jobs.contains_key(job));
        let shards = shards(&having, job, cataloged.as_ref());
        let records = self.unit_records(job, shards.min(MAX_SHOWN)).await?;
        let of_shards = records.iter().filter(|record| record.unit.is_whole());
        let of_shards: Vec<&UnitStatus> = of_shards.map(|record| &record.status).collect();
        let status = of_shards.first().copied().cloned().unwrap_or_default();
        let decides = status.decides.as_ref();
        let gone_since_ms = decides.and_then(DecidingSchedule::gone_since_ms);
        let wanted = directives.get(job).and_then(|own| own.schedule.as_ref());
        let pauses = pauses(&directives, job, now_ms);
        let next = match gone_since_ms {
            Some(_) => NextTicks::Gone,
            None => {
                NextTicks::of(job, cataloged.as_ref(), (now_ms, wanted), &of_shards).paused(&pauses)
            }
        };
        let mut nodes: BTreeMap<ScheduleId, Vec<String>> = BTreeMap::new();
        let mut versions: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for NodeJobs {
            node,
            jobs,
            releases,
            ..
        } in having
        {
            let version = releases.of_job(job).unwrap_or_default().to_owned();
            versions.entry(version).or_default().push(node.name.clone());
            let schedule = jobs.get(job).copied().flatten();
            let same = nodes.entry(schedule.unwrap_or(ScheduleId(0)));
            same.or_default().push(node.name);
        }
        Ok(JobDescription {
            job: job.to_owned(),
            overridden: override_of(wanted, cataloged.as_ref()),
            gone_since_ms,
            version: directives.get(job).map_or(0, |own| own.version),
            pauses,
            nodes,
            versions,
            cataloged,
            status,
            shards,
            shards_left_out: shards.saturating_sub(MAX_SHOWN),
            next,
            newest: ask(|| store.ledger(job, NEWEST_LINES)).await?,
            records,
        })
    }
}
