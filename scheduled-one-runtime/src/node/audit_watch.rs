//! The background audit: now and then a node reads the ledger of a job that prefers it, counts the ticks that have no
//! outcome although they are decided, and learns what other nodes ran.
//!
//! It is slow on purpose: one job every five seconds and node, and only a job with ticks that were not looked at.
//! It begins when the metrics of the node are read for the first time, because nothing else shows what it finds.
//! What it cannot know does not count: what the store forgot, and what the ledger no longer keeps.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use crate::audit_reads::unit_states;
use crate::compiled_job::CompiledJob;
use crate::metrics::counters::add;
use crate::node::Node;
use crate::node::inbox::Event;
use crate::node::mode::Mode;
use crate::node::preference::Preference;
use crate::node::units::Units;
use crate::store_client::{StoreClient, StoreHealth, StoreIdentity};
use crate::timer::UnitIndex;
use scheduled_one_control::audit::{AuditInput, AuditedTick, TickStatus};
use scheduled_one_protocol::StoreError;

/// Time from one look to the next, in a namespace with one bucket.
const EVERY: Duration = Duration::from_secs(5);
/// How much older than its start deadline and its lease a tick is when it is looked at.
const SETTLED_MS: i64 = 60_000;
/// Most ticks of a unit that are looked at once.
const MAX_TICKS: usize = 250;
/// Lines that are read in addition to two for each tick: they tell how the last runs ended.
const SPARE_LINES: usize = 16;
/// Most lines that are read.
const MAX_LINES: usize = 1_000;

/// Which jobs a node has looked at, up to which ticks.
pub(super) struct AuditWatch {
    jobs: Vec<WatchedJob>,
    /// The job at which the search for the next one begins.
    first: usize,
    every: Duration,
    /// When the next look is due, by the boot clock.
    next: Duration,
    is_pending: bool,
}

struct WatchedJob {
    job: Arc<CompiledJob>,
    /// The first unit of the job: the node that it prefers looks at the job.
    unit: UnitIndex,
    /// Ticks up to this instant need no further look.
    since_ms: i64,
    /// The first tick after it.
    next_ms: Option<i64>,
    /// The store at the last look; `None` before the first.
    seen: Option<StoreIdentity>,
    /// Ticks after `since_ms`, with their shards, that are counted already.
    counted: BTreeSet<(i64, u32)>,
}

/// A look at a job.
struct Look {
    index: usize,
    job: Arc<CompiledJob>,
    /// The ticks after the first instant up to the second.
    range: (i64, i64),
    lines: usize,
}

/// What a look has shown.
pub(super) struct Looked {
    index: usize,
    range: (i64, i64),
    read: Result<AuditInput, StoreError>,
}

impl AuditWatch {
    pub(super) fn new(client: &StoreClient, units: &Units, now_ms: i64) -> Self {
        let first_shards = units.indices().filter(|unit| units.get(*unit).shard == 0);
        let watched = first_shards.map(|unit| WatchedJob::new(&units.get(unit).job, unit, now_ms));
        let every = EVERY * client.caller.buckets;
        AuditWatch {
            jobs: watched.collect(),
            first: 0,
            every,
            next: client.now() + every,
            is_pending: false,
        }
    }

    /// The next look, if one is due.
    fn take_due(
        &mut self,
        now: Duration,
        now_ms: i64,
        units: &Units,
        preference: &Preference,
        client: &StoreClient,
    ) -> Option<Look> {
        if self.is_pending || now < self.next || preference.version() == 0 {
            return None;
        }
        self.next = now + self.every;
        let mut found = None;
        let count = self.jobs.len();
        for index in (0..count).map(|step| (self.first + step) % count) {
            let watched = &mut self.jobs[index];
            let reports = preference.reports(units, watched.unit);
            watched.job.metrics.set_reports(reports);
            let is_ours = reports && !units.is_aside(watched.unit);
            let paused_until_ms = units.get(watched.unit).paused_until_ms(now_ms);
            let is_paused = paused_until_ms > 0;
            watched.job.metrics.set_paused_until(paused_until_ms);
            if !is_ours || is_paused || !watched.job.rules.enabled {
                watched.forget(now_ms);
            } else if found.is_none() && watched.is_due(now_ms, client) {
                found = Some(index);
            }
        }
        let index = found?;
        self.first = (index + 1) % count;
        self.is_pending = true;
        Some(self.jobs[index].look(index, now_ms, client))
    }
}

impl WatchedJob {
    fn new(job: &Arc<CompiledJob>, unit: UnitIndex, now_ms: i64) -> Self {
        WatchedJob {
            job: Arc::clone(job),
            unit,
            since_ms: now_ms,
            next_ms: job.schedule().next_after(now_ms.max(job.since_ms())),
            seen: None,
            counted: BTreeSet::new(),
        }
    }

    /// Another node looks at the job, or the store forgot: ticks up to now do not count.
    fn forget(&mut self, now_ms: i64) {
        if self.seen.take().is_some() || self.next_ms.is_some_and(|next_ms| next_ms < now_ms) {
            *self = WatchedJob::new(&self.job, self.unit, now_ms);
        }
    }

