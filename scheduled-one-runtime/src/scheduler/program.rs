//! The program that a node belongs to: by its jobs, nodes notice which a release has dropped.

use std::collections::BTreeSet;
use std::sync::Arc;

use scheduled_one_schedule::name::check_name;

/// The program that a node belongs to, and all its jobs, also those that do not run on this node.
#[derive(Clone, Debug, Default)]
pub(crate) struct Program {
    /// What its releases have in common; `None` if that is not known.
    pub(crate) application: Option<Arc<str>>,
    /// Whether its builder was given the label. Otherwise it stands for the jobs of the attribute alone: jobs made by
    /// hand may depend on the role of a process.
    pub(crate) is_named: bool,
    /// Names of the jobs of the attribute.
    pub(crate) annotated: BTreeSet<String>,
    /// Names of all jobs.
    pub(crate) jobs: BTreeSet<String>,
}

impl Program {
    /// The label of a job in the catalog.
    pub(crate) fn application_of(&self, job: &str) -> Option<&str> {
        let is_labelled = self.is_named || self.annotated.contains(job);
        self.application.as_deref().filter(|_| is_labelled)
    }

    /// Gives it the name of the executable, if the builder was given none.
    pub(super) fn named_by(mut self, given: Option<&str>) -> Self {
        self.is_named = given.is_some();
        self.application = match given {
            Some(name) => Some(name.into()),
            None => executable().map(Arc::from),
        };
        self
    }
}

/// The name of the executable's file, if it is one that a label may have.
fn executable() -> Option<String> {
    let path = std::env::current_exe().ok()?;
    let name = path.file_name()?.to_str()?;
    // While a program runs, its file may have been replaced.
    let name = name.strip_suffix(" (deleted)").unwrap_or(name);
    check_name(name).is_ok().then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_label_the_executable_stands_for_the_annotated_jobs() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let program = Program {
            annotated: names(&["sweep"]),
            jobs: names(&["sweep", "by-hand"]),
            ..Program::default()
        };
        let unnamed = program.clone().named_by(None);
        assert!(
            unnamed
                .application_of("sweep")
                .is_some_and(|name| !name.is_empty())
        );
        assert_eq!(unnamed.application_of("by-hand"), None);
        let named = program.named_by(Some("billing"));
        assert_eq!(named.application_of("by-hand"), Some("billing"));
    }
}
