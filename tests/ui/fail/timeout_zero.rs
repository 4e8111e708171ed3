use scheduled_one_runtime::scheduled_one;

#[scheduled_one(every = "90s", timeout = "0s")]
async fn a() {}

fn main() {}
