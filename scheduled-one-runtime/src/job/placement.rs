//! On which nodes a job runs: labels, and the group whose runs are limited.

use std::panic::Location;
use std::sync::Arc;

use scheduled_one_schedule::policy::{Scope, check_label};

use crate::compiled_job::Placement;
use crate::job::{Job, check_name};

impl Job {
    /// Only nodes with one of these [labels](crate::SchedulerBuilder::label) run the job: those with the first
    /// label, as
    /// long as one of them lives and has room; else those with the second, and so on. With `"*"` at the end, any other
    /// node if none of them can. Without any such node, its ticks are missed.
    ///
    /// At most 16 labels, in the form of names. A second call adds labels.
    pub fn on<L: Into<String>>(mut self, labels: impl IntoIterator<Item = L>) -> Self {
        self.on.extend(labels.into_iter().map(Into::into));
        self
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn declared_at(&self) -> &'static Location<'static> {
        self.declared_at
    }

    pub(crate) fn group_name(&self) -> Option<&str> {
        self.group.as_deref()
    }

    /// Checks what says on which nodes it runs, and when.
    pub(super) fn check_placement(&self) -> Result<(), String> {
        if let Some(group) = &self.group {
            check_name(group).map_err(|why| format!("`group`: {why}"))?;
        }
        for (nth, label) in self.on.iter().enumerate() {
            check_label(&self.on[..nth], label).map_err(|why| format!("`on`: {why}"))?;
        }
        if !self.on.is_empty() && self.policies.scope() == Scope::EveryNode {
            return Err(
                "`on` does not go with `scope = every_node`: there each node runs each tick".into(),
            );
        }
        match self.when.misplaced(self.policies.scope) {
            Some(why) => Err(why),
            None => Ok(()),
        }
    }
}

/// The placement; most jobs have none.
pub(super) fn placement(group: Option<String>, on: Vec<String>) -> Option<Arc<Placement>> {
    let is_usual = group.is_none() && on.is_empty();
    (!is_usual).then(|| {
        Arc::new(Placement {
            group: group.map(Into::into),
            on,
        })
    })
}
