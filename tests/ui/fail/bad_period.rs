use scheduled_one_runtime::scheduled_one;

#[scheduled_one(every = "99ms")]
async fn a() {}

#[scheduled_one(every = "400d")]
async fn b() {}

fn main() {}
