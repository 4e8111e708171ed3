//! The list of the jobs that a node runs, as heartbeats carry it.

use std::fmt::Write;

use crate::node::units::{Unit, Units};
use crate::scheduler::program::Program;
use scheduled_one_protocol::ScheduleId;
use scheduled_one_protocol::machine::VERSION;
use scheduled_one_protocol::message::JobList;

/// In front of the digest of the program's labels, in an entry that is no name of a job.
const PROGRAM: &str = "*program=";
/// Length of the entries with the program, the version of the protocol, and what is in front of that of the program.
const MAX_ENTRIES_BYTES: usize = 64;

/// The jobs that a node with these units runs. Made when a store lacks it, and not kept: it has the names of all jobs.
pub(super) fn own_list(units: &Units, program: &Program) -> JobList {
    let all = units.indices().map(|unit| units.get(unit));
    let runs = |unit: &&Unit| unit.job.rules.enabled && unit.shard == 0;
    let mut jobs: Vec<&Unit> = all.filter(runs).collect();
    // As lists have them: `a-b=…` is in front of `a=…`.
    fn in_list(name: &str) -> impl Iterator<Item = u8> {
        name.bytes().chain(*b"=")
    }
    jobs.sort_by(|a, b| in_list(&a.job.name).cmp(in_list(&b.job.name)));
    // In one text of the right length: a text for each job, or one that grows, would leave holes in the heap.
    let length = |unit: &&Unit| unit.job.name.len() + 2 + ScheduleId::DIGITS;
    let length: usize = jobs.iter().map(length).sum();
    let version = program.version.as_deref().unwrap_or_default();
    let mut names = String::with_capacity(length + MAX_ENTRIES_BYTES + version.len());
    // In front of all names. Nodes of other programs have other lists.
    // Writing into a `String` does not fail.
    if let Some(kind) = program.kind() {
        let _ = write!(names, "{PROGRAM}{kind:016x} ");
    }
    // Read by whoever changes something that older nodes would ignore.
    let _ = write!(names, "{}{VERSION}", JobList::PROTOCOL);
    // For people: which node has which release.
    if !version.is_empty() {
        let _ = write!(names, " {}{version}", JobList::RELEASE);
    }
    for unit in jobs {
        let _ = write!(names, " {}={}", unit.job.name, unit.schedule);
        if let Some(other) = program.other_version_of(&unit.job.name) {
            let _ = write!(names, " {}{}{other}", unit.job.name, JobList::OF_JOB);
        }
        // Read by whoever asks for runs.
        if let shards @ 2.. = unit.job.rules.shards {
            let _ = write!(names, " {}*{shards}", unit.job.name);
        }
    }
    JobList::from_text(&names)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::compiled_job::Compiled;
    use crate::context::JobContext;
    use crate::job::Job;
    use crate::job::when::Schedules;
    use crate::node::outlook::Outlook;
    use crate::state::States;
    use scheduled_one_schedule::ZoneData;

    #[test]
    fn the_own_list_is_as_the_names_make_it() {
        let zones = ZoneData::compiled_in();
        let mut schedules = Schedules::new(&zones, &[]);
        let names = ["a", "a-b", "a.b", "a1", "aa", "b"];
        let compile = |name: &str| {
            let job = Job::every(name, Duration::from_secs(1), |_: JobContext| async {});
            match job.compile(&States::default(), &mut schedules) {
                Ok(Compiled::Job(job)) => Arc::from(job),
                _ => panic!("the job is sound"),
            }
        };
        let lease = Duration::from_secs(5);
        let units = Units::new(
            names.into_iter().map(compile),
            1,
            (lease, 0),
            Outlook::default(),
        );
        let names = units
            .indices()
            .map(|unit| units.get(unit))
            .map(|unit| format!("{}={}", unit.job.name, unit.schedule));
        let protocol = format!("{}{VERSION}", JobList::PROTOCOL);
        let names: Vec<String> = names.chain([protocol]).collect();
        let list = |names: &[String]| JobList::new(names.iter().map(String::as_str));
        assert_eq!(own_list(&units, &Program::default()), list(&names));
        // A node of another program is of another kind, although it has the same jobs.
        let named = Program::default().named(Some("billing"), 0);
        let kind = named.kind().expect("it has a label");
        let names = [names, vec![format!("{PROGRAM}{kind:016x}")]].concat();
        assert_eq!(own_list(&units, &named), list(&names));
        // And so is one of another release.
        let released = named.versioned(Some("1.4.0"));
        let names = [names, vec!["*release=1.4.0".to_owned()]].concat();
        assert_eq!(own_list(&units, &released), list(&names));
    }
}
