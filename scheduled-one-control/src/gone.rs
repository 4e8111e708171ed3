//! Jobs that no living node has, and what they left.

use std::collections::BTreeSet;

use scheduled_one_protocol::message::{MAX_BATCH, UnitStatus};
use scheduled_one_protocol::{ALL_JOBS, Backfill, Catalog, DecidingSchedule, Directives, UnitName};
use scheduled_one_schedule::name::is_internal;

use crate::ask::ask;
use crate::authorization::group_in;
use crate::control::{Control, MAX_SHARDS};
use crate::error::Error;
use crate::reader::Reader;

/// Most slots of a unit.
const MAX_SLOTS: u32 = 32;
/// Most lines of a ledger that are counted.
const MAX_LINES: usize = 10_000;

/// A job that no living node has, and what is stored of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct GoneJob {
    /// Its name.
    pub job: String,
    /// When something was last seen of it, ms since the Unix epoch: a node described it, or a line of its ledger was
    /// written; 0 if neither is stored.
    pub last_seen_ms: i64,
    /// Since when no schedule decides its ticks, because other nodes have noticed that it is gone, ms since the Unix
    /// epoch.
    pub gone_since_ms: Option<i64>,
    /// How many units have watermarks: the job or its shards, slots for runs side by side, lanes for requests.
    pub units: usize,
    /// How many ticks wait in them.
    pub waiting: usize,
    /// How many requests for runs wait in them.
    pub requests: usize,
    /// How many runs are recorded as active; their nodes are dead, or cut off from the store.
    pub running: usize,
    /// How many lines its ledger has; of more than 10,000, these.
    pub ledger_lines: usize,
    /// Whether operators want something of it: a pause, another schedule, a backfill.
    pub has_directive: bool,
}

impl Control {
    /// The jobs that no living node has and of which something is stored, by name. It costs a few requests for each of
    /// them.
    ///
    /// # Errors
    ///
    /// [`Error::Store`].
    pub async fn gone(&self) -> Result<Vec<GoneJob>, Error> {
        self.check_sees_something()?;
        let mut gone = Vec::new();
        for store in self.readers() {
            let reply = self.read_catalog(store).await?;
            let catalog = reply.body.catalog.unwrap_or_default();
            let directives = reply.body.directives;
            let mut jobs: BTreeSet<&str> = catalog.keys().map(String::as_str).collect();
            jobs.extend(
                directives
                    .iter()
                    .filter(|(_, directive)| !directive.is_empty())
                    .map(|(subject, _)| Backfill::job_of(subject).unwrap_or(subject)),
            );
            jobs.remove(ALL_JOBS);
            for node in self.nodes(store).await? {
                jobs.retain(|job| !node.jobs.contains_key(*job));
            }
            jobs.retain(|job| {
                let group = catalog.get(*job).and_then(group_in);
                !is_internal(job) && self.sees(job, group.as_deref())
            });
            for job in jobs {
                let (left, _) = self.left(store, job, &catalog, &directives).await?;
                gone.push(left);
            }
        }
        gone.sort_by(|a, b| a.job.cmp(&b.job));
        Ok(gone)
    }

    /// What is stored of a job, and its units.
    pub(crate) async fn left(
        &self,
        store: Reader<'_>,
        job: &str,
        catalog: &Catalog,
        directives: &Directives,
    ) -> Result<(GoneJob, Vec<(UnitName, UnitStatus)>), Error> {
        let shards: Vec<UnitName> = (0..MAX_SHARDS)
            .map(|shard| UnitName::new(job, shard))
            .collect();
        let mut found = self.stored_units(store, &shards).await?;
        let of_shard = |unit: &UnitName| {
            let (lane, unit) = (unit.lane(), unit.clone());
            let slots = (1..=MAX_SLOTS).map(move |slot| unit.with_slot(slot));
            slots.chain([lane])
        };
        let others: Vec<UnitName> = match found.is_empty() {
            true => of_shard(&UnitName::new(job, 0)).collect(),
            false => found.iter().flat_map(|(unit, _)| of_shard(unit)).collect(),
        };
        found.extend(self.stored_units(store, &others).await?);
        let lines = ask(|| store.ledger(job, MAX_LINES)).await?;
        let described_ms = catalog.get(job).map_or(0, |entry| entry.last_ms);
        let newest_ms = lines.first().map_or(0, |line| line.ended_at_ms);
        let waiting_in = |is_lane: bool| {
            let units = found.iter().filter(|(unit, _)| unit.is_lane() == is_lane);
            units.map(|(_, status)| status.waiting.len()).sum()
        };
        let own = [directives.get(job), directives.get(&Backfill::subject(job))];
        let mut decides = found
            .iter()
            .filter_map(|(_, status)| status.decides.as_ref());
        let left = GoneJob {
            job: job.to_owned(),
            last_seen_ms: described_ms.max(newest_ms),
            gone_since_ms: decides.find_map(DecidingSchedule::gone_since_ms),
            units: found.len(),
            waiting: waiting_in(false),
            requests: waiting_in(true),
            running: found.iter().filter(|(_, it)| it.running.is_some()).count(),
            ledger_lines: lines.len(),
            has_directive: own.into_iter().flatten().any(|it| !it.is_empty()),
        };
        Ok((left, found))
    }

    /// Those of these units of which something is stored.
    async fn stored_units(
        &self,
        store: Reader<'_>,
        units: &[UnitName],
    ) -> Result<Vec<(UnitName, UnitStatus)>, Error> {
        let mut found = Vec::new();
        for batch in units.chunks(MAX_BATCH) {
            let statuses = ask(|| store.inspect(&self.caller, batch)).await?.body;
            let of_units = batch.iter().cloned().zip(statuses);
            found.extend(of_units.filter(|(_, status)| *status != UnitStatus::default()));
        }
        Ok(found)
    }
}
