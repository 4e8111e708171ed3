use scheduled_one_runtime::scheduled_one;

#[scheduled_one(every = "90s", crate = 5)]
async fn a() {}

#[scheduled_one(every = "90s", crate = "a-b")]
async fn b() {}

#[scheduled_one(every = "90s", crate = Vec<u8>)]
async fn c() {}

fn main() {}
