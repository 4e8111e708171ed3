use scheduled_one_runtime::scheduled_one;

#[scheduled_one()]
async fn a() {}

#[scheduled_one(name = "report")]
async fn b() {}

#[scheduled_one(tz = "UTC")]
async fn c() {}

#[scheduled_one]
async fn without_parentheses() {}

fn main() {}
