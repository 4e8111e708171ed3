//! What compiles: each module is a case, and each job it declares is there.

// Below, `inventory` has the list of all their jobs.
mod arguments;
mod cfg;
mod clippy_pedantic;
mod deny_warnings;
mod every_key;
mod forbid_unsafe_code;
mod from_macro;
mod lint_levels;
mod minimal;
mod plain_call;
mod policies;
mod private_and_nested;
mod raw_identifier;
mod restrictions;
mod returns_result;
mod runs;
mod shadowed_names;
mod spawn_blocking;
mod two_schedules;

mod inventory;

/// The function is what it was: it can be called.
#[tokio::test(flavor = "current_thread")]
async fn call() {
    let answer = plain_call::job(scheduled_one_runtime::State(1)).await;
    assert_eq!(answer, Err("2".to_owned()));
    private_and_nested::in_a_function();
    private_and_nested::call().await;
}
