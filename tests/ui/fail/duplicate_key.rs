use scheduled_one_runtime::scheduled_one;

#[scheduled_one(every = "90s", name = "a", every = "80s")]
async fn a() {}

#[scheduled_one(crate = scheduled_one_runtime, every = "90s", crate = scheduled_one_runtime)]
async fn b() {}

fn main() {}
