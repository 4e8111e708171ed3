//! What a node is labelled with, and how many runs may be active.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use scheduled_one_protocol::message::Labels;
use scheduled_one_schedule::policy::MAX_LABELS;

use crate::compiled_job::CompiledJob;
use crate::error::Error;
use crate::job::check_name;
use crate::node::preference::{group_word, limit_word, may_run};
use crate::permits::Permits;
use crate::scheduler::builder::SchedulerBuilder;

/// Most active runs that a limit can be.
const MOST_RUNNING: u32 = 100_000;

/// How many runs may be active.
#[derive(Debug, Default)]
pub(in crate::scheduler) struct Limits {
    /// On this node.
    node: Option<u32>,
    /// Of each group, in the cluster.
    pub(in crate::scheduler) groups: BTreeMap<String, u32>,
    /// A group of which two limits were given.
    doubled: Option<String>,
}

impl SchedulerBuilder {
    /// Gives this node a label, such as `"gpu"`: jobs with [`on`](crate::Job::on) run only on nodes with a label that
    /// they name. At most 16 labels, in the form of names. A label says what a node can do; for people there is
    /// [`node_name`](Self::node_name).
    ///
    /// ```
    /// use std::time::Duration;
    /// use scheduled_one_runtime::{Job, Scheduler};
    ///
    /// # async fn demo() -> Result<(), scheduled_one_runtime::Error> {
    /// let render = Job::every("render", Duration::from_secs(60), || async {});
    /// let scheduler = Scheduler::builder("memory://")
    ///     .label("gpu")
    ///     .job(render.on(["gpu"]))
    ///     .start()
    ///     .await?;
    /// # Ok(()) }
    /// ```
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.labels.push(label.into());
        self
    }

    /// Runs at most so many runs at the same time on this node; 1 to 100,000, default no limit. While it has so
    /// many, it
    /// claims nothing, and other nodes do; if no node has room, ticks wait, until their
    /// [start deadline](crate::Job::start_deadline). Jobs with `scope = every_node` do not count.
    pub fn max_running(mut self, runs: u32) -> Self {
        self.limits.node = Some(runs);
        self
    }

    /// Runs at most so many runs of the jobs of a [group](crate::Job::group) at the same time in the whole cluster;
    /// 1 to
    /// 100,000, default no limit. All nodes should be given the same number.
    ///
    /// The limit is shared out over the nodes that have jobs of the group. While nodes come and go, and believe
    /// different things of each other, a run may be one too many for as long as it takes: for what must never be more,
    /// such as licences, let the resource itself count.
    pub fn max_running_of(mut self, group: impl Into<String>, runs: u32) -> Self {
        let group = group.into();
        if self.limits.groups.insert(group.clone(), runs).is_some() {
            self.limits.doubled = Some(group);
        }
        self
    }

    pub(super) fn check_labels(&self) -> Result<(), String> {
        let mut known = BTreeSet::new();
        for label in &self.labels {
            check_name(label).map_err(|why| format!("a label is in the form of names: {why}"))?;
            if !known.insert(label) {
                return Err(format!("`{label}` was given twice"));
            }
        }
        match known.len() > MAX_LABELS {
            true => Err(format!(
                "{} labels; at most {MAX_LABELS} are allowed",
                known.len()
            )),
            false => Ok(()),
        }
    }
}

impl Limits {
    pub(super) fn check(&self) -> Result<(), Error> {
        let bad = |setting, message| Err(Error::Setting { setting, message });
        let out_of_range = |runs: u32| {
            let message = format!("{runs} runs; 1 to {MOST_RUNNING} are allowed");
            (!(1..=MOST_RUNNING).contains(&runs)).then_some(message)
        };
        if let Some(message) = self.node.and_then(out_of_range) {
            return bad("max_running", message);
        }
        if let Some(group) = &self.doubled {
            let message = format!("two limits were given for the group `{group}`");
            return bad("max_running_of", message);
        }
        for (group, runs) in &self.groups {
            let wrong = check_name(group).err().or_else(|| out_of_range(*runs));
            if let Some(message) = wrong {
                return bad("max_running_of", format!("group `{group}`: {message}"));
            }
        }
        Ok(())
    }

    /// The permits of this node.
    pub(in crate::scheduler) fn permits(&self) -> Permits {
        let groups = self.groups.iter();
        let groups = groups.map(|(group, runs)| (group.as_str().into(), *runs));
        Permits::new(self.node, groups.collect())
    }

    /// The labels of this node as others see them, with what is limited.
    pub(in crate::scheduler) fn words(
        &self,
        labels: &[String],
        jobs: &[Arc<CompiledJob>],
    ) -> Labels {
        let own = Labels::new(labels.iter().map(String::as_str));
        // A permit of a node that runs no job of the group would be unused.
        let runs = |job: &&Arc<CompiledJob>| job.rules.enabled && may_run(job, &own);
        let groups: BTreeSet<&str> = jobs
            .iter()
            .filter(runs)
            .filter_map(|job| job.group().map(|it| &**it))
            .collect();
        let limited = groups
            .into_iter()
            .filter(|group| self.groups.contains_key(*group));
        let mut words: Vec<String> = limited.map(group_word).collect();
        words.extend(self.node.map(limit_word));
        words.extend(labels.iter().cloned());
        Labels::new(words.iter().map(String::as_str))
    }
}