    /// Up to which tick everything should have an outcome.
    fn settled_ms(&self, now_ms: i64, client: &StoreClient) -> i64 {
        let rules = &self.job.rules;
        let lease_ms = rules.lease.map_or(client.caller.quarantine_ms, |lease| {
            lease.as_millis() as i64
        });
        let deadline_ms = rules.start_deadline.as_millis() as i64;
        now_ms - SETTLED_MS - lease_ms - deadline_ms
    }

    /// Whether it was never looked at, or has a tick that should have an outcome.
    fn is_due(&self, now_ms: i64, client: &StoreClient) -> bool {
        let settled_ms = self.settled_ms(now_ms, client);
        self.seen.is_none() || self.next_ms.is_some_and(|next_ms| next_ms <= settled_ms)
    }

    fn look(&self, index: usize, now_ms: i64, client: &StoreClient) -> Look {
        let schedule = self.job.schedule();
        let next = |after: &i64| schedule.next_after(*after);
        let ticks = std::iter::successors(self.next_ms, next).take(MAX_TICKS);
        let ticks: Vec<i64> = ticks.take_while(|tick_ms| *tick_ms <= now_ms).collect();
        let settled_ms = self.settled_ms(now_ms, client);
        let newest = ticks.iter().rev().find(|tick_ms| **tick_ms <= settled_ms);
        let lines = SPARE_LINES + 2 * ticks.len() * self.job.rules.shards as usize;
        Look {
            index,
            job: Arc::clone(&self.job),
            range: (self.since_ms, newest.copied().unwrap_or(self.since_ms)),
            lines: lines.min(MAX_LINES).min(client.caller.ledger_limit),
        }
    }

    fn settle(&mut self, (from_ms, to_ms): (i64, i64), input: &AuditInput) {
        let newest_first = input.lines.iter().rev().filter(|line| !line.retried);
        let ends = newest_first.filter(|line| line.fired_at_ms.is_some());
        let ends = ends.map(|line| (line.unit.shard(), line.outcome, line.ended_at_ms));
        self.job.metrics.learn_ledger(ends);
        if !input.units.is_empty() {
            let waiting = input
                .units
                .iter()
                .map(|(_, unit)| unit.waiting.len() as u32);
            self.job.metrics.set_waiting(waiting.sum());
        }
        let ticks = input.audit(&self.job.schedule(), from_ms, to_ms);
        let is_open = |status| {
            matches!(
                status,
                TickStatus::Running | TickStatus::Waiting | TickStatus::Due
            )
        };
        let first_open = ticks.iter().find(|tick| is_open(tick.status));
        for tick in ticks
            .iter()
            .filter(|tick| tick.status == TickStatus::Unknown)
        {
            if self.counted.insert((ms(tick), tick.shard)) {
                add(&self.job.metrics.unaccounted, 1);
            }
        }
        self.since_ms = first_open.map_or(to_ms, |tick| ms(tick) - 1);
        self.next_ms = self.job.schedule().next_after(self.since_ms);
        self.counted = self.counted.split_off(&(self.since_ms + 1, 0));
    }
}

fn ms(tick: &AuditedTick) -> i64 {
    let since_epoch = tick.tick.duration_since(UNIX_EPOCH).unwrap_or_default();
    since_epoch.as_millis() as i64
}

/// Reads what the audit is computed from.
async fn read(client: &StoreClient, look: &Look) -> Result<AuditInput, StoreError> {
    // The state first: a run that ends in between is in the ledger by then.
    let (from_ms, to_ms) = look.range;
    let units = match from_ms < to_ms {
        true => unit_states(client, &look.job).await?,
        false => Vec::new(),
    };
    let lines = client.ledger(&look.job.name, look.lines).await?;
    Ok(AuditInput {
        full: lines.len() >= look.lines,
        lines: lines.into_iter().rev().collect(),
        units,
        // A job is not looked at while it is paused.
        pauses: Vec::new(),
    })
}

impl Node {
    /// Passes metrics on, and looks at a job, each if it is time.
    pub(super) fn look_if_due(&mut self, mode: Mode, seen: &StoreHealth) {
        let (now, now_ms) = (self.client.now(), self.runner.cluster.now_ms());
        self.client.metrics.publish_if_due(now);
        if mode != Mode::Working || !seen.up || !self.client.metrics.are_read() {
            return;
        }
        let (units, preference) = (&self.units, &self.claiming.preference);
        let look = self
            .audit_watch
            .take_due(now, now_ms, units, preference, &self.client);
        if let Some(look) = look {
            let client = Arc::clone(&self.client);
            self.inbox.request(async move {
                Event::Looked(Looked {
                    read: read(&client, &look).await,
                    index: look.index,
                    range: look.range,
                })
            });
        }
    }

    /// Takes into account what a look has shown. After a loss of memory nothing of it counts.
    pub(super) fn looked(&mut self, looked: Looked) {
        self.audit_watch.is_pending = false;
        let now_ms = self.runner.cluster.now_ms();
        let identity = self.client.health_now().identity;
        let watched = &mut self.audit_watch.jobs[looked.index];
        let Ok(input) = looked.read else {
            return;
        };
        if watched.seen.as_ref().is_some_and(|seen| *seen != identity) {
            watched.forget(now_ms);
            return;
        }
        watched.seen = Some(identity);
        // The ledger has runs of this node that are still to be counted, and each counts once.
        self.client.metrics.count_runs();
        watched.settle(looked.range, &input);
    }
}
