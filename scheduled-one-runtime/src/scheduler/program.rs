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
    /// The version of the program, if its builder was given that, else that of most of its jobs.
    pub(crate) version: Option<String>,
    /// The versions of jobs that have another one, or none: an empty text.
    other_versions: BTreeMap<String, String>,
}

impl Program {
    /// The program that has these jobs.
    pub(super) fn of(jobs: &[Job]) -> Self {
        let label = |job: &Job| Some((job.name().to_owned(), job.label()?.to_owned()));
        let version = most(jobs.iter().filter_map(Job::version)).map(str::to_owned);
        let version_of = |job: &Job| {
            (
                job.name().to_owned(),
                job.version().unwrap_or_default().to_owned(),
            )
        };
        let mut other_versions: BTreeMap<String, String> = BTreeMap::new();
        if let Some(most) = &version {
            let others = jobs
                .iter()
                .filter(|job| job.version() != Some(most.as_str()));
            other_versions.extend(others.map(version_of));
        }
        Program {
            application: None,
            labels: jobs.iter().filter_map(label).collect(),
            jobs: jobs.iter().map(|job| job.name().to_owned()).collect(),
            generation: 0,
            version,
            other_versions,
        }
    }

    /// The version of a job, if it has another one than the program; empty if it has none.
    pub(crate) fn other_version_of(&self, job: &str) -> Option<&str> {
        self.other_versions.get(job).map(String::as_str)
    }

    /// Gives the program a version, which is that of all its jobs.
    pub(crate) fn versioned(mut self, version: Option<&str>) -> Self {
        if version.is_some() {
            self.version = version.map(str::to_owned);
            self.other_versions.clear();
        }
        self
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
    pub(crate) fn named(mut self, application: Option<&str>, generation: u32) -> Self {
        self.application = application.map(Arc::from);
        self.generation = generation;
        self
    }
}

/// Which of these texts is there most often; of several such, the greatest.
fn most<'a>(texts: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for text in texts {
        *counts.entry(text).or_default() += 1;
    }
    let most = counts.into_iter().max_by_key(|(_, count)| *count);
    most.map(|(text, _)| text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_have_the_versions_of_their_crates_or_that_of_the_builder() {
        let of = |name: &str, version: Option<&str>| {
            Job::manual(name, || async {}).labelled(None, version.map(str::to_owned))
        };
        let jobs = [
            of("sweep", Some("1.4.0")),
            of("log", Some("0.9.1")),
            of("bill", Some("1.4.0")),
            of("by-hand", None),
        ];
        let program = Program::of(&jobs);
        assert_eq!(program.version.as_deref(), Some("1.4.0"));
        let others = ["sweep", "log", "by-hand"].map(|job| program.other_version_of(job));
        assert_eq!(others, [None, Some("0.9.1"), Some("")]);
        let unversioned = Program::of(&jobs[3..]);
        assert_eq!(
            (
                unversioned.version.as_deref(),
                unversioned.other_version_of("by-hand")
            ),
            (None, None)
        );
        let program = program.versioned(None).versioned(Some("2026-11"));
        assert_eq!(program.version.as_deref(), Some("2026-11"));
        assert_eq!(program.other_version_of("log"), None);
    }

    /// Two services of one namespace may have executables of one name.
    #[test]
    fn without_a_label_the_crates_of_the_annotated_jobs_stand_for_them() {
        let job = |name: &str| Job::manual(name, || async {});
        let of = |label: &str, name| job(name).labelled(Some(label.to_owned()), None);
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
