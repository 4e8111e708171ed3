//! Which versions of the program and of its jobs a node has.

use std::collections::{BTreeMap, BTreeSet};

use scheduled_one_protocol::message::JobList;

/// The versions in a node's list of jobs; older nodes say none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Releases {
    of_all: Option<String>,
    /// Of jobs that have another one, or none: an empty text.
    others: BTreeMap<String, String>,
}

impl Releases {
    pub(crate) fn of(list: &JobList) -> Self {
        let mut releases = Releases::default();
        for entry in list.names() {
            if let Some(version) = entry.strip_prefix(JobList::RELEASE) {
                releases.of_all = Some(version.to_owned());
            } else if let Some((job, version)) = entry.split_once(JobList::OF_JOB) {
                releases.others.insert(job.to_owned(), version.to_owned());
            }
        }
        releases
    }

    /// The version of a job that the node has; `None` if it says none.
    pub(crate) fn of_job(&self, job: &str) -> Option<&str> {
        let other = self.others.get(job).map(String::as_str);
        let version = other.or(self.of_all.as_deref());
        version.filter(|version| !version.is_empty())
    }

    /// The versions of these jobs.
    pub(crate) fn of_jobs<'a>(&self, jobs: impl Iterator<Item = &'a String>) -> BTreeSet<String> {
        let versions = jobs.filter_map(|job| self.of_job(job));
        versions.map(str::to_owned).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_has_its_own_version_or_that_of_the_program() {
        let list = JobList::from_text(
            "*protocol=2 *release=1.4.0+a b=01 log*=0.9.1 log=02 log*3 by-hand*=",
        );
        let releases = Releases::of(&list);
        let of = |job| releases.of_job(job);
        assert_eq!(of("b"), Some("1.4.0+a"));
        assert_eq!(of("log"), Some("0.9.1"));
        assert_eq!(of("by-hand"), None);
        let jobs = ["b", "log", "by-hand"].map(str::to_owned);
        assert_eq!(releases.of_jobs(jobs.iter()).len(), 2);
        let older = Releases::of(&JobList::from_text("*protocol=2 b=01"));
        assert_eq!(older.of_job("b"), None);
    }
}
