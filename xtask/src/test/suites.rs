//! What the suites need of the machine, and about how long they take.

use super::Scope;
use super::build::Program;
use super::task::{Load, Task};

/// A suite that computes, or takes long. All others wait, and take seconds.
struct Suite {
    /// As [`Program::name`] has it.
    name: &'static str,
    load: Load,
    /// On two cores that have nothing else to do. Only the order of begin follows from it, and what
    /// `--quick` leaves out.
    seconds: u32,
}

const SUITES: &[Suite] = &[];

/// What takes longer is not quick.
const QUICK_SECONDS: u32 = 10;

fn suite(name: &str) -> Option<&'static Suite> {
    SUITES.iter().find(|suite| suite.name == name)
}

pub(super) fn load_of(name: &str) -> Load {
    suite(name).map_or(Load::Waits, |suite| suite.load)
}

/// Whether the tests of a program are a part of this.
pub(super) fn runs_in(scope: Scope, program: &Program) -> bool {
    let is_quick = || suite(&program.name()).is_none_or(|suite| suite.seconds <= QUICK_SECONDS);
    scope == Scope::Full || is_quick()
}

/// What takes longest begins first, so that it does not run alone at the end.
pub(super) fn order(tasks: &mut [Task]) {
    tasks.sort_by_key(|task| std::cmp::Reverse(suite(&task.name).map_or(0, |suite| suite.seconds)));
}
