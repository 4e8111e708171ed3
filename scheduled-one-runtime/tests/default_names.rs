//! Default names that only the linked program shows to be the same: two functions `tick` of one module, each inside of
//! another function.

use scheduled_one_runtime::{Error, scheduled_one};

#[allow(dead_code, reason = "a job is registered wherever it is declared")]
fn first() {
    #[scheduled_one(every = "1h")]
    async fn tick() {}
}

#[allow(dead_code, reason = "a job is registered wherever it is declared")]
fn second() {
    #[scheduled_one(every = "1h")]
    async fn tick() {}
}

#[tokio::test]
async fn two_local_functions_of_one_name_need_names() {
    let started = scheduled_one_runtime::start("memory://").await;
    let error = started.expect_err("two jobs of one name");
    let text = error.to_string();
    assert!(matches!(error, Error::DuplicateJob { .. }), "{text}");
    for word in [
        "`default_names::tick`",
        "default_names.rs:8:",
        "default_names.rs:14:",
        "`name = \"…\"`",
    ] {
        assert!(text.contains(word), "{word} not in: {text}");
    }
}
