use scheduled_one_runtime::scheduled_one;

#[scheduled_one(every = "90s", scope = "one")]
async fn a() {}

#[scheduled_one(every = "90s", scope = all)]
async fn b() {}

#[scheduled_one(every = "90s", scope = every)]
async fn c() {}

#[scheduled_one(every = "90s", scope = every_node(2))]
async fn d() {}

#[scheduled_one(every = "90s", scope = 1)]
async fn e() {}

#[scheduled_one(every = "90s", scope = "cluster")]
async fn f() {}

#[scheduled_one(every = "90s", scope = Scope::EveryNode)]
async fn g() {}

fn main() {}
