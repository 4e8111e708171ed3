//! The log line at start: one, so that a log shows at a glance what a node runs.

use std::sync::Arc;

use crate::compiled_job::CompiledJob;
use crate::event;
use crate::node::outlook::Outlook;
use crate::scheduler::builder::SchedulerBuilder;
use crate::user_code;
use scheduled_one_protocol::Store;
use scheduled_one_schedule::ZoneData;

/// Most names in each list of the line.
const MAX_LISTED: usize = 20;

/// What the line says in addition to settings.
pub(super) struct StartLine<'a> {
    pub(super) node: &'a str,
    pub(super) outlook: &'a Outlook,
    pub(super) jobs: &'a [Arc<CompiledJob>],
    /// Names of the disabled jobs, with those that are left out.
    pub(super) disabled: &'a [String],
    pub(super) store: &'a dyn Store,
    /// The cluster's clock.
    pub(super) now_ms: i64,
    pub(super) zones: &'a ZoneData,
}

impl SchedulerBuilder {
    pub(super) fn log_started(&self, line: &StartLine<'_>) {
        let jobs = || line.jobs.iter().filter(|job| !job.is_internal);
        let enabled = jobs().filter(|job| job.rules.enabled);
        let describe = |job: &Arc<CompiledJob>| line.outlook.describe(job, line.now_ms);
        let mut text = list(enabled, describe, "; ");
        if !line.disabled.is_empty() {
            let disabled = list(line.disabled.iter(), String::clone, ", ");
            text = format!("{text}; disabled: {disabled}");
        }
        // It may be the program's own.
        let store = user_code::call(|| format!("{:?}", line.store));
        event::started(
            jobs().count(),
            line.node,
            &self.namespace,
            (self.buckets > 1).then_some(self.buckets),
            store.as_deref().unwrap_or("a store that cannot be shown"),
            line.zones,
            text.trim_start_matches("; "),
        );
    }
}

/// The first items, and how many more there are.
fn list<T>(
    mut items: impl Iterator<Item = T>,
    describe: impl Fn(T) -> String,
    separator: &str,
) -> String {
    let first = items.by_ref().take(MAX_LISTED);
    let mut listed: Vec<String> = first.map(describe).collect();
    match items.count() {
        0 => {}
        more => listed.push(format!("and {more} more")),
    }
    listed.join(separator)
}
