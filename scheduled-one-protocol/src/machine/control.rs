//! Directives of operators: repeated by nodes, changed by compare-and-set.

use super::{CONTROL_VERSION, Meta, Now};
use crate::catalog::Catalog;
use crate::directive::Directive;
use crate::message::{Changed, ControlReply, ControlRequest};
use crate::trail::TrailEntry;

/// Takes directives into account that the caller saw, and makes the change that it asks for. Enters the jobs that it
/// describes into the catalog, which is loaded if the request has to do with it.
pub fn control(
    meta: &mut Meta,
    catalog: &mut Catalog,
    request: &ControlRequest,
    now: Now,
    trail: &mut Vec<TrailEntry>,
) -> ControlReply {
    describe(catalog, &request.described, now.ms());
    // Somebody edited the version: nodes would not read what is stored.
    let mut is_news = meta.control_version < meta.directives.newest();
    for (subject, seen) in &request.seen {
        is_news |= meta.directives.merge(subject, seen);
    }
    if is_news {
        let newest = meta.directives.newest();
        meta.control_version = next_version(meta, now).max(newest);
    }
    let mut changed = Changed::Nothing;
    if let Some(change) = &request.change {
        let stored = meta.directives.get(&change.subject);
        changed = match stored.map_or(0, |directive| directive.version) == change.seen {
            false => Changed::Conflict,
            true => {
                let version = next_version(meta, now);
                let directive = Directive {
                    version,
                    ..change.directive.clone()
                };
                meta.directives.put(&change.subject, directive);
                meta.control_version = version;
                trail.extend(TrailEntry::of_change(change, version, now.ms()));
                Changed::To(version)
            }
        };
    }
    if meta.control_version > 0 {
        // From here on, nodes that know nothing of directives would start what is paused.
        meta.version = meta.version.max(CONTROL_VERSION);
    }
    ControlReply {
        changed,
        version: meta.control_version,
        directives: meta.directives.clone(),
        catalog: request.wants_catalog.then(|| catalog.clone()),
    }
}

fn describe(catalog: &mut Catalog, described: &[(String, String)], now_ms: i64) {
    for (job, text) in described {
        let entry = catalog.entry(job.clone()).or_default();
        if entry.last_ms == 0 {
            entry.first_ms = now_ms;
        }
        entry.last_ms = now_ms;
        entry.text.clone_from(text);
    }
}

/// Higher than each version before, also after the store forgot them, unless its clock went back.
fn next_version(meta: &Meta, now: Now) -> u64 {
    now.us.max(meta.control_version + 1)
}
