use scheduled_one_runtime::scheduled_one;

#[scheduled_one(every = "90s", name = "night report")]
async fn a() {}

#[scheduled_one(every = "90s", name = "")]
async fn b() {}

#[scheduled_one(every = "90s", name = "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn")]
async fn c() {}

#[scheduled_one(every = "90s")]
async fn café() {}

fn main() {}
