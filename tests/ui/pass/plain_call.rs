use scheduled_one_runtime::{State, scheduled_one};

/// Adds one.
#[scheduled_one(every = "90s")]
#[must_use = "the documentation and all attributes stay"]
pub(crate) async fn job(State(number): State<u32>) -> Result<(), String> {
    Err(format!("{}", number + 1))
}
