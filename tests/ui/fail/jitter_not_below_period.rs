use scheduled_one_runtime::scheduled_one;

#[scheduled_one(every = "90s", jitter = "90s")]
async fn a() {}

#[scheduled_one(jitter = "2m", every = "90s")]
async fn b() {}

fn main() {}
