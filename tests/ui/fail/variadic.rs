use scheduled_one_runtime::{JobContext, scheduled_one};

// rustc has more to say of it, as it stays in the program.
#[scheduled_one(every = "90s")]
async fn report(_ctx: JobContext, _: ...) {}

fn main() {}
