use scheduled_one_runtime::scheduled_one;

#[scheduled_one(every = "90s", catch_up = "1h")]
async fn a() {}

#[scheduled_one(every = "90s", misfire = skip, catch_up = "1h")]
async fn b() {}

#[scheduled_one(every = "90s", catch_up = "1h", misfire = skip)]
async fn c() {}

fn main() {}
