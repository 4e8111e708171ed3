//! Forgets a job that no living node has.

use std::collections::HashMap;

use super::meta::quarantined;
use super::{CONTROL_VERSION, Meta, Nodes, Now, Record};
use crate::catalog::Catalog;
use crate::directive::{Backfill, Directive};
use crate::message::{ForgetRequest, Forgotten, JobList, MAX_NODES, NODE_GONE_MS};
use crate::trail::TrailEntry;
use crate::unit::UnitName;

/// Whether what is stored of a job may be removed. If so, the catalog has it no more, its directives are empty, and the
/// trail has an entry; the store removes the rest.
///
/// Nodes are seen before they describe or register anything, so a job that a node is about to have is not forgotten.
pub fn forget(
    meta: &mut Meta,
    nodes: &Nodes,
    catalog: &mut Catalog,
    records: &HashMap<UnitName, Record>,
    request: &ForgetRequest,
    now: Now,
) -> (Forgotten, Option<TrailEntry>) {
    let refused = refusal(meta, nodes, catalog, records, request, now);
    if let Some(refused) = refused {
        return (refused, None);
    }
    catalog.remove(&request.job);
    let (version, before) = empty(meta, &request.job, &request.directive, now);
    empty(
        meta,
        &Backfill::subject(&request.job),
        &request.directive,
        now,
    );
    let entry = TrailEntry::of_forget(request, version, before, now.ms());
    (Forgotten::Removed, Some(entry))
}

fn refusal(
    meta: &Meta,
    nodes: &Nodes,
    catalog: &Catalog,
    records: &HashMap<UnitName, Record>,
    request: &ForgetRequest,
    now: Now,
) -> Option<Forgotten> {
    // Also the nodes and the catalog may be forgotten.
    if quarantined(meta, now) {
        return Some(Forgotten::Quarantined(meta.quarantine_until_ms));
    }
    // Nodes of older releases describe nothing.
    let described_ms = catalog.get(&request.job).map(|entry| entry.last_ms);
    if described_ms.is_none() && request.described_ms != 0 {
        return Some(Forgotten::Unknown);
    }
    let with_it = nodes.with_job(&request.job, now);
    if !with_it.is_empty() {
        return Some(Forgotten::Lives(with_it));
    }
    if described_ms.unwrap_or_default() != request.described_ms {
        return Some(Forgotten::Described);
    }
    let is_active = |unit: &&UnitName| {
        let record = records.get(*unit);
        record.is_some_and(|record| record.running && record.run.until_ms > now.ms())
    };
    let active = request.units.iter().filter(is_active).min();
    active.cloned().map(Forgotten::Running)
}

/// A directive that is stored becomes an empty one: nodes would repeat it if it were deleted. Returns its version now
/// and before; 0 if there was none.
fn empty(meta: &mut Meta, subject: &str, empty: &Directive, now: Now) -> (u64, u64) {
    let Some(before) = meta.directives.get(subject).map(|stored| stored.version) else {
        return (0, 0);
    };
    let version = now.us.max(meta.control_version + 1);
    let directive = Directive {
        version,
        ..empty.clone()
    };
    meta.directives.put(subject, directive);
    meta.control_version = version;
    meta.version = meta.version.max(CONTROL_VERSION);
    (version, before)
}

impl Nodes {
    /// The labels of the living nodes that have a job, or of which it is not known which jobs they have; in the order
    /// of their identities.
    fn with_job(&self, job: &str, now: Now) -> Vec<String> {
        let has = |list: &JobList| {
            list.names()
                .any(|entry| entry.split(['=', '*']).next() == Some(job))
        };
        let living = self.living.values().filter(|node| {
            let lives = node.beat_ms.abs_diff(now.ms()) <= NODE_GONE_MS as u64;
            lives && self.job_lists.get(&node.jobs).is_none_or(has)
        });
        let labels = living.map(|node| node.name.clone());
        labels.take(MAX_NODES).collect()
    }
}
