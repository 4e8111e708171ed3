use scheduled_one_runtime::{JobContext, scheduled_one};

// Refused by rustc itself.
#[scheduled_one(every = "90s")]
async fn report(_ctx: JobContext, _: ...) {}

fn main() {}
