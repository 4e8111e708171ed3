//! The program that a node belongs to: by its jobs, nodes notice which a release has dropped.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::job::Job;
use scheduled_one_protocol::hash;

/// The program that a node belongs to, and all its jobs, also those that do not run on this node.
#[derive(Clone, Debug, Default)]
pub(crate) struct Program {
    /// What its releases have in common, if its builder was given that: the label of all its jobs.
    application: Option<Arc<str>>,
    /// Without it, the labels of the jobs of the attribute, which say in which crate they are. Jobs made by hand have
    /// none: they may depend on the role of a process.
    labels: BTreeMap<String, String>,
    /// Names of all jobs.
    pub(crate) jobs: BTreeSet<String>,
    /// The generation of its schedules.
    pub(crate) generation: u32,
}

impl Program {
    /// The program that has these jobs.
    pub(super) fn of(jobs: &[Job]) -> Self {
        let label = |job: &Job| Some((job.name().to_owned(), job.label()?.to_owned()));
        Program {
            application: None,
            labels: jobs.iter().filter_map(label).collect(),
            jobs: jobs.iter().map(|job| job.name().to_owned()).collect(),
            generation: 0,
        }
    }

    /// The label of a job in the catalog.
    pub(crate) fn application_of(&self, job: &str) -> Option<&str> {
        let own = || self.labels.get(job).map(String::as_str);
        self.application.as_deref().or_else(own)
    }

    /// Whether jobs of this label are jobs of this program, or were that.
    pub(crate) fn has_label(&self, label: &str) -> bool {
        match &self.application {
            Some(application) => **application == *label,
            None => self.labels.values().any(|own| own == label),
        }
    }

    /// Whether it has labels at all.
    pub(crate) fn is_labelled(&self) -> bool {
        self.application.is_some() || !self.labels.is_empty()
    }

    /// A digest of its labels: programs with others look for other jobs.
    pub(crate) fn kind(&self) -> Option<u64> {
        let labels: BTreeSet<&str> = match &self.application {
            Some(application) => [&**application].into(),
            None => self.labels.values().map(String::as_str).collect(),
        };
        let labels: Vec<&str> = labels.into_iter().collect();
        (!labels.is_empty()).then(|| hash(&labels.join(" "), 0))
    }

    /// Gives it the label and the generation that the builder was given.
    pub(super) fn named(mut self, application: Option<&str>, generation: u32) -> Self {
        self.application = application.map(Arc::from);
        self.generation = generation;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two services of one namespace may have executables of one name.
    #[test]
    fn without_a_label_the_crates_of_the_annotated_jobs_stand_for_them() {
        let job = |name: &str| Job::manual(name, || async {});
        let of = |label: &str, name| job(name).labelled(Some(label.to_owned()));
        let jobs = [of("billing", "sweep"), of("audit", "log"), job("by-hand")];
        let program = Program::of(&jobs);
        assert_eq!(program.application_of("sweep"), Some("billing"));
        assert_eq!(program.application_of("log"), Some("audit"));
        assert_eq!(program.application_of("by-hand"), None);
        assert!(program.has_label("audit") && !program.has_label("shipping"));
        assert!(!Program::of(&[job("by-hand")]).is_labelled());
        let named = program.named(Some("all"), 0);
        assert_eq!(named.application_of("sweep"), Some("all"));
        assert_eq!(named.application_of("by-hand"), Some("all"));
        assert!(named.has_label("all") && !named.has_label("billing"));
    }
}
