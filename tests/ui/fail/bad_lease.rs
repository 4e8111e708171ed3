use scheduled_one_runtime::scheduled_one;

#[scheduled_one(every = "90s", lease = "199ms")]
async fn a() {}

#[scheduled_one(every = "90s", lease = "61m")]
async fn b() {}

fn main() {}
