use scheduled_one_runtime::scheduled_one;

#[scheduled_one(every = "90s", tz = "Europe/Berlin")]
async fn a() {}

fn main() {}
