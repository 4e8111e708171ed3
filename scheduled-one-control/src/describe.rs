//! What there is to know of a job.

use std::collections::BTreeMap;

use scheduled_one_protocol::message::UnitStatus;
use scheduled_one_protocol::{
    ALL_JOBS, DecidingSchedule, LedgerRecord, Pause, ScheduleId, UnitName,
};

use crate::ask::ask;
use crate::catalog::CatalogedJob;
use crate::control::{Control, NodeJobs};
use crate::error::Error;
use crate::jobs::is_missing;
use crate::reschedule::{OverrideOf, override_of};
use crate::rights::Action;

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
    /// What the catalog has of it: its schedule, group, policies; `None` if only older nodes, which describe nothing,
    /// had it.
    pub cataloged: Option<CatalogedJob>,
    /// What is decided, running and waiting in the job, or in its first shard.
    pub status: UnitStatus,
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

impl Control {
    /// What there is to know of a job. With several shards, the status is that of the first.
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
        let holding = |(subject, of_all): (&str, bool)| {
            let directive = directives.get(subject)?;
            let pause = directive.pause.filter(|pause| pause.holds(now_ms))?;
            Some(PauseOf {
                of_all,
                pause,
                note: directive.note.clone(),
                by: directive.by.clone(),
                version: directive.version,
            })
        };
        let pauses = [(job, false), (ALL_JOBS, true)];
        let units = [UnitName::new(job, 0)];
        let status = ask(|| store.inspect(&self.caller, &units)).await?.body;
        let mut nodes: BTreeMap<ScheduleId, Vec<String>> = BTreeMap::new();
        for NodeJobs { node, jobs, .. } in self.nodes(store).await? {
            if let Some(schedule) = jobs.get(job) {
                let same = nodes.entry(schedule.unwrap_or(ScheduleId(0)));
                same.or_default().push(node.name);
            }
        }
        let cataloged = catalog.get(job).map(CatalogedJob::of);
        let wanted = directives.get(job).and_then(|own| own.schedule.as_ref());
        let status = status.into_iter().next().unwrap_or_default();
        let decides = status.decides.as_ref();
        Ok(JobDescription {
            job: job.to_owned(),
            overridden: override_of(wanted, cataloged.as_ref()),
            gone_since_ms: decides.and_then(DecidingSchedule::gone_since_ms),
            version: directives.get(job).map_or(0, |own| own.version),
            pauses: pauses.into_iter().filter_map(holding).collect(),
            nodes,
            cataloged,
            status,
            newest: ask(|| store.ledger(job, NEWEST_LINES)).await?,
        })
    }
}
