//! How living nodes differ, in words.

use std::collections::BTreeSet;

use scheduled_one_control::{JobSummary, NodeSummary};

/// How many jobs, or versions, a text names.
const MAX_NAMED: usize = 5;

/// How nodes differ, if they do: in the schedules of jobs, in the versions that they say of jobs, or in the version of
/// the protocol. Two programs of a namespace may have two versions; two nodes that have the same job should not.
pub(super) fn drift(jobs: &[JobSummary], nodes: &[NodeSummary]) -> Option<String> {
    let mut differ = Vec::new();
    let rescheduled = jobs.iter().filter(|job| job.schedules.len() > 1);
    let rescheduled: Vec<&str> = rescheduled.map(|job| &*job.job).collect();
    if !rescheduled.is_empty() {
        differ.push(format!("schedules of {}", named(&rescheduled)));
    }
    let released = jobs.iter().filter(|job| job.versions.len() > 1);
    let versions = released.clone().flat_map(|job| &job.versions);
    let versions: BTreeSet<&str> = versions.map(String::as_str).collect();
    let versions: Vec<&str> = versions.into_iter().collect();
    let released: Vec<&str> = released.map(|job| &*job.job).collect();
    if !released.is_empty() {
        let (versions, jobs) = (named(&versions), named(&released));
        differ.push(format!("versions ({versions}) of {jobs}"));
    }
    let protocols: BTreeSet<u64> = nodes.iter().filter_map(|node| node.protocol).collect();
    if protocols.len() > 1 {
        let protocols: Vec<String> = protocols.iter().map(u64::to_string).collect();
        let protocols = protocols.join(", ");
        differ.push(format!("versions ({protocols}) of the protocol"));
    }
    let differ = (!differ.is_empty()).then(|| differ.join(", and different "))?;
    Some(format!("living nodes have different {differ}"))
}

/// The first of these, and how many more there are.
fn named(all: &[&str]) -> String {
    let named = all[..all.len().min(MAX_NAMED)].join(", ");
    match all.len().saturating_sub(MAX_NAMED) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(name: &str, versions: &[&str]) -> JobSummary {
        let mut job = JobSummary::default();
        job.job = name.to_owned();
        job.versions = versions.iter().map(|it| (*it).to_owned()).collect();
        job
    }

    fn node(protocol: Option<u64>) -> NodeSummary {
        let mut node = NodeSummary::default();
        node.protocol = protocol;
        node
    }

    #[test]
    fn two_versions_of_one_job_are_a_drift_and_those_of_two_programs_are_none() {
        let two_programs = [job("a", &["1.4.0"]), job("b", &["2.0.0"]), job("c", &[])];
        assert_eq!(drift(&two_programs, &[]), None);
        let skewed = [
            job("a", &["1.4.0", "1.5.0"]),
            job("b", &["2.0.0"]),
            job("c", &["1.4.0", "1.5.0"]),
        ];
        let expected = "living nodes have different versions (1.4.0, 1.5.0) of a, c";
        assert_eq!(drift(&skewed, &[]).as_deref(), Some(expected));
    }

    #[test]
    fn nodes_that_speak_different_versions_of_the_protocol_are_a_drift() {
        let same = [node(Some(2)), node(None), node(Some(2))];
        assert_eq!(drift(&[], &same), None);
        let other = [node(Some(2)), node(Some(1)), node(None)];
        let expected = "living nodes have different versions (1, 2) of the protocol";
        assert_eq!(drift(&[], &other).as_deref(), Some(expected));
        let names: Vec<String> = (0..7).map(|number| format!("j{number}")).collect();
        let jobs: Vec<JobSummary> = names.iter().map(|name| job(name, &["1", "2"])).collect();
        let expected = "living nodes have different versions (1, 2) of j0, j1, j2, j3, j4 and 2 more, and different \
                        versions (1, 2) of the protocol";
        assert_eq!(drift(&jobs, &other).as_deref(), Some(expected));
    }
}
