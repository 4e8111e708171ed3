//! What somebody may do.

use std::collections::BTreeMap;
use std::fmt;

/// Something that somebody may do, or may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Action {
    /// See jobs, runs, ledgers, nodes and the trail.
    View,
    /// See the parameters of runs and what they logged, which may be secret.
    SeeParameters,
    /// Start a run, or one for a tick of the past.
    Run,
    /// Cancel a run.
    Cancel,
    /// Pause and resume.
    Pause,
    /// Change the schedule, and take that back.
    Reschedule,
    /// Start runs for a range of ticks.
    Backfill,
    /// Remove what is left of a job that no node has any more.
    Forget,
}

impl Action {
    /// All actions.
    pub const ALL: [Action; 8] = [
        Action::View,
        Action::SeeParameters,
        Action::Run,
        Action::Cancel,
        Action::Pause,
        Action::Reschedule,
        Action::Backfill,
        Action::Forget,
    ];

    /// The word for the action in errors and settings.
    pub fn as_str(self) -> &'static str {
        match self {
            Action::View => "view",
            Action::SeeParameters => "see parameters",
            Action::Run => "run",
            Action::Cancel => "cancel",
            Action::Pause => "pause",
            Action::Reschedule => "reschedule",
            Action::Backfill => "backfill",
            Action::Forget => "forget",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What somebody may do, with all jobs or with some. What is not allowed is denied.
///
/// ```
/// use scheduled_one_control::{Action, Rights};
///
/// let billing = Rights::read_only()
///     .allow_for_group("billing", Action::Run)
///     .allow_for_job("nightly", Action::Pause);
/// assert!(billing.allow(Action::Cancel).allows(Action::Cancel, "any", None));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rights {
    everywhere: ActionSet,
    groups: BTreeMap<String, ActionSet>,
    jobs: BTreeMap<String, ActionSet>,
}

/// A set of actions, as bits.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct ActionSet(u16);

impl ActionSet {
    fn of(actions: &[Action]) -> Self {
        actions
            .iter()
            .fold(ActionSet(0), |set, action| set.and(*action))
    }

    fn and(self, action: Action) -> Self {
        ActionSet(self.0 | 1 << action as u16)
    }

    fn has(self, action: Action) -> bool {
        self.0 & 1 << action as u16 != 0
    }
}

impl fmt::Debug for ActionSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let actions = Action::ALL.into_iter().filter(|action| self.has(*action));
        f.debug_set().entries(actions).finish()
    }
}

impl Rights {
    /// Everything, with all jobs.
    pub fn all() -> Self {
        Rights {
            everywhere: ActionSet::of(&Action::ALL),
            ..Self::none()
        }
    }

    /// To see everything but parameters.
    pub fn read_only() -> Self {
        Self::none().allow(Action::View)
    }

    /// Nothing.
    pub fn none() -> Self {
        Rights::default()
    }

    /// The action with all jobs in addition.
    pub fn allow(mut self, action: Action) -> Self {
        self.everywhere = self.everywhere.and(action);
        self
    }

    /// The action with the jobs of a group in addition.
    pub fn allow_for_group(mut self, group: impl Into<String>, action: Action) -> Self {
        let set = self.groups.entry(group.into()).or_default();
        *set = set.and(action);
        self
    }

    /// The action with one job in addition.
    pub fn allow_for_job(mut self, job: impl Into<String>, action: Action) -> Self {
        let set = self.jobs.entry(job.into()).or_default();
        *set = set.and(action);
        self
    }

    /// Whether the action is allowed with a job, which may be in a group.
    pub fn allows(&self, action: Action, job: &str, group: Option<&str>) -> bool {
        let of_group = group.and_then(|group| self.groups.get(group));
        let of_job = self.jobs.get(job);
        let sets = [Some(&self.everywhere), of_group, of_job];
        sets.into_iter().flatten().any(|set| set.has(action))
    }

    /// Whether groups matter: without them nobody needs to know the groups of jobs.
    pub fn name_groups(&self) -> bool {
        !self.groups.is_empty()
    }

    /// Whether the action is allowed with all jobs, those of the future included.
    pub fn allows_everywhere(&self, action: Action) -> bool {
        self.everywhere.has(action)
    }

    /// Whether the action is allowed with some job.
    pub fn allows_somewhere(&self, action: Action) -> bool {
        let some = self.groups.values().chain(self.jobs.values());
        std::iter::once(&self.everywhere)
            .chain(some)
            .any(|set| set.has(action))
    }

    /// The same, with a right for each job in place of those for groups: for who knows which job is in which group now,
    /// by the name of the job.
    pub fn of_groups(&self, groups: &BTreeMap<String, String>) -> Self {
        let mut jobs = self.jobs.clone();
        for (job, group) in groups {
            if let Some(of_group) = self.groups.get(group) {
                let set = jobs.entry(job.clone()).or_default();
                *set = ActionSet(set.0 | of_group.0);
            }
        }
        Rights {
            everywhere: self.everywhere,
            groups: BTreeMap::new(),
            jobs,
        }
    }

    /// The same without all actions that change something.
    pub fn to_look_only(&self) -> Self {
        let looking = ActionSet::of(&[Action::View, Action::SeeParameters]);
        let only = |set: &ActionSet| ActionSet(set.0 & looking.0);
        let each = |sets: &BTreeMap<String, ActionSet>| {
            sets.iter()
                .map(|(name, set)| (name.clone(), only(set)))
                .collect()
        };
        Rights {
            everywhere: only(&self.everywhere),
            groups: each(&self.groups),
            jobs: each(&self.jobs),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_allowed_is_denied() {
        let rights = Rights::none()
            .allow_for_group("billing", Action::Run)
            .allow_for_job("nightly", Action::Pause);
        assert!(rights.allows(Action::Run, "x", Some("billing")));
        assert!(rights.allows(Action::Pause, "nightly", None));
        assert!(!rights.allows(Action::Run, "nightly", None));
        assert!(!rights.allows(Action::Run, "x", Some("other")));
        assert!(!rights.allows(Action::View, "nightly", Some("billing")));
        assert!(rights.allows_somewhere(Action::Run) && !rights.allows_everywhere(Action::Run));
        assert!(!rights.allows_somewhere(Action::Cancel));
    }

    #[test]
    fn rights_with_groups_are_rights_with_the_jobs_that_are_in_them() {
        let rights = Rights::none()
            .allow_for_group("billing", Action::Run)
            .allow_for_job("nightly", Action::Pause);
        let job = |job: &str, group: &str| (job.to_owned(), group.to_owned());
        let of_jobs = rights.of_groups(&[job("nightly", "billing"), job("x", "other")].into());
        assert!(!of_jobs.name_groups());
        assert!(of_jobs.allows(Action::Run, "nightly", None));
        assert!(of_jobs.allows(Action::Pause, "nightly", None));
        assert!(!of_jobs.allows(Action::Run, "x", None));
        assert!(!of_jobs.allows(Action::Run, "nightl", Some("billing")));
    }

    #[test]
    fn whoever_may_only_look_changes_nothing() {
        let looking = Rights::all().allow_for_job("a", Action::Run).to_look_only();
        for action in Action::ALL {
            let may = matches!(action, Action::View | Action::SeeParameters);
            assert_eq!(looking.allows(action, "a", None), may, "{action}");
        }
    }
}
