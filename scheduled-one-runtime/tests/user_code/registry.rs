//! The registry of annotated jobs, in a program that has one of its own.

use std::cell::Cell;

use linkme::distributed_slice;
use scheduled_one_runtime::{Job, Scheduler};

use crate::SECOND;

/// A slice of the program's own. The linker knows slices by this name alone.
#[distributed_slice]
pub(crate) static JOBS: [fn() -> u32];

thread_local! {
    /// Whether the annotated job below can be made, in this test.
    static PANICS: Cell<bool> = const { Cell::new(false) };
}

scheduled_one_runtime::__private::register!(|| {
    assert!(!PANICS.get(), "in its constructor");
    Job::every("annotated", SECOND, || async {}).enabled(false)
});

#[tokio::test]
async fn a_program_may_have_a_slice_of_any_name() {
    assert_eq!(JOBS.len(), 0); // reading it panics if the linker finds two of the name
    let scheduler = Scheduler::builder("memory://").start().await;
    let jobs = scheduler.expect("started").jobs();
    assert_eq!(jobs.len(), 1);
    assert_eq!(jobs[0].name, "annotated");
}

#[tokio::test]
async fn a_job_that_cannot_be_made_is_an_error_of_start_and_a_finding_of_the_doctor() {
    PANICS.set(true);
    let started = Scheduler::builder("memory://").start().await;
    let report = Scheduler::builder("memory://").doctor().await;
    PANICS.set(false);
    let text = started.expect_err("it must not start").to_string();
    assert!(text.contains("panicked: in its constructor"), "{text}");
    assert!(!report.is_usable(), "{report}");
    let finding = report.finding("settings").expect("a finding");
    assert!(finding.found.contains("in its constructor"), "{report}");
}
