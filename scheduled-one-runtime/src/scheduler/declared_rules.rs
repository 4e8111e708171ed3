//! What the jobs of a program say of their alerts.

use std::collections::BTreeMap;
use std::sync::Arc;

use scheduled_one_protocol::JobDescriptor;
use scheduled_one_schedule::alert::JobRules;

use crate::compiled_job::CompiledJob;

/// The rules of the jobs that have some, by name.
pub(super) fn declared_rules(jobs: &[Arc<CompiledJob>]) -> BTreeMap<String, JobRules> {
    let rules = |job: &Arc<CompiledJob>| {
        let descriptor = JobDescriptor::from_text(&job.descriptor);
        let rules = JobRules::from_said(|key| descriptor.get(key));
        (!rules.is_empty()).then(|| (job.name.to_string(), rules))
    };
    jobs.iter().filter_map(rules).collect()
}
