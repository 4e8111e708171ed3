use scheduled_one_runtime::scheduled_one;

#[scheduled_one(every = "90s", shards = 0)]
async fn a() {}

#[scheduled_one(every = "90s", shards = 1025)]
async fn b() {}

#[scheduled_one(every = "90s", shards = "4")]
async fn c() {}

#[scheduled_one(every = "90s", shards = 4.0)]
async fn d() {}

#[scheduled_one(every = "90s", shards = -4)]
async fn e() {}

#[scheduled_one(every = "90s", shards = four)]
async fn f() {}

#[scheduled_one(every = "90s", shards = 99999999999)]
async fn g() {}

#[scheduled_one(every = "90s", shards = 4s)]
async fn h() {}

fn main() {}
